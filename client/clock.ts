/** Time and chance, injected so that tests own them. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Runs once after a while, in milliseconds; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
  /** From 0 to below 1. */
  random(): number;
}

export const systemClock: Clock = {
  now: Date.now,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};
