import { z } from 'zod';
import { type ConnectionCount, dynamoDbConnectionCount } from './connection-count.ts';
import { type Connection, type Connections, dynamoDbConnections } from './connections.ts';
import type { dynamoDb } from './dynamodb.ts';
import { dynamoDbSubscriptions, type Subscriptions } from './subscriptions.ts';

/** Who is connected, and listens to what. */
export interface Presence {
  readonly connections: Connections;
  readonly subscriptions: Subscriptions;
  readonly count: ConnectionCount;
}

export const presenceVariables = z.object({
  CONNECTIONS_TABLE: z.string().min(1),
  SUBSCRIPTIONS_TABLE: z.string().min(1),
  OPERATIONS_TABLE: z.string().min(1),
});

export function dynamoDbPresence(
  variables: z.infer<typeof presenceVariables>,
  client: ReturnType<typeof dynamoDb>,
): Presence {
  return {
    connections: dynamoDbConnections(client, variables.CONNECTIONS_TABLE),
    subscriptions: dynamoDbSubscriptions(client, variables.SUBSCRIPTIONS_TABLE),
    count: dynamoDbConnectionCount(client, variables.OPERATIONS_TABLE),
  };
}

/**
 * Removes everything that is known of a connection that is closed. Whoever removes the item first removes the rest, so
 * that a connection is counted down once however often its end is noticed.
 * @returns what it was; undefined where it was removed before
 */
export async function forget(
  connectionId: string,
  { connections, subscriptions, count }: Presence,
): Promise<Connection | undefined> {
  const connection = await connections.remove(connectionId);
  if (connection === undefined) return undefined;
  await Promise.all([subscriptions.removeAll(connectionId, connection.channels), count.add(-1)]);
  return connection;
}
