import type { APIGatewayProxyResult } from 'aws-lambda';
import { keptFor } from '../shared/cache.ts';
import { dynamoDbConnectionCount } from '../shared/connection-count.ts';
import { dynamoDbConnections } from '../shared/connections.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { connectEvent } from '../shared/gateway-event.ts';
import { logger } from '../shared/logger.ts';
import { subprotocol } from '../shared/protocol.ts';
import { readVariables } from '../shared/variables.ts';
import { type RegisterDependencies, type Registration, register } from './register.ts';
import { connectVariables } from './variables.ts';

const variables = readVariables(connectVariables);
const client = dynamoDb();
const count = dynamoDbConnectionCount(client, variables.OPERATIONS_TABLE);
const dependencies: RegisterDependencies = {
  connections: dynamoDbConnections(client, variables.CONNECTIONS_TABLE),
  count: { add: count.add, read: keptFor(1_000, count.read) },
  warn: (message, error) => logger.warn(message, error as Error),
};
const limits = {
  maxConnections: variables.MAX_CONNECTIONS,
  maxConnectionsPerUser: variables.MAX_CONNECTIONS_PER_USER,
  maxConnectionsPerAddress: variables.MAX_CONNECTIONS_PER_ADDRESS,
};

const statusOf: Record<Exclude<Registration, 'registered'>, number> = {
  service_full: 503,
  too_many_for_user: 429,
  too_many_for_address: 429,
};

const offersSubprotocol = (headers: Readonly<Record<string, string>>): boolean =>
  Object.entries(headers).some(
    ([name, value]) =>
      name.toLowerCase() === 'sec-websocket-protocol' && value.split(',').some(offer => offer.trim() === subprotocol),
  );

export async function handler(event: unknown): Promise<APIGatewayProxyResult> {
  const { headers, requestContext } = connectEvent.parse(event);
  const { connectionId, connectedAt, identity, authorizer } = requestContext;
  const { user, clientVersion } = authorizer;
  const registration = await register(
    {
      connectionId,
      ip: identity.sourceIp,
      connectedAt,
      ...(user !== undefined && { user }),
      ...(clientVersion !== undefined && { clientVersion }),
    },
    limits,
    dependencies,
  );
  if (registration !== 'registered') {
    logger.warn('connection refused', { code: registration, user, ip: identity.sourceIp });
    return { statusCode: statusOf[registration], body: JSON.stringify({ code: registration }) };
  }
  return {
    statusCode: 200,
    body: '',
    ...(offersSubprotocol(headers) && { headers: { 'Sec-WebSocket-Protocol': subprotocol } }),
  };
}
