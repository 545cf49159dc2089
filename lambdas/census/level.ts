import { z } from 'zod';

/** What the census keeps of earlier counts. */
export const levelSchema = z.object({
  /** The counts that make the baseline, oldest first. */
  counts: z.array(z.number()).default([]),
  /** Since when the count has been far below the baseline; epoch milliseconds. */
  lowSince: z.number().optional(),
  /** When a drain was last seen whose clients are not back yet; epoch milliseconds. */
  drainSeenAt: z.number().optional(),
  /** The UTC day that the peak is of, as `2026-11-22`. */
  day: z.string().optional(),
  peak: z.number().default(0),
});
export type Level = z.infer<typeof levelSchema>;

export interface Measured {
  /** To be kept for the next census. */
  readonly level: Level;
  /** Median of the last 15 counts, one a minute. */
  readonly baseline: number;
  /** How far the count is below the baseline, in percent of it. */
  readonly dropPercent: number;
  /** Of the UTC day. */
  readonly peak: number;
}

export interface Circumstances {
  /** An incident is open. */
  readonly frozen: boolean;
  /** A drain is under way. */
  readonly draining: boolean;
}

const baselineCounts = 15;
/** Percent. A count this far below the baseline is not taken into it, or a drop would hide itself within minutes … */
const largeDropPercent = 10;
/** … for an hour: what is still low then is the new normal. */
const longestLowMs = 3_600_000;
/** Below so many connections a percentage says nothing, and the baseline follows every count. */
const smallBaseline = 20;
/** Clients that were drained have this long to come back before their absence is a drop, in milliseconds. */
const returnMs = 600_000;
/** They are back at this share of the baseline. */
const returnedShare = 0.9;

const median = (sorted: readonly number[]): number => {
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
};

/** What was counted. */
export interface Count {
  /** Open connections. */
  readonly active: number;
  /**
   * Those of clients that live. What an application forgot must not become usual, or closing it were a drop, and its number
   * hid one.
   */
  readonly living: number;
}

/**
 * Compares a count with those of before. Planned reconnects do not show in counts, since the new connection is made
 * before the old one is left; a drain does, and is left out until its clients are back.
 */
export function measure(
  before: Level,
  { active, living }: Count,
  now: number,
  { frozen, draining }: Circumstances,
): Measured {
  const { counts } = before;
  const baseline = counts.length === 0 ? living : median([...counts].sort((a, b) => a - b));
  const drop = baseline === 0 ? 0 : Math.max(0, (100 * (baseline - living)) / baseline);

  const drainSeenAt = draining ? now : before.drainSeenAt;
  const away =
    drainSeenAt !== undefined && (draining || (now - drainSeenAt < returnMs && living < returnedShare * baseline));

  const low = !away && baseline >= smallBaseline && drop >= largeDropPercent;
  const lowSince = low ? (before.lowSince ?? now) : undefined;
  const newNormal = !frozen && lowSince !== undefined && now - lowSince >= longestLowMs;
  const kept = () => {
    if (newNormal) return [living];
    return frozen || away || low ? counts : [...counts, living].slice(-baselineCounts);
  };

  const day = new Date(now).toISOString().slice(0, 10);
  const peak = day === before.day ? Math.max(before.peak, active) : active;
  return {
    level: {
      counts: kept(),
      ...(lowSince !== undefined && !newNormal && { lowSince }),
      ...(away && { drainSeenAt }),
      day,
      peak,
    },
    baseline,
    dropPercent: away ? 0 : drop,
    peak,
  };
}
