import fc from 'fast-check';
import { createTokenBucket } from '../../../local/apigateway/token-bucket.ts';

test('gives the burst at once, then the rate', () => {
  let now = 0;
  const bucket = createTokenBucket(10, 3, () => now);
  const takes = (count: number) => Array.from({ length: count }, () => bucket.take()).filter(Boolean).length;
  expect(takes(5)).toBe(3);
  now += 200;
  expect(takes(5)).toBe(2);
  now += 10_000;
  expect(takes(5)).toBe(3);
});

test('with rate and burst 0 gives nothing', () => {
  let now = 0;
  const bucket = createTokenBucket(0, 0, () => now);
  now += 1_000_000;
  expect(bucket.take()).toBe(false);
});

test('never gives more than burst + rate × time', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 200 }),
      (rate, burst, pauses) => {
        let now = 0;
        const bucket = createTokenBucket(rate, burst, () => now);
        let given = 0;
        for (const pause of pauses) {
          now += pause;
          if (bucket.take()) given += 1;
        }
        expect(given).toBeLessThanOrEqual(burst + (rate * now) / 1000 + 1e-6);
      },
    ),
  );
});
