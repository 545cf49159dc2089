import type { Clock } from './clock.ts';

export interface Backoff {
  /** The first wait is at most this, in milliseconds. */
  readonly baseMs: number;
  /** No wait is longer, in milliseconds. */
  readonly capMs: number;
}

/**
 * Milliseconds to wait before another try: anything between nothing and a bound that doubles with each failure, so that
 * clients that failed together come back apart ("Exponential Backoff And Jitter", AWS Architecture Blog).
 * @param failures how many tries failed before the one that is waited for, from 0
 */
export const fullJitter = (failures: number, { baseMs, capMs }: Backoff, clock: Pick<Clock, 'random'>): number =>
  clock.random() * Math.min(capMs, baseMs * 2 ** Math.min(failures, 30));
