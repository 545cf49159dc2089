import { dynamoDb } from '../shared/dynamodb.ts';
import { environmentOf, functionControl } from '../shared/environment.ts';
import { disconnectEvent } from '../shared/gateway-event.ts';
import { logger } from '../shared/logger.ts';
import { serviceMetrics } from '../shared/metrics.ts';
import { dynamoDbPresence, forget, type Presence } from '../shared/presence.ts';
import { readVariables } from '../shared/variables.ts';
import { reasonOf } from './reason.ts';
import { disconnectVariables } from './variables.ts';

const variables = readVariables(disconnectVariables);
const metrics = serviceMetrics();
const control = functionControl(variables.OPERATIONS_TABLE);
const environment = environmentOf({
  control,
  reads: 'alongside',
  open() {
    const client = dynamoDb();
    return { presence: dynamoDbPresence(variables, client), end: () => client.destroy() };
  },
});

export const handler = (event: unknown): Promise<{ statusCode: number }> =>
  environment.run(({ presence }) => disconnect(event, presence));

async function disconnect(event: unknown, presence: Presence): Promise<{ statusCode: number }> {
  const { connectionId, connectedAt, disconnectStatusCode, disconnectReason } =
    disconnectEvent.parse(event).requestContext;
  const [connection, { drain }] = await Promise.all([forget(connectionId, presence), control.read()]);
  const now = Date.now();
  const end = { code: disconnectStatusCode, reason: disconnectReason, connectedAt };
  const reason = reasonOf(end, connection, now, drain !== null);
  if (!connection?.probe) {
    metrics.put('Disconnects', 1, reason);
    metrics.put('ConnectionDuration', Math.max(0, now - connectedAt) / 1000);
    metrics.flush();
  }
  logger.info('disconnected', {
    connectionId,
    known: connection !== undefined,
    reason,
    code: disconnectStatusCode,
    given: disconnectReason,
    user: connection?.user,
    clientVersion: connection?.clientVersion,
  });
  return { statusCode: 200 };
}
