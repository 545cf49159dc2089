import { quantile, quantiles } from '../../bench/quantile.ts';

describe('quantile', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => 100 - n);

  it('is the nearest rank', () => {
    expect([0.5, 0.95, 0.99, 1].map(share => quantile(hundred, share))).toEqual([50, 95, 99, 100]);
  });

  it('is the only value of one, and none of none', () => {
    expect(quantile([7], 0.5)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
  });

  it('is written with its unit', () => {
    expect(quantiles([1200.4, 3], [0.5, 1])).toBe('3 / 1,200 ms');
    expect(quantiles([], [0.5])).toBe('-');
  });
});
