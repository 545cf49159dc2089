import type { ConnectionCount } from '../shared/connection-count.ts';
import type { Connections, NewConnection } from '../shared/connections.ts';
import type { ControlReader } from '../shared/control.ts';

export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerUser: number;
  readonly maxConnectionsPerAddress: number;
}

export type Registration =
  | 'registered'
  | 'admission_closed'
  | 'service_full'
  | 'too_many_for_user'
  | 'too_many_for_address';

export interface RegisterDependencies {
  readonly connections: Connections;
  readonly count: ConnectionCount;
  readonly control: ControlReader;
  readonly warn: (message: string, error: unknown) => void;
}

/**
 * Registers a connection unless admission is closed or a limit is reached. Neither a closed admission nor the limits of one
 * user or address are the probe's: it tells whether the service works, also while it takes nobody new. The limits are soft
 * by seconds: the indexes and the total that they are read from follow the table with a delay, and connections made at the
 * same moment do not see each other.
 */
export async function register(
  connection: NewConnection,
  limits: ConnectionLimits,
  { connections, count, control, warn }: RegisterDependencies,
): Promise<Registration> {
  const { user, ip, probe } = connection;
  const [{ admission }, total, ofUser, ofAddress] = await Promise.all([
    control.read(),
    count.read(),
    user === undefined || probe ? 0 : connections.countByUser(user, limits.maxConnectionsPerUser),
    probe ? 0 : connections.countByAddress(ip, limits.maxConnectionsPerAddress),
  ]);
  if (admission === 'closed' && !probe) return 'admission_closed';
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
