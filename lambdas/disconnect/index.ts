import { dynamoDbControl } from '../shared/control.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { disconnectEvent } from '../shared/gateway-event.ts';
import { logger } from '../shared/logger.ts';
import { serviceMetrics } from '../shared/metrics.ts';
import { dynamoDbPresence, forget } from '../shared/presence.ts';
import { readVariables } from '../shared/variables.ts';
import { reasonOf } from './reason.ts';
import { disconnectVariables } from './variables.ts';

const variables = readVariables(disconnectVariables);
const client = dynamoDb();
const presence = dynamoDbPresence(variables, client);
const control = dynamoDbControl(client, variables.OPERATIONS_TABLE, (message, error) => logger.error(message, error));
const metrics = serviceMetrics();

export async function handler(event: unknown): Promise<{ statusCode: number }> {
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
