import pMap from 'p-map';
import type { Callback } from '../shared/callback.ts';
import type { ScannedConnection } from '../shared/connections.ts';
import type { ControlReader } from '../shared/control.ts';
import { endConnection } from '../shared/ending.ts';
import { type HeartbeatRule, isDoubtful, isOver, isSilent, silenceLimitMs } from '../shared/liveness.ts';
import { forget, type Presence } from '../shared/presence.ts';
import { encodeFrame } from '../shared/protocol.ts';
import type { UnwrittenBeats } from '../shared/unwritten-beats.ts';
import type { SweepAnswer, SweepRequest, Totals } from './request.ts';

export interface SweepDependencies {
  readonly presence: Presence;
  /** At the pace of closes. */
  readonly closing: Pick<Callback, 'close' | 'exists'>;
  /** At the pace of notices. */
  readonly posting: Pick<Callback, 'post'>;
  readonly control: ControlReader;
  readonly heartbeat: HeartbeatRule;
  /** When the last census found that who was silent then is dead; undefined where it did not. */
  readonly verdict: (now: number) => Promise<number | undefined>;
  readonly unwritten: Pick<UnwrittenBeats, 'until'>;
  readonly now: () => number;
  readonly failed: (mode: SweepRequest['mode'], connectionId: string, error: unknown) => void;
}

/** Connections of a page: at the pace of closes it takes 4 s. */
const pageSize = 1_500;
/** Requests to the gateway under way at once. */
const parallelism = 50;
/** A client that is told late still has a moment to spread over. */
const shortestSpreadMs = 1_000;

type Outcome = 'notified' | 'closed' | 'forgotten' | undefined;

/** Does one page of a sweep over all connections. A page that is done twice does no harm. */
export async function sweep(request: SweepRequest, d: SweepDependencies): Promise<SweepAnswer> {
  const now = d.now();
  const begun = begin(request, now);
  const ruling = begun.mode === 'evict' ? await rule(now, d) : { silentAt: now };
  if ('refused' in ruling) return { ...begun, done: true, ...ruling };
  const { connections, next } = await d.presence.connections.page(request.cursor, pageSize);
  const totals: Totals = { ...request.totals, seen: request.totals.seen + connections.length };
  const treat = treatment(begun, now, ruling.silentAt, d);
  await pMap(
    connections.filter(({ probe }) => !probe),
    async connection => {
      try {
        const outcome = await treat(connection);
        if (outcome) totals[outcome] += 1;
      } catch (error) {
        totals.failed += 1;
        d.failed(request.mode, connection.connectionId, error);
      }
    },
    { concurrency: parallelism },
  );
  const { cursor: _, ...rest } = begun;
  return { ...rest, totals, done: next === undefined, ...(next !== undefined && { cursor: next }) };
}

/** Fixes what later pages must know of the first. */
function begin(request: SweepRequest, now: number): SweepRequest {
  switch (request.mode) {
    case 'notify':
      return { ...request, deadline: request.deadline ?? now + request.windowSeconds * 1000 };
    case 'drain':
      return { ...request, startedAt: request.startedAt ?? now };
    case 'evict':
      return request;
  }
}

/** Whose silence means death: of those who were silent at a time, or of nobody. */
type Ruling = { readonly silentAt: number } | Required<Pick<SweepAnswer, 'refused'>>;

async function rule(now: number, d: SweepDependencies): Promise<Ruling> {
  if ((await d.control.read()).presence === 'degraded') return { refused: 'presence_degraded' };
  const watched = now - (await d.unwritten.until()) >= silenceLimitMs(d.heartbeat);
  const silentAt = watched ? await d.verdict(now) : undefined;
  return silentAt === undefined ? { refused: 'not_watched_or_mass_silence' } : { silentAt };
}

/** What is done with each connection. */
function treatment(
  request: SweepRequest,
  now: number,
  silentAt: number,
  d: SweepDependencies,
): (connection: ScannedConnection) => Promise<Outcome> {
  switch (request.mode) {
    case 'notify':
      return connection => notify(connection, request, d);
    case 'drain':
      return async ({ connectionId, connectedAt }) => {
        if (connectedAt > (request.startedAt ?? now)) return undefined;
        if (request.dryRun) return 'closed';
        const result = await endConnection(connectionId, { reason: 'drain', at: now }, endingWith(d));
        if (result === 'spared') return undefined;
        return result === 'closed' ? 'closed' : 'forgotten';
      };
    case 'evict':
      return connection => evict(connection, request.dryRun, { now, silentAt }, d);
  }
}

const endingWith = ({ presence, closing }: SweepDependencies) => ({ presence, callback: closing });

async function notify(
  { connectionId }: ScannedConnection,
  { notice, message, deadline = 0, dryRun }: Extract<SweepRequest, { mode: 'notify' }>,
  d: SweepDependencies,
): Promise<Outcome> {
  if (dryRun) return 'notified';
  const withinMs = Math.max(shortestSpreadMs, deadline - d.now());
  const frame = encodeFrame({ type: 'notice', notice, withinMs, ...(message !== undefined && { message }) });
  const result = await d.posting.post(connectionId, frame);
  if (result === 'delivered') return 'notified';
  if (result === 'gone') return (await forget(connectionId, d.presence)) ? 'forgotten' : undefined;
  throw new Error(`the notice was not delivered: ${result.failed}`);
}

async function evict(
  connection: ScannedConnection,
  dryRun: boolean,
  { now, silentAt }: { readonly now: number; readonly silentAt: number },
  d: SweepDependencies,
): Promise<Outcome> {
  const { connectionId, lastSeenAt } = connection;
  const silent = lastSeenAt !== undefined && isSilent(connection, d.heartbeat, silentAt);
  if (silent) {
    if (dryRun) return 'closed';
    const result = await endConnection(connectionId, { reason: 'evicted', at: now }, endingWith(d), lastSeenAt);
    if (result === 'spared') return undefined;
    return result === 'closed' ? 'closed' : 'forgotten';
  }
  if (!isOver(connection, now) && !isDoubtful(connection, d.heartbeat, now)) return undefined;
  if (await d.closing.exists(connectionId)) return undefined;
  if (dryRun) return 'forgotten';
  return (await forget(connectionId, d.presence)) ? 'forgotten' : undefined;
}
