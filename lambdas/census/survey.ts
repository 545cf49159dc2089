import type { ConnectionCount } from '../shared/connection-count.ts';
import type { Connections, ScannedConnection } from '../shared/connections.ts';
import { type HeartbeatRule, isDoubtful, isLately, isOver, isSilent } from '../shared/liveness.ts';
import type { Pace } from '../shared/pace.ts';

/** What one reading of all connections found. */
export interface Survey {
  readonly connections: number;
  /** Longer connected than the gateway allows: their `$disconnect` was missed. */
  readonly over: readonly string[];
  /** Closed by an earlier census, and still here. */
  readonly leftovers: readonly ScannedConnection[];
  readonly silent: readonly (ScannedConnection & { readonly lastSeenAt: number })[];
  /** Of those that send heartbeats and are not silent, and how many of them were heard lately: see `isLately`. */
  readonly speaking: number;
  readonly heardLately: number;
  /** Their tokens have ended. */
  readonly expired: readonly string[];
  /** Of those by which nothing tells that they live, some. */
  readonly doubtful: readonly string[];
  /** How far the counters are off. */
  readonly drift: number;
}

export interface SurveyDependencies {
  readonly connections: Pick<Connections, 'scan'>;
  readonly count: ConnectionCount;
  readonly heartbeat: HeartbeatRule;
  /** Of read capacity units. */
  readonly reads: Pace;
  /** 0 up to 1, as `Math.random`. */
  readonly random: () => number;
  /** Doubtful connections that are asked for at most. */
  readonly maxDoubtful: number;
}

/** Segments of the table that are read at once; the pace is what limits them, this hides the latency of a page. */
const segments = 4;
/** What was closed has this long for its `$disconnect` to come. */
const disconnectMs = 30_000;
/** A token may have ended so long ago when it is checked at the handshake (`clockTolerance` of the authorizer). */
const clockToleranceMs = 5_000;

/** Reads all connections, and judges each. */
export async function survey(now: number, d: SurveyDependencies): Promise<Survey> {
  let connections = 0;
  let doubted = 0;
  const over: string[] = [];
  const leftovers: ScannedConnection[] = [];
  const silent: (ScannedConnection & { readonly lastSeenAt: number })[] = [];
  const expired: string[] = [];
  const doubtful: string[] = [];
  let speaking = 0;
  let heardLately = 0;
  /** Each of those that are doubtful is as likely to be among those kept (reservoir sampling). */
  const doubt = (connectionId: string) => {
    doubted += 1;
    if (doubtful.length < d.maxDoubtful) doubtful.push(connectionId);
    else {
      const place = Math.floor(d.random() * doubted);
      if (place < d.maxDoubtful) doubtful[place] = connectionId;
    }
  };
  const judge = (connection: ScannedConnection) => {
    const { connectionId, lastSeenAt, tokenExpiresAt, ending } = connection;
    if (lastSeenAt !== undefined && !ending && !isSilent(connection, d.heartbeat, now)) {
      speaking += 1;
      if (isLately(lastSeenAt, d.heartbeat, now)) heardLately += 1;
    }
    if (isOver(connection, now)) over.push(connectionId);
    else if (ending) {
      if (now - ending.at > disconnectMs) leftovers.push(connection);
    } else if (lastSeenAt !== undefined && isSilent(connection, d.heartbeat, now))
      silent.push({ ...connection, lastSeenAt });
    else if (tokenExpiresAt !== undefined && now - tokenExpiresAt > clockToleranceMs) expired.push(connectionId);
    else if (isDoubtful(connection, d.heartbeat, now)) doubt(connectionId);
  };

  const countedBefore = await d.count.read();
  await d.connections.scan(segments, async (page, units) => {
    connections += page.length;
    page.forEach(judge);
    await d.reads.take(units);
  });
  const countedAfter = await d.count.read();
  return {
    connections,
    over,
    leftovers,
    silent,
    speaking,
    heardLately,
    expired,
    doubtful,
    drift: drift(connections, countedBefore, countedAfter),
  };
}

/**
 * Those that connected or left while the pages were read may or may not be among them: only what lies outside of what the
 * counters said before and after is wrong for sure.
 */
function drift(connections: number, before: number, after: number): number {
  const [low, high] = before < after ? [before, after] : [after, before];
  if (connections < low) return connections - low;
  return connections > high ? connections - high : 0;
}
