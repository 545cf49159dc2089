import type { ConnectionCount } from '../shared/connection-count.ts';
import type { Connection, Connections } from '../shared/connections.ts';

export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerUser: number;
  readonly maxConnectionsPerAddress: number;
}

export type Registration = 'registered' | 'service_full' | 'too_many_for_user' | 'too_many_for_address';

export interface RegisterDependencies {
  readonly connections: Connections;
  readonly count: ConnectionCount;
  readonly warn: (message: string, error: unknown) => void;
}

/**
 * Registers a connection unless a limit is reached. The limits are soft by seconds: the indexes and the total that they
 * are read from follow the table with a delay, and connections made at the same moment do not see each other.
 */
export async function register(
  connection: Omit<Connection, 'channels' | 'lastSeenAt'>,
  limits: ConnectionLimits,
  { connections, count, warn }: RegisterDependencies,
): Promise<Registration> {
  const { user, ip } = connection;
  const [total, ofUser, ofAddress] = await Promise.all([
    count.read(),
    user === undefined ? 0 : connections.countByUser(user, limits.maxConnectionsPerUser),
    connections.countByAddress(ip, limits.maxConnectionsPerAddress),
  ]);
  if (total >= limits.maxConnections) return 'service_full';
  if (ofUser >= limits.maxConnectionsPerUser) return 'too_many_for_user';
  if (ofAddress >= limits.maxConnectionsPerAddress) return 'too_many_for_address';
  await Promise.all([
    connections.add(connection),
    // A count that misses one is corrected by the next census; a client need not suffer for it.
    count.add(1).catch((error: unknown) => warn('connection not counted', error)),
  ]);
  return 'registered';
}
