import { memoryMeter } from '../../../lambdas/shared/memory-meter.ts';

test('tells a share of the memory, once a second', () => {
  let now = 0;
  const used = memoryMeter(() => now);
  const percent = used(10_000);
  expect(percent).toBeGreaterThan(0);
  expect(percent).toBeLessThan(100);
  now = 999;
  expect(used(10_000)).toBeUndefined();
  now = 1_000;
  expect(used(10_000)).toBeDefined();
});
