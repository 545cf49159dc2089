import { createMonitoringClock } from '../../local/monitoring-clock.ts';
import { ManualClock } from './manual-clock.ts';

const start = Date.UTC(2026, 10, 22);

it('is the real time at the start, and then runs as many times faster', () => {
  const real = new ManualClock(start);
  const clock = createMonitoringClock(60, real);
  expect(clock.now()).toBe(start);
  real.advance(1_000);
  expect(clock.now()).toBe(start + 60_000);
  expect(clock.at(start + 500)).toBe(start + 30_000);
});

it('leaves times before the start where they are', () => {
  expect(createMonitoringClock(60, new ManualClock(start)).at(start - 5_000)).toBe(start - 5_000);
});

it('runs a callback after a delay of monitoring time, and not once it was cancelled', () => {
  const real = new ManualClock(start);
  const clock = createMonitoringClock(30, real);
  const ran: number[] = [];
  clock.schedule(60_000, () => ran.push(clock.now() - start));
  const cancel = clock.schedule(90_000, () => ran.push(-1));
  real.advance(1_999);
  expect(ran).toEqual([]);
  real.advance(1);
  expect(ran).toEqual([60_000]);
  cancel();
  real.advance(60_000);
  expect(ran).toEqual([60_000]);
  expect(real.timers).toBe(0);
});

it('does not run a callback early whose delay is longer than a timer can wait', () => {
  const real = new ManualClock(start);
  const capped = {
    now: () => real.now(),
    schedule: (ms: number, run: () => void) => real.schedule(Math.min(ms, 1_000), run),
  };
  let ran = 0;
  createMonitoringClock(1, capped).schedule(3_500, () => {
    ran += 1;
  });
  real.advance(3_499);
  expect(ran).toBe(0);
  real.advance(1);
  expect(ran).toBe(1);
});
