/** A token bucket: `ratePerSecond` on average, up to `burst` at once. Time is in milliseconds of a monotonic clock. */
export interface TokenBucket {
  /** Takes a token, or returns false where none is left. */
  take(): boolean;
}

/**
 * @param ratePerSecond Tokens that come back in a second; 0 with a burst of 0 lets nothing through.
 * @param now Monotonic clock in milliseconds.
 */
export function createTokenBucket(
  ratePerSecond: number,
  burst: number,
  now: () => number = () => performance.now(),
): TokenBucket {
  let tokens = burst;
  let updatedAt = now();
  return {
    take() {
      const time = now();
      tokens = Math.min(burst, tokens + ((time - updatedAt) / 1000) * ratePerSecond);
      updatedAt = time;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
