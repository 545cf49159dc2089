/** How a connection's silence is judged. */
export interface HeartbeatRule {
  readonly intervalMs: number;
  readonly graceMs: number;
}

/**
 * Longest age of `lastSeenAt` of a living client. A client is heard within interval + grace, and `lastSeenAt` is moved
 * only when half an interval has passed since, which spares every second write at most and costs this half.
 */
export const silenceLimitMs = (rule: HeartbeatRule): number => 1.5 * rule.intervalMs + rule.graceMs;

/** API Gateway ends a connection after 2 h ("Quotas for configuring and running a WebSocket API"). */
const maxConnectionMs = 2 * 3_600_000;
/** Between the gateway's clock and ours, and until a late `$disconnect` has come. */
const marginMs = 60_000;

/** Whether the gateway must have ended a connection by now; its `$disconnect` was missed where it is still registered. */
export const isOver = (connection: { readonly connectedAt: number }, now: number): boolean =>
  now - connection.connectedAt > maxConnectionMs + marginMs;

export interface Pulse {
  /** Epoch milliseconds; absent until the client has sent its first heartbeat. */
  readonly lastSeenAt?: number;
}

/** A client that has never sent a heartbeat is not judged by them: API Gateway's idle timeout ends it. */
export const isSilent = (pulse: Pulse, rule: HeartbeatRule, now: number): boolean =>
  pulse.lastSeenAt !== undefined && now - pulse.lastSeenAt > silenceLimitMs(rule);

/**
 * What a client was heard within that was heard since the first of all the others fell silent, had they fallen silent
 * together: from its last heartbeat on it takes a client an interval less than this limit, and no more, to be silent.
 */
const latelyMs = (rule: HeartbeatRule): number => silenceLimitMs(rule) - rule.intervalMs;

export const isLately = (lastSeenAt: number, rule: HeartbeatRule, now: number): boolean =>
  now - lastSeenAt <= latelyMs(rule);

/** The share that is heard lately of clients that send a heartbeat each interval, each of which is written. */
export const latelyShare = (rule: HeartbeatRule): number => Math.min(1, latelyMs(rule) / rule.intervalMs);

/**
 * Whether silence means anything: heartbeats are written, and have been for as long as it takes to fall silent.
 * @param unwrittenUntil until when heartbeats may have been answered without being written, epoch milliseconds
 */
export const areBeatsWritten = (
  { presence }: { readonly presence: 'full' | 'degraded' },
  unwrittenUntil: number,
  rule: HeartbeatRule,
  now: number,
): boolean => presence !== 'degraded' && now - unwrittenUntil >= silenceLimitMs(rule);

export interface Traces extends Pulse {
  readonly connectedAt: number;
  readonly resync?: ReadonlySet<string>;
}

/**
 * Whether nothing tells that a connection exists: it never sent a heartbeat, and has had time for two, or a post to it failed.
 * Only the gateway knows then. With a slow store it may never have been open, as the gateway gave up the handshake before the
 * registration was done: until it is forgotten it counts for its user, who comes again and again.
 */
export const isDoubtful = (connection: Traces, { intervalMs }: HeartbeatRule, now: number): boolean =>
  connection.resync !== undefined ||
  (connection.lastSeenAt === undefined && now - connection.connectedAt > 2 * intervalMs);
