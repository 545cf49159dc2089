import fc from 'fast-check';
import { fullJitter } from '../../client/backoff.ts';

const backoff = { baseMs: 1_000, capMs: 30_000 };

it('waits for anything between nothing and a bound that doubles up to the cap', () => {
  const bound = (failures: number) => fullJitter(failures, backoff, { random: () => 1 });
  expect([0, 1, 2, 3, 4, 5, 6, 5_000].map(bound)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  fc.assert(
    fc.property(fc.nat(), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (failures, chance) => {
      expect(fullJitter(failures, backoff, { random: () => chance })).toBeCloseTo(chance * bound(failures));
    }),
  );
});
