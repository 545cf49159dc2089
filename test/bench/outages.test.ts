import { planOutages } from '../../bench/outages.ts';

const options = { seed: 7, untilMs: 60_000, everyMs: 15_000, forMs: 2_000 };

describe('planOutages', () => {
  const plan = planOutages(500, options);
  const all = plan.flat();

  it('is the same for a seed, and another for another', () => {
    expect(planOutages(500, options)).toEqual(plan);
    expect(planOutages(500, { ...options, seed: 8 })).not.toEqual(plan);
  });

  it('hits a fifth of the clients within a fifth of the interval, before anything else happens', () => {
    const early = plan.filter(([first]) => first !== undefined && first.atMs < 3_000).length;
    expect(early / plan.length).toBeCloseTo(0.2, 1);
  });

  it('hits each client about every interval, for about the time that is asked for', () => {
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const distances = plan.flatMap(outages => outages.slice(1).map(({ atMs }, n) => atMs - (outages[n]?.atMs ?? 0)));
    expect(mean(distances) / options.everyMs).toBeCloseTo(1, 1);
    expect(mean(all.map(({ forMs }) => forMs)) / options.forMs).toBeCloseTo(1, 1);
  });

  it('never begins one while the one before goes on, nor after the end', () => {
    for (const outages of plan)
      for (const [n, { atMs }] of outages.entries()) {
        const before = outages[n - 1];
        if (before) expect(atMs).toBeGreaterThan(before.atMs + before.forMs);
        expect(atMs).toBeLessThan(options.untilMs);
      }
  });
});
