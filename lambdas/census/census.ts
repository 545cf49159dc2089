import pMap from 'p-map';
import type { Callback } from '../shared/callback.ts';
import type { Connection } from '../shared/connections.ts';
import { type HeartbeatRule, isOver, isSilent } from '../shared/liveness.ts';
import { forget, type Presence } from '../shared/presence.ts';

export interface CensusDependencies {
  readonly presence: Presence;
  readonly callback: Pick<Callback, 'close'>;
  readonly heartbeat: HeartbeatRule;
  readonly now: () => number;
  readonly closeFailed: (connectionId: string, error: unknown) => void;
}

export interface CensusReport {
  /** Connections counted. */
  readonly connections: number;
  readonly silent: number;
  readonly evicted: number;
  /** Left over from a missed `$disconnect`, and forgotten. */
  readonly over: number;
  /** How far the counters were off. */
  readonly drift: number;
}

/**
 * More silent connections than this share at once are not many dead clients but one fault of ours: nobody is evicted.
 * Below the floor a share says nothing.
 */
const massSilenceShare = 0.05;
const massSilenceFloor = 20;

/** Closes under way at once; API Gateway's quota is shared with the fan-out. */
const closeParallelism = 10;

/** Counts the connections, corrects the counters by what they drifted, and closes connections that fell silent. */
export async function takeCensus(d: CensusDependencies): Promise<CensusReport> {
  const now = d.now();
  let connections = 0;
  const over: string[] = [];
  const silent: (Connection & { readonly lastSeenAt: number })[] = [];
  for await (const page of d.presence.connections.pages()) {
    connections += page.length;
    for (const connection of page) {
      if (isOver(connection, now)) {
        over.push(connection.connectionId);
        continue;
      }
      const { lastSeenAt } = connection;
      if (lastSeenAt !== undefined && isSilent(connection, d.heartbeat, now))
        silent.push({ ...connection, lastSeenAt });
    }
  }
  // Those that connected or left while the pages were read make the drift wrong by as many; the next census sees them.
  const drift = connections - (await d.presence.count.read());
  if (drift !== 0) await d.presence.count.add(drift);
  await pMap(over, connectionId => forget(connectionId, d.presence), { concurrency: closeParallelism });
  const report = { connections, silent: silent.length, over: over.length, drift };
  if (silent.length > massSilenceFloor && silent.length > massSilenceShare * connections)
    return { ...report, evicted: 0 };
  const evictions = await pMap(
    silent,
    async ({ connectionId, lastSeenAt }) => {
      try {
        // The heartbeat may have come since the page was read.
        if (!(await d.presence.connections.markSilent(connectionId, lastSeenAt, now))) return false;
        // Its `$disconnect` never came: nobody else will remove it.
        if ((await d.callback.close(connectionId)) === 'gone') await forget(connectionId, d.presence);
        return true;
      } catch (error) {
        d.closeFailed(connectionId, error);
        return false;
      }
    },
    { concurrency: closeParallelism },
  );
  return { ...report, evicted: evictions.filter(Boolean).length };
}
