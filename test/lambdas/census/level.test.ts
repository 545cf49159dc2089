import fc from 'fast-check';
import { type Circumstances, type Level, levelSchema, type Measured, measure } from '../../../lambdas/census/level.ts';

const minute = 60_000;
const morning = Date.UTC(2026, 10, 22, 6);
const calm: Circumstances = { frozen: false, draining: false };

/** Measures one count after the other, a minute apart. */
function follow(counts: readonly number[], circumstances: (n: number) => Circumstances = () => calm): Measured[] {
  let level: Level = levelSchema.parse({});
  return counts.map((active, n) => {
    const measured = measure(level, { active, living: active }, morning + n * minute, circumstances(n));
    level = levelSchema.parse(JSON.parse(JSON.stringify(measured.level)));
    return measured;
  });
}
const times = <T>(n: number, value: T): T[] => Array.from({ length: n }, () => value);

test('the first count is its own baseline', () => {
  expect(follow([500])[0]).toMatchObject({ baseline: 500, dropPercent: 0, peak: 500 });
});

test('the baseline is the median of the last fifteen', () => {
  const counts = [100, 102, 98, 101, 99, 103, 97, 100, 104, 96, 100, 105, 95, 100, 100];
  expect(follow([...times(30, 90), ...counts, 100]).at(-1)?.baseline).toBe(100);
});

test('a drop is the part of the baseline that is missing, and does not lower it', () => {
  const measured = follow([...times(20, 1_000), ...times(40, 700)]);
  expect(measured.at(20)).toMatchObject({ baseline: 1_000, dropPercent: 30 });
  expect(measured.at(-1)).toMatchObject({ baseline: 1_000, dropPercent: 30 });
});

test('what is low for an hour is the new normal', () => {
  const measured = follow([...times(20, 1_000), ...times(62, 700)]);
  expect(measured.at(80)).toMatchObject({ baseline: 1_000, dropPercent: 30 });
  expect(measured.at(-1)).toMatchObject({ baseline: 700, dropPercent: 0 });
});

test('a slow decline is followed', () => {
  const counts = Array.from({ length: 120 }, (_, n) => Math.round(1_000 * 0.995 ** n));
  for (const { dropPercent } of follow(counts)) expect(dropPercent).toBeLessThan(10);
});

test('an incident freezes the baseline for as long as it lasts', () => {
  const measured = follow([...times(20, 1_000), ...times(200, 950)], n => ({ ...calm, frozen: n >= 20 }));
  expect(measured.at(-1)).toMatchObject({ baseline: 1_000, dropPercent: 5 });
});

test('few connections are no baseline to measure by: it follows them', () => {
  expect(follow([...times(20, 10), ...times(9, 2)]).at(-1)?.baseline).toBe(2);
});

test('a drain is no drop, nor are its clients until they are back, ten minutes at most', () => {
  const draining = (n: number) => ({ ...calm, draining: n >= 20 && n < 23 });
  const back = follow([...times(20, 1_000), 600, 0, 0, 300, 950, 1_000, 500], draining);
  expect(back.slice(20).map(({ dropPercent }) => dropPercent)).toEqual([0, 0, 0, 0, 5, 0, 50]);
  const away = follow([...times(20, 1_000), ...times(15, 0)], draining);
  expect(away.at(31)?.dropPercent).toBe(0);
  expect(away.at(32)?.dropPercent).toBe(100);
});

test('the peak is of the UTC day', () => {
  const day = 24 * 60;
  const measured = follow([100, 300, 200, ...times(day - 6 * 60 - 3, 150), 120, 130]);
  expect(measured.at(2)?.peak).toBe(300);
  expect(measured.at(-3)?.peak).toBe(300);
  expect(measured.at(-2)?.peak).toBe(120);
  expect(measured.at(-1)?.peak).toBe(130);
});

test('whatever is counted, a drop is within 0 and 100, and no more is kept than the baseline needs', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50_000), fc.boolean(), fc.boolean()), { maxLength: 200 }), steps => {
      const measured = follow(
        steps.map(([active]) => active),
        n => ({ frozen: steps[n]?.[1] ?? false, draining: steps[n]?.[2] ?? false }),
      );
      for (const { dropPercent, baseline, level, peak } of measured) {
        expect(dropPercent).toBeGreaterThanOrEqual(0);
        expect(dropPercent).toBeLessThanOrEqual(100);
        expect(baseline).toBeGreaterThanOrEqual(0);
        expect(peak).toBeGreaterThanOrEqual(0);
        expect(level.counts.length).toBeLessThanOrEqual(15);
      }
    }),
  );
});
