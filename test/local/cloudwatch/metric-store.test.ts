import fc from 'fast-check';
import { Aggregate } from '../../../local/cloudwatch/aggregate.ts';
import { MetricStore } from '../../../local/cloudwatch/metric-store.ts';
import { readStatistic } from '../../../local/cloudwatch/statistic.ts';

const minute = 60_000;
const hour = 60 * minute;
const start = Date.UTC(2026, 10, 22);
const metric = { namespace: 'test', name: 'Latency', dimensions: { Service: 'chat', Environment: 'dev' } };

function put(store: MetricStore, timestamp: number, value: number, more: object = {}): void {
  store.put({ ...metric, timestamp, unit: 'Milliseconds', samples: Aggregate.of(value), ...more });
}

function values(store: MetricStore, stat: string, count: number, periodMs = minute, query: object = {}) {
  const statistic = readStatistic(stat);
  if (!statistic) throw new Error(stat);
  return store.values({ ...metric, ...query }, statistic, { start, periodMs, count });
}

it('tells each statistic of each period, and nothing where nothing was put', () => {
  const store = new MetricStore();
  for (const [at, value] of [
    [0, 10],
    [59_999, 30],
    [120_000, 5],
  ] as const)
    put(store, start + at, value);
  expect(values(store, 'Sum', 4)).toEqual([40, undefined, 5, undefined]);
  expect(values(store, 'Average', 1)).toEqual([20]);
  expect(values(store, 'Minimum', 1)).toEqual([10]);
  expect(values(store, 'Maximum', 1)).toEqual([30]);
  expect(values(store, 'SampleCount', 1, 5 * minute)).toEqual([3]);
});

it('is a metric for each set of dimensions, in whichever order', () => {
  const store = new MetricStore();
  put(store, start, 1);
  expect(values(store, 'Sum', 1, minute, { dimensions: { Environment: 'dev', Service: 'chat' } })).toEqual([1]);
  expect(values(store, 'Sum', 1, minute, { dimensions: { Service: 'chat' } })).toEqual([undefined]);
});

it('tells data points of one unit where that is asked for', () => {
  const store = new MetricStore();
  put(store, start, 1);
  put(store, start, 2, { unit: 'Seconds' });
  expect(values(store, 'Sum', 1, minute, { unit: 'Seconds' })).toEqual([2]);
  expect(values(store, 'Sum', 1)).toEqual([3]);
});

it('keeps seconds apart at a resolution of 1 only', () => {
  const store = new MetricStore();
  put(store, start + 15_000, 1, { resolution: 1 });
  put(store, start + 25_000, 2, { resolution: 60 });
  expect(values(store, 'Sum', 3, 10_000)).toEqual([2, 1, undefined]);
});

it('tells percentiles of values, and none of statistic sets', () => {
  const store = new MetricStore();
  for (let value = 1; value <= 100; value++) put(store, start, value);
  expect([50, 95, 99.5, 100].map(percent => values(store, `p${percent}`, 1)[0])).toEqual([50, 95, 100, 100]);
  const set = new Aggregate();
  set.addSet({ sampleCount: 3, sum: 9, minimum: 1, maximum: 5 });
  put(store, start, 0, { samples: set });
  expect(values(store, 'p50', 1)).toEqual([undefined]);
  expect(values(store, 'SampleCount', 1)).toEqual([103]);
});

it.each(['p101', 'tm99', 'median', 'pp', 'constructor'])('does not run the statistic %s', stat => {
  expect(readStatistic(stat)).toBeUndefined();
});

it('keeps sums as data grows old, without percentiles after 3 hours and by the hour after a day', () => {
  const store = new MetricStore();
  put(store, start, 1);
  put(store, start + 30 * minute, 2);
  store.compact(start + 4 * hour);
  expect(values(store, 'Sum', 31)[30]).toBe(2);
  expect(values(store, 'p50', 31)[30]).toBeUndefined();
  store.compact(start + 30 * hour);
  expect(values(store, 'Sum', 1, hour)).toEqual([3]);
  expect(store.metrics()).toHaveLength(1);
  store.compact(start + 16 * 24 * hour);
  expect(store.metrics()).toEqual([]);
});

it('merges samples to what they were together', () => {
  const list = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 20 });
  const of = (numbers: readonly number[]) => {
    const aggregate = new Aggregate();
    for (const value of numbers) aggregate.add(value);
    return aggregate;
  };
  fc.assert(
    fc.property(list, list, fc.double({ min: 0, max: 1, noNaN: true }), (left, right, share) => {
      const merged = of(left);
      merged.merge(of(right));
      const together = of([...left, ...right]);
      expect(merged.set).toEqual(together.set);
      expect(merged.percentile(share)).toBe(together.percentile(share));
    }),
  );
});

it('keeps percentiles close where there are very many values', () => {
  const aggregate = new Aggregate();
  for (let value = 1; value <= 10_000; value++) aggregate.add(value + 0.25);
  const found = aggregate.percentile(0.95) ?? 0;
  expect(Math.abs(found - 9_500) / 9_500).toBeLessThan(0.01);
});
