import type { APIGatewayProxyResult } from 'aws-lambda';
import { keptFor } from '../shared/cache.ts';
import { dynamoDbConnectionCount } from '../shared/connection-count.ts';
import { dynamoDbConnections } from '../shared/connections.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { environmentOf, functionControl } from '../shared/environment.ts';
import { connectEvent } from '../shared/gateway-event.ts';
import { logger } from '../shared/logger.ts';
import { serviceMetrics } from '../shared/metrics.ts';
import { subprotocol } from '../shared/protocol.ts';
import { readVariables } from '../shared/variables.ts';
import { type RegisterDependencies, type Registration, register } from './register.ts';
import { connectVariables } from './variables.ts';

const variables = readVariables(connectVariables);
const control = functionControl(variables.OPERATIONS_TABLE);
const environment = environmentOf({
  control,
  // It is read for `register` in any case, beside what that reads.
  reads: 'alongside',
  open() {
    const client = dynamoDb();
    const count = dynamoDbConnectionCount(client, variables.OPERATIONS_TABLE);
    const dependencies: RegisterDependencies = {
      connections: dynamoDbConnections(client, variables.CONNECTIONS_TABLE),
      count: { add: count.add, read: keptFor(1_000, count.read) },
      control,
      warn: (message, error) => logger.warn(message, error as Error),
    };
    return { dependencies, end: () => client.destroy() };
  },
});
const metrics = serviceMetrics();
const limits = {
  maxConnections: variables.MAX_CONNECTIONS,
  maxConnectionsPerUser: variables.MAX_CONNECTIONS_PER_USER,
  maxConnectionsPerAddress: variables.MAX_CONNECTIONS_PER_ADDRESS,
};

const refusals: Record<
  Exclude<Registration, 'registered'>,
  { readonly status: number; readonly type: 'closed' | 'limit' }
> = {
  admission_closed: { status: 503, type: 'closed' },
  service_full: { status: 503, type: 'limit' },
  too_many_for_user: { status: 429, type: 'limit' },
  too_many_for_address: { status: 429, type: 'limit' },
};

const offersSubprotocol = (headers: Readonly<Record<string, string>>): boolean =>
  Object.entries(headers).some(
    ([name, value]) =>
      name.toLowerCase() === 'sec-websocket-protocol' && value.split(',').some(offer => offer.trim() === subprotocol),
  );

export async function handler(event: unknown): Promise<APIGatewayProxyResult> {
  try {
    return await environment.run(({ dependencies }) => connect(event, dependencies));
  } catch (error) {
    metrics.put('ConnectionErrors', 1, 'internal');
    throw error;
  } finally {
    metrics.flush();
  }
}

async function connect(event: unknown, dependencies: RegisterDependencies): Promise<APIGatewayProxyResult> {
  const { headers, requestContext } = connectEvent.parse(event);
  const { connectionId, connectedAt, identity, authorizer } = requestContext;
  const { user, clientVersion, tokenExpiresAt, probe } = authorizer;
  const registration = await register(
    {
      connectionId,
      ip: identity.sourceIp,
      connectedAt,
      ...(user !== undefined && { user }),
      ...(clientVersion !== undefined && { clientVersion }),
      ...(tokenExpiresAt !== undefined && { tokenExpiresAt }),
      ...(probe && { probe }),
    },
    limits,
    dependencies,
  );
  if (registration !== 'registered') {
    const { status, type } = refusals[registration];
    metrics.put('ConnectionErrors', 1, type);
    logger.warn('connection refused', { code: registration, user, ip: identity.sourceIp });
    return { statusCode: status, body: JSON.stringify({ code: registration }) };
  }
  if (!probe) metrics.put('ConnectionsOpened', 1);
  return {
    statusCode: 200,
    body: '',
    ...(offersSubprotocol(headers) && { headers: { 'Sec-WebSocket-Protocol': subprotocol } }),
  };
}
