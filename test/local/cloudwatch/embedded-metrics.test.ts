import { EmbeddedMetricsError, embeddedMetrics } from '../../../local/cloudwatch/embedded-metrics.ts';

const now = Date.UTC(2026, 10, 22);

const line = (changes: object = {}, directive: object = {}) =>
  JSON.stringify({
    _aws: {
      Timestamp: now,
      CloudWatchMetrics: [
        {
          Namespace: 'Steadysocket',
          Dimensions: [['Service', 'Environment']],
          Metrics: [{ Name: 'Latency', Unit: 'Milliseconds' }],
          ...directive,
        },
      ],
    },
    Service: 'chat',
    Environment: 'dev',
    Latency: [5, 7],
    ...changes,
  });

it('finds each metric with each set of dimensions', () => {
  const Dimensions = [['Service'], ['Service', 'Environment']];
  const [first, second, ...others] = embeddedMetrics(line({}, { Dimensions }), now);
  expect(others).toEqual([]);
  expect(first).toMatchObject({ namespace: 'Steadysocket', name: 'Latency', dimensions: { Service: 'chat' } });
  expect(second).toMatchObject({ dimensions: { Service: 'chat', Environment: 'dev' }, unit: 'Milliseconds' });
  expect(second?.samples.set).toEqual({ sampleCount: 2, sum: 12, minimum: 5, maximum: 7 });
});

it.each(['hello', '{"message":"CloudWatchMetrics"}', '{"CloudWatchMetrics"', '{}'])(
  'leaves other lines alone: %s',
  text => {
    expect(embeddedMetrics(text, now)).toEqual([]);
  },
);

it.each<[what: string, text: string]>([
  ['a metric without a value', line({ Latency: undefined })],
  ['a value that is no number', line({ Latency: '5' })],
  ['101 values', line({ Latency: new Array(101).fill(1) })],
  ['a dimension without a value', line({ Service: undefined })],
  ['101 metrics', line({}, { Metrics: new Array(101).fill({ Name: 'Latency' }) })],
  ['31 dimensions', line({}, { Dimensions: [new Array(31).fill('Service')] })],
  ['an unknown unit', line({}, { Metrics: [{ Name: 'Latency', Unit: 'Parsecs' }] })],
  ['a time three weeks ago', line({ _aws: { Timestamp: now - 21 * 86_400_000, CloudWatchMetrics: [] } })],
])('refuses %s', (_, text) => {
  expect(() => embeddedMetrics(text, now)).toThrow(EmbeddedMetricsError);
});

it('takes 100 values', () => {
  const [metric] = embeddedMetrics(line({ Latency: new Array(100).fill(1) }), now);
  expect(metric?.samples.sampleCount).toBe(100);
});
