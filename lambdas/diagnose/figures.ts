import { type CloudWatchClient, type MetricDataQuery, paginateGetMetricData } from '@aws-sdk/client-cloudwatch';
import { metricCatalogue, metricNamespace } from '../shared/metric-catalogue.ts';
import { type Course, courseOf } from './course.ts';

export interface Figures {
  readonly connections?: Course;
  /** Share of the probe's runs that succeeded, percent; absent where none ran. */
  readonly probeSuccess?: number;
  /** Counts of the last minutes, only those that are not 0: `Disconnects abnormal`, `Errors internal`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Throttled requests of the last minutes by table or function, only those that are not 0. */
  readonly throttled: Readonly<Record<string, number>>;
}

export interface Asked {
  readonly service: string;
  readonly environment: string;
  readonly tables: readonly string[];
  readonly functions: readonly string[];
  /** Epoch milliseconds, by the clock of CloudWatch. */
  readonly now: number;
}

const courseMinutes = 30;
export const countedMinutes = 10;

/** @throws Error where CloudWatch cannot be asked */
export async function readFigures(client: CloudWatchClient, asked: Asked): Promise<Figures> {
  const { service, environment, tables, functions, now } = asked;
  const own = (name: string, dimension: Readonly<Record<string, string>> = {}) => ({
    Namespace: metricNamespace,
    MetricName: name,
    Dimensions: dimensions({ Service: service, Environment: environment, ...dimension }),
  });
  const counted = (['Disconnects', 'ConnectionErrors', 'Errors', 'PostFailures'] as const).flatMap(name => {
    const { dimension } = metricCatalogue[name];
    return dimension.values.map(value => ({
      label: `${name} ${value}`,
      metric: own(name, { [dimension.name]: value }),
    }));
  });
  const throttles = [
    ...tables.flatMap(table =>
      ['ReadThrottleEvents', 'WriteThrottleEvents'].map(name => ({
        label: `${name} of ${table}`,
        metric: { Namespace: 'AWS/DynamoDB', MetricName: name, Dimensions: dimensions({ TableName: table }) },
      })),
    ),
    ...functions.map(name => ({
      label: `Throttles of ${name}`,
      metric: { Namespace: 'AWS/Lambda', MetricName: 'Throttles', Dimensions: dimensions({ FunctionName: name }) },
    })),
  ];
  const sums = [...counted, ...throttles].map(
    ({ metric }, index): MetricDataQuery => ({
      Id: `sum${index}`,
      MetricStat: { Metric: metric, Period: 60, Stat: 'Sum' },
    }),
  );
  const gauges: MetricDataQuery[] = [
    { Id: 'active', MetricStat: { Metric: own('ActiveConnections'), Period: 60, Stat: 'Average' } },
    { Id: 'probe', MetricStat: { Metric: own('ProbeSuccess'), Period: 60, Stat: 'Average' } },
  ];
  const minutes = (count: number) => ({
    StartTime: new Date(now - count * 60_000),
    EndTime: new Date(now),
    ScanBy: 'TimestampAscending' as const,
  });
  const [active, recent] = await Promise.all([
    series(client, { ...minutes(courseMinutes), MetricDataQueries: gauges }),
    series(client, { ...minutes(countedMinutes), MetricDataQueries: sums }),
  ]);
  const total = (of: readonly { readonly label: string }[], offset: number) =>
    Object.fromEntries(
      of
        .map(({ label }, index) => [label, sum(recent.get(`sum${index + offset}`))] as const)
        .filter(([, value]) => value > 0),
    );
  const connections = courseOf(active.get('active') ?? []);
  const probes = active.get('probe') ?? [];
  return {
    ...(connections && { connections }),
    ...(probes.length > 0 && { probeSuccess: sum(probes) / probes.length }),
    counts: total(counted, 0),
    throttled: total(throttles, counted.length),
  };
}

type Series = readonly { readonly at: number; readonly value: number }[];

const sum = (points: Series = []): number => points.reduce((all, { value }) => all + value, 0);

const dimensions = (given: Readonly<Record<string, string>>) =>
  Object.entries(given).map(([Name, Value]) => ({ Name, Value }));

async function series(
  client: CloudWatchClient,
  input: Parameters<typeof paginateGetMetricData>[1],
): Promise<ReadonlyMap<string, Series>> {
  const found = new Map<string, { at: number; value: number }[]>();
  for await (const { MetricDataResults = [] } of paginateGetMetricData({ client }, input))
    for (const { Id = '', Timestamps = [], Values = [] } of MetricDataResults) {
      const points = found.get(Id) ?? [];
      points.push(...Timestamps.map((time, index) => ({ at: time.getTime(), value: Values[index] ?? 0 })));
      found.set(Id, points);
    }
  return found;
}
