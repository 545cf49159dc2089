import { setTimeout } from 'node:timers/promises';
import type { Callback } from './callback.ts';

/** Paces requests to the gateway, whose quota the account's services share. */
export interface PostPace {
  /** Waits until the next request may go; in the order of the calls. */
  turn(): Promise<void>;
  /** Told that the gateway refused a request because of its rate. */
  throttled(): void;
  /** Requests that can go within so many milliseconds from now. */
  within(milliseconds: number): number;
  /** Makes rate and burst so many times those that were given; 1 at first. */
  use(parts: number): void;
}

export interface PostPaceOptions {
  readonly perSecond: number;
  /** Requests that may go at once after a pause. */
  readonly burst: number;
  readonly now?: () => number;
  readonly sleep?: (milliseconds: number) => Promise<unknown>;
}

/** A refusal halves the rate, once within this time: those that were under way together are one event. */
const oneEventMs = 1_000;
/** The rate comes back by this share of itself a second, so in five seconds from a half. */
const recoveredShare = 0.1;
/** Never slower than this share: what is refused for other reasons must not end all delivery. */
const slowestShare = 0.05;

/** A token bucket that slows down when it is told so, and recovers. */
export function postPace({ perSecond, burst, now = Date.now, sleep = setTimeout }: PostPaceOptions): PostPace {
  let tokens = burst;
  let at = now();
  let slowedTo = perSecond;
  let slowedAt = Number.NEGATIVE_INFINITY;
  let parts = 1;
  /** Of one part. */
  const partRate = () => {
    const sinceSeconds = Math.max(0, now() - slowedAt) / 1000;
    return Math.min(perSecond, slowedTo + recoveredShare * perSecond * sinceSeconds);
  };
  const rate = () => parts * partRate();
  const refill = () => {
    const time = now();
    // A clock that is set back takes nothing away.
    tokens = Math.min(parts * burst, tokens + (Math.max(0, time - at) / 1000) * rate());
    at = time;
  };
  return {
    async turn() {
      refill();
      tokens -= 1;
      if (tokens < 0) await sleep((-tokens / rate()) * 1000);
    },
    throttled() {
      const time = now();
      if (time - slowedAt < oneEventMs) return;
      refill();
      slowedTo = Math.max(slowestShare * perSecond, partRate() / 2);
      slowedAt = time;
      tokens = Math.min(tokens, 0);
    },
    within(milliseconds) {
      refill();
      return Math.max(0, tokens + (rate() * milliseconds) / 1000);
    },
    use(count) {
      refill();
      parts = count;
      tokens = Math.min(parts * burst, tokens);
    },
  };
}

/** A post that is refused because of the rate is made so often in all; the gateway says the same to a slow client's. */
const attempts = 3;
const pauseMs = 200;

/** Requests by a callback at a pace. What the gateway refuses because of the rate slows all, and is tried again. */
export function pacedCallback(
  callback: Callback,
  pace: PostPace,
  sleep = setTimeout as (ms: number) => Promise<unknown>,
) {
  return {
    async post(connectionId, frame) {
      for (let attempt = 1; ; attempt += 1) {
        await pace.turn();
        const result = await callback.post(connectionId, frame);
        if (typeof result === 'string' || result.failed !== 'throttled') return result;
        pace.throttled();
        if (attempt === attempts) return result;
        await sleep(pauseMs * attempt);
      }
    },
    async close(connectionId) {
      await pace.turn();
      return callback.close(connectionId);
    },
    async exists(connectionId) {
      await pace.turn();
      return callback.exists(connectionId);
    },
  } satisfies Callback;
}
