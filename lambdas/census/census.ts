import pMap from 'p-map';
import type { Callback } from '../shared/callback.ts';
import type { Control, ControlReader } from '../shared/control.ts';
import { areOthersHeard, endConnection, isMassSilence } from '../shared/ending.ts';
import { areBeatsWritten, latelyShare, silenceLimitMs } from '../shared/liveness.ts';
import type { DimensionValue } from '../shared/metric-catalogue.ts';
import { type Metrics, putZeros } from '../shared/metrics.ts';
import { forget, type Presence } from '../shared/presence.ts';
import { encodeFrame } from '../shared/protocol.ts';
import type { UnwrittenBeats } from '../shared/unwritten-beats.ts';
import { measure } from './level.ts';
import type { CensusRecord, CensusState } from './record.ts';
import { type Survey, type SurveyDependencies, survey } from './survey.ts';

export interface CensusDependencies extends Pick<SurveyDependencies, 'heartbeat' | 'reads' | 'random'> {
  readonly presence: Presence;
  /** At the pace of closes. */
  readonly callback: Pick<Callback, 'close' | 'exists' | 'post'>;
  readonly control: ControlReader;
  readonly record: CensusRecord;
  readonly unwritten: Pick<UnwrittenBeats, 'until'>;
  /** Messages that are accepted and not delivered yet. */
  readonly backlog: () => Promise<number>;
  readonly metrics: Metrics;
  readonly maxConnections: number;
  readonly now: () => number;
  /** Names this invocation. */
  readonly holder: string;
  /** Called for each connection that could not be closed or asked for. */
  readonly failed: (message: string, connectionId: string, error: unknown) => void;
}

export interface CensusReport {
  /** Connections counted, those that turned out to be gone included. */
  readonly connections: number;
  readonly active: number;
  readonly silent: number;
  readonly evicted: number;
  /** Closed because their tokens had ended. */
  readonly expired: number;
  /** Left over from a missed `$disconnect`, and forgotten. */
  readonly forgotten: number;
  /** By how much the counters were corrected. */
  readonly drift: number;
  readonly baseline: number;
  readonly dropPercent: number;
}

/** Requests to the gateway under way at once; its quota is shared with the fan-out. */
const parallelism = 20;
/** Connections that one census closes at most: 8 s at the pace of closes. The next one goes on. */
const maxCloses = 3_000;
/** Connections that one census asks the gateway for at most. */
const maxDoubtful = 300;
/** With a longer pause between two censuses nobody watched, and silence may be the store's: two of them were missed. */
const longestPauseMs = 150_000;
/** A drain that is older than its window and this was forgotten by who began it. */
const longestDrainMs = 900_000;

/**
 * Counts the connections exactly, corrects the counters, measures, and ends connections that fell silent or whose tokens
 * ended; forgets those that are gone. One runs at a time.
 * @returns undefined where another one is under way
 * @throws AggregateError where a part failed; the others are done, and `CensusRuns` is not put
 */
export async function takeCensus(d: CensusDependencies): Promise<CensusReport | undefined> {
  const now = d.now();
  const before = await d.record.acquire(d.holder, now);
  if (!before) return undefined;
  let state: CensusState | undefined;
  try {
    putZeros(d.metrics);
    const failures: unknown[] = [];
    const attempt = async (part: () => Promise<void>) => part().catch((error: unknown) => void failures.push(error));
    const control = await d.control.read();
    const found = await survey(now, {
      ...d,
      maxDoubtful,
      connections: d.presence.connections,
      count: d.presence.count,
    });
    await attempt(async () => {
      if (found.drift !== 0) await d.presence.count.add(found.drift);
    });
    const watchedSince = watching(before, control, now);
    // After the survey: what it found silent has had no heartbeat of which there is no trace by now.
    let unwrittenUntil = Number.POSITIVE_INFINITY;
    await attempt(async () => {
      unwrittenUntil = await d.unwritten.until();
    });
    const written = areBeatsWritten(control, unwrittenUntil, d.heartbeat, now);
    const watched = written && watchedSince !== undefined && now - watchedSince >= silenceLimitMs(d.heartbeat);
    const mayEvict = watched && !isMassSilence(found.silent.length, found.connections);
    const ended = await end(found, mayEvict, now, d);
    await attempt(async () => d.metrics.put('Backlog', await d.backlog()));

    const active = found.connections - ended.forgotten - ended.evicted - ended.expired;
    const mayEvictMany = mayEvict || (watched && areOthersHeard(found, latelyShare(d.heartbeat)));
    const dead = mayEvictMany ? found.silent.length - ended.evicted : 0;
    const { level, ...measured } = measure(before.level, { active, living: Math.max(0, active - dead) }, now, {
      frozen: control.baselineFrozen,
      draining: isDraining(control, now),
    });
    state = { level, takenAt: now, mayEvict, mayEvictMany, ...(watchedSince !== undefined && { watchedSince }) };
    const report = {
      connections: found.connections,
      active,
      silent: found.silent.length,
      ...ended,
      drift: found.drift,
      baseline: measured.baseline,
      dropPercent: measured.dropPercent,
    };
    put(report, measured.peak, d);
    // Silence that we ourselves asked for is nobody's, and no cause for an alarm.
    if (written)
      d.metrics.put('SilentConnections', found.connections === 0 ? 0 : (100 * report.silent) / found.connections);
    if (failures.length > 0) throw new AggregateError(failures, 'a part of the census failed');
    d.metrics.put('CensusRuns', 1);
    return report;
  } finally {
    await d.record.release(d.holder, state);
  }
}

/** Since when censuses have seen the store take heartbeats; undefined while presence is degraded. */
function watching(before: CensusState, control: Control, now: number): number | undefined {
  if (control.presence === 'degraded') return undefined;
  const { takenAt, watchedSince } = before;
  const unbroken = takenAt !== undefined && now - takenAt <= longestPauseMs;
  return unbroken && watchedSince !== undefined ? watchedSince : now;
}

const isDraining = ({ drain }: Control, now: number): boolean =>
  drain !== null && now - drain.startedAt < drain.windowSeconds * 1000 + longestDrainMs;

function put({ active, evicted, baseline, dropPercent }: CensusReport, peak: number, d: CensusDependencies) {
  d.metrics.put('ActiveConnections', active);
  d.metrics.put('PeakConnections', peak);
  d.metrics.put('BaselineConnections', baseline);
  d.metrics.put('ConnectionDrop', dropPercent);
  d.metrics.put('ConnectionsUsed', (100 * active) / d.maxConnections);
  d.metrics.put('HeartbeatTimeouts', evicted);
}

type Ended = Pick<CensusReport, 'evicted' | 'expired' | 'forgotten'>;

/** Ends what has to be ended, as much of it as one census may. */
async function end(found: Survey, mayEvict: boolean, now: number, d: CensusDependencies): Promise<Ended> {
  const ended = { evicted: 0, expired: 0, forgotten: 0 };
  /** Ends that no `$disconnect` will tell of. */
  const untold = new Map<DimensionValue<'Disconnects'>, number>();
  const tell = (reason: DimensionValue<'Disconnects'>) => untold.set(reason, (untold.get(reason) ?? 0) + 1);
  const forgetGone = async (connectionId: string, reason: 'abnormal' | 'server') => {
    const connection = await forget(connectionId, d.presence);
    if (!connection) return;
    ended.forgotten += 1;
    if (!connection.probe) tell(connection.ending?.reason ?? reason);
  };
  const close = async (connectionId: string, reason: 'evicted' | 'expired', lastSeenAt?: number) => {
    const result = await endConnection(connectionId, { reason, at: now }, d, lastSeenAt);
    if (result === 'spared') return;
    ended[reason] += 1;
    if (result !== 'closed') tell(reason);
  };
  const each = async <Item>(
    items: readonly Item[],
    message: string,
    idOf: (item: Item) => string,
    act: (item: Item) => Promise<void>,
  ) => {
    const one = (item: Item) => act(item).catch((error: unknown) => d.failed(message, idOf(item), error));
    await pMap(items, one, { concurrency: parallelism });
  };
  const itself = (connectionId: string) => connectionId;

  await each(found.over, 'connection that is over not forgotten', itself, id => forgetGone(id, 'server'));
  await each(
    found.leftovers,
    'connection that was ended before not closed',
    ({ connectionId }) => connectionId,
    async ({ connectionId }) => {
      if ((await d.callback.close(connectionId)) === 'gone') await forgetGone(connectionId, 'server');
    },
  );
  if (mayEvict) {
    await each(
      found.silent.slice(0, maxCloses),
      'silent connection not closed',
      ({ connectionId }) => connectionId,
      ({ connectionId, lastSeenAt }) => close(connectionId, 'evicted', lastSeenAt),
    );
  }
  await each(found.expired.slice(0, maxCloses), 'connection with an expired token not closed', itself, async id => {
    // A close by the service has no code of its own: this tells the client to come back with a new token.
    await d.callback.post(id, expiredFrame);
    await close(id, 'expired');
  });
  await each(found.doubtful, 'doubtful connection not asked for', itself, async id => {
    if (!(await d.callback.exists(id))) await forgetGone(id, 'abnormal');
  });
  for (const [reason, ends] of untold) d.metrics.put('Disconnects', ends, reason);
  return ended;
}

const expiredFrame = encodeFrame({
  type: 'error',
  code: 'token_expired',
  message: 'the token has expired, connect again with a new one',
});
