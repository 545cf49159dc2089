import { setTimeout } from 'node:timers/promises';

/** Lets through so much a second. */
export interface Pace {
  /** Waits until `units` more are due; taken in the order of the calls. */
  take(units?: number): Promise<void>;
}

/** Timers come late by a few milliseconds: what is missed in so long may be made up for. */
const slackMs = 50;

/**
 * An even pace without bursts. What is taken is paid for by the next one, so what was used can be told afterwards.
 * @param perSecond units
 */
export function pace(
  perSecond: number,
  now: () => number = Date.now,
  sleep: (milliseconds: number) => Promise<unknown> = setTimeout,
): Pace {
  let due = Number.NEGATIVE_INFINITY;
  return {
    async take(units = 1) {
      const from = Math.max(now() - slackMs, due);
      due = from + (units * 1000) / perSecond;
      const wait = from - now();
      if (wait > 0) await sleep(wait);
    },
  };
}

/**
 * Of a partition's 3,000 read units a second ("DynamoDB burst and adaptive capacity") some are left to heartbeats and
 * presence: 50,000 connections without many channels take 3 s.
 */
export const readUnitsPerSecond = 2_000;
