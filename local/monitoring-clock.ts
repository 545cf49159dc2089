import { type Clock, systemClock } from './clock.ts';

/**
 * Time as the monitoring plane sees it: metric periods, evaluations of alarms, schedules, waits of state machines. It
 * starts with the environment, at the real time, and runs `scale` times as fast. The data plane (latencies, timeouts,
 * tokens, visibility, quotas) keeps the real time, and so do functions: `Date.now()` in one of them is never this. Times
 * that CloudWatch, EventBridge and Step Functions tell are monitoring time; those of data points that functions put are
 * real and are mapped.
 *
 * With a scale of 60 a minute of CloudWatch is one real second. What a real load does in a minute is then spread over
 * sixty of its minutes: a sum per minute is 60 times smaller than without a scale. Nothing corrects that.
 */
export interface MonitoringClock {
  /** Monitoring time, epoch milliseconds. */
  now(): number;
  /** The monitoring time at which the real time is `realMs`, epoch milliseconds. Before the start the two are one. */
  at(realMs: number): number;
  /** Runs `callback` once after `delayMs` of monitoring time; the returned function cancels it. */
  schedule(delayMs: number, callback: () => void): () => void;
  /** How many times faster than the real time it runs; 1 is the real time. */
  readonly scale: number;
  /** When it started, epoch milliseconds; with the scale, that is all there is to it. */
  readonly start: number;
}

/** A monitoring clock that starts now, or the one that started then. */
export function createMonitoringClock(
  scale: number,
  clock: Clock = systemClock,
  start: number = clock.now(),
): MonitoringClock {
  const at = (realMs: number) => (realMs <= start ? realMs : start + (realMs - start) * scale);
  return {
    scale,
    start,
    at,
    now: () => at(clock.now()),
    schedule(delayMs, callback) {
      const due = clock.now() + delayMs / scale;
      let cancel = () => {};
      const wait = () => {
        cancel = clock.schedule(due - clock.now(), () => {
          // A timer cannot wait longer than 24 days: then this is not the time yet.
          if (clock.now() < due) wait();
          else callback();
        });
      };
      wait();
      return () => cancel();
    },
  };
}
