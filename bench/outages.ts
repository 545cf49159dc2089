/** When a client's network is cut, and for how long, in milliseconds from the beginning of the run. */
export interface Outage {
  readonly atMs: number;
  readonly forMs: number;
}

export interface OutageOptions {
  /** The same seed gives the same outages. */
  readonly seed: number;
  /** Until when outages begin, milliseconds from the beginning. */
  readonly untilMs: number;
  /** Time from one outage to the next one on average, milliseconds. */
  readonly everyMs: number;
  /** Length of an outage on average, milliseconds. */
  readonly forMs: number;
}

/** Mulberry32: small, seeded, and good enough to spread outages. From 0 to below 1. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * The outages of each client. The first one is uniform in the first `everyMs`, so that some clients lose their connection
 * before they have received anything; after it the distances are uniform within a third of `everyMs` around it, and lengths
 * within a quarter of `forMs`.
 */
export function planOutages(clients: number, { seed, untilMs, everyMs, forMs }: OutageOptions): Outage[][] {
  const random = seeded(seed);
  const around = (mean: number, part: number) => mean * (1 - part + 2 * part * random());
  return Array.from({ length: clients }, () => {
    const outages: Outage[] = [];
    for (let atMs = everyMs * random(); atMs < untilMs; atMs += around(everyMs, 1 / 3))
      outages.push({ atMs, forMs: around(forMs, 1 / 4) });
    return outages;
  });
}
