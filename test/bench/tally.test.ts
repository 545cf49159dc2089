import * as fc from 'fast-check';
import { Tally } from '../../bench/tally.ts';

const tallyOf = (received: readonly number[]): Tally => {
  const tally = new Tally();
  for (const n of received) tally.take(n);
  return tally;
};

describe('Tally', () => {
  it('finds a complete run in order flawless', () => {
    const { duplicates, outOfOrder, received } = tallyOf([0, 1, 2, 3]);
    expect({ duplicates, outOfOrder, received }).toEqual({ duplicates: 0, outOfOrder: 0, received: 4 });
  });

  it('counts what comes twice, and what comes late', () => {
    const { duplicates, outOfOrder } = tallyOf([0, 2, 1, 2, 3]);
    expect({ duplicates, outOfOrder }).toEqual({ duplicates: 1, outOfOrder: 1 });
  });

  it('misses exactly what was expected and has not come, whatever the order', () => {
    const numbers = fc.uniqueArray(fc.nat({ max: 60 }));
    fc.assert(
      fc.property(numbers, numbers, (received, accepted) => {
        const expected = accepted.toSorted((a, b) => a - b);
        expect(tallyOf(received).missing(expected)).toEqual(expected.filter(n => !received.includes(n)));
      }),
    );
  });
});
