import type { Connections } from '../shared/connections.ts';
import { type HeartbeatRule, isSilent } from '../shared/liveness.ts';
import type { Pace } from '../shared/pace.ts';

/** Who is connected now. */
export interface Clients {
  readonly connections: number;
  /** Undefined where nobody can know, since heartbeats are not written or were not until just now. */
  readonly silent?: number;
  /** The most used first. */
  readonly versions: readonly { readonly version: string; readonly connections: number; readonly silent?: number }[];
}

/** Versions that are told, of Step Functions' 256 KB. */
const toldVersions = 20;
const segments = 4;

/**
 * Counts the connections by the client's version, which tells whether those of one fell silent.
 * @param heartbeat undefined where silence means nothing
 */
export async function countClients(
  connections: Pick<Connections, 'scan'>,
  heartbeat: HeartbeatRule | undefined,
  reads: Pace,
  now: number,
): Promise<Clients> {
  const byVersion = new Map<string, { connections: number; silent: number }>();
  let all = 0;
  let allSilent = 0;
  await connections.scan(segments, async (page, units) => {
    for (const connection of page) {
      if (connection.probe) continue;
      const silent = Number(heartbeat !== undefined && isSilent(connection, heartbeat, now));
      const version = connection.clientVersion ?? 'not told';
      const count = byVersion.get(version) ?? { connections: 0, silent: 0 };
      count.connections += 1;
      count.silent += silent;
      byVersion.set(version, count);
      all += 1;
      allSilent += silent;
    }
    await reads.take(units);
  });
  const silence = (silent: number) => (heartbeat === undefined ? {} : { silent });
  const versions = [...byVersion]
    .map(([version, { connections, silent }]) => ({ version, connections, ...silence(silent) }))
    .sort((a, b) => b.connections - a.connections || (a.version < b.version ? -1 : 1));
  return { connections: all, ...silence(allSilent), versions: versions.slice(0, toldVersions) };
}
