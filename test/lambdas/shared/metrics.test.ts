import { metricCatalogue } from '../../../lambdas/shared/metric-catalogue.ts';
import { embeddedMetrics, putZeros } from '../../../lambdas/shared/metrics.ts';

interface Line {
  readonly _aws: {
    readonly CloudWatchMetrics: {
      Namespace: string;
      Dimensions: string[][];
      Metrics: { Name: string; Unit: string }[];
    }[];
  };
  readonly [field: string]: unknown;
}

function linesOf(act: (metrics: ReturnType<typeof embeddedMetrics>) => void): Line[] {
  const written: string[] = [];
  // Powertools writes to the stream itself.
  const write = jest.spyOn(process.stdout, 'write').mockImplementation(line => written.push(String(line)) > 0);
  const metrics = embeddedMetrics({ service: 'chat', environment: 'dev' });
  act(metrics);
  metrics.flush();
  write.mockRestore();
  return written.map(line => JSON.parse(line));
}

it('puts a metric with the service and the environment as its only dimensions', () => {
  const [line, ...others] = linesOf(metrics => metrics.put('ActiveConnections', 7));
  expect(others).toEqual([]);
  expect(line?._aws.CloudWatchMetrics).toEqual([
    {
      Namespace: 'Steadysocket',
      Dimensions: [['Service', 'Environment']],
      Metrics: [{ Name: 'ActiveConnections', Unit: 'Count' }],
    },
  ]);
  expect(line).toMatchObject({ Service: 'chat', Environment: 'dev', ActiveConnections: 7 });
});

it('puts a metric that has a dimension in total and for the dimension', () => {
  const lines = linesOf(metrics => metrics.put('Disconnects', 1, 'abnormal'));
  expect(lines.map(line => line._aws.CloudWatchMetrics[0]?.Dimensions)).toEqual([
    [['Service', 'Environment']],
    [['Service', 'Environment', 'Reason']],
  ]);
  expect(lines[1]).toMatchObject({ Reason: 'abnormal', Disconnects: 1 });
});

it('starts anew after a flush', () => {
  const lines = linesOf(metrics => {
    metrics.put('MessagesAccepted', 1);
    metrics.flush();
    metrics.put('MessagesAccepted', 2);
  });
  expect(lines.map(line => line.MessagesAccepted)).toEqual([1, 2]);
  expect(lines[1]).toMatchObject({ Service: 'chat', Environment: 'dev' });
});

it('keeps the dimensions where there are more values than one line takes', () => {
  const lines = linesOf(metrics => {
    for (let n = 0; n < 250; n++) metrics.put('DeliveryLatency', n);
  });
  expect(lines.flatMap(line => line.DeliveryLatency as number[])).toEqual(Array.from({ length: 250 }, (_, n) => n));
  for (const line of lines) {
    expect(line._aws.CloudWatchMetrics[0]?.Dimensions).toEqual([['Service', 'Environment']]);
    expect(line).toMatchObject({ Service: 'chat', Environment: 'dev' });
  }
});

it('puts a zero for every count and each value of its dimension, and for nothing else', () => {
  const put: string[] = [];
  putZeros({
    put: (name: string, value: number, dimension?: string) => put.push(`${name} ${dimension} ${value}`),
    flush() {},
  } as never);
  expect(put).toContain('MessagesAccepted undefined 0');
  expect(put).toContain('Disconnects abnormal 0');
  expect(put).not.toContain('Disconnects undefined 0');
  expect(put.filter(line => line.startsWith('DeliveryLatency') || line.startsWith('ActiveConnections'))).toEqual([]);
  const expected = Object.values(metricCatalogue).filter(metric => metric.dense);
  expect(put).toHaveLength(expected.reduce((sum, m) => sum + ('dimension' in m ? m.dimension.values.length : 1), 0));
});
