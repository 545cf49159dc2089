import { AwsError } from '../aws/service.ts';
import type { MonitoringClock } from '../monitoring-clock.ts';
import { MathError } from './metric-math/syntax.ts';
import type { Series, Value } from './metric-math/value.ts';
import { compileQueries, dimensionRecord, isPeriod, type MetricDataQuery } from './metric-queries.ts';
import { floor, type Grid, type MetricStore } from './metric-store.ts';
import type { Request } from './requests.ts';
import { knownStatistics, readStatistic } from './statistic.ts';

/** "GetMetricData": data points of one answer. Its paging is not run. */
const maxDatapoints = 100_800;

const invalid = (message: string) => new AwsError('InvalidParameterValueException', message);

/**
 * A requested span of time as monitoring time. Functions ask in real time: the span is moved so that its end is where
 * that moment is, and keeps its length, so that `the last 15 minutes` are those of CloudWatch at every scale. It ends at
 * the present at the latest: so does that of a caller who has monitoring time already, as state machines have.
 */
function spanOf({ StartTime, EndTime }: { StartTime: number; EndTime: number }, clock: MonitoringClock) {
  if (StartTime >= EndTime) throw invalid('The parameter StartTime must be less than the parameter EndTime.');
  const shiftMs = clock.scale === 1 ? 0 : Math.min(clock.at(EndTime), clock.now()) - EndTime;
  return { start: StartTime + shiftMs, end: EndTime + shiftMs, shiftMs };
}

function gridOf({ start, end }: { start: number; end: number }, periodSeconds: number): Grid {
  const periodMs = periodSeconds * 1000;
  const first = floor(start, periodMs);
  const count = Math.ceil((end - first) / periodMs);
  if (count > maxDatapoints) throw invalid(`${count} data points are more than ${maxDatapoints}; use a longer period.`);
  return { start: first, periodMs, count };
}

interface MetricDataResult {
  readonly Id: string;
  readonly Label: string;
  readonly Timestamps: readonly number[];
  readonly Values: readonly number[];
  readonly StatusCode: 'Complete';
}

/** What GetMetricData answers. @throws AwsError `InvalidParameterValueException` */
export function getMetricData(request: Request<'GetMetricData'>, store: MetricStore, clock: MonitoringClock) {
  const { MetricDataQueries, ScanBy } = request;
  const span = spanOf(request, clock);
  const newestFirst = ScanBy === 'TimestampDescending';
  try {
    const results = groups(MetricDataQueries).flatMap(queries => {
      const { byId, periodSeconds } = compileQueries(queries, store);
      const grid = gridOf(span, periodSeconds);
      return queries
        .filter(({ ReturnData }) => ReturnData)
        .flatMap(query => {
          const value = byId.get(query.Id)?.evaluate(grid) as Value;
          return seriesOf(query, value).map(points => result(query, points, grid, span.shiftMs, newestFirst));
        });
    });
    return { MetricDataResults: results, Messages: [] };
  } catch (error) {
    if (error instanceof MathError) throw invalid(`Error in expression: ${error.message}.`);
    throw error;
  }
}

/** Without an expression every query has a period of its own; those of an expression must have one. */
function groups(queries: readonly MetricDataQuery[]): readonly (readonly MetricDataQuery[])[] {
  return queries.some(({ Expression }) => Expression !== undefined) ? [queries] : queries.map(query => [query]);
}

function seriesOf({ Id }: MetricDataQuery, value: Value): readonly Series[] {
  if (value.type === 'scalar') throw new MathError(`query ${Id}: the result is not a time series`);
  return value.type === 'series' ? [value.points] : value.items;
}

function result(
  { Id, Label, MetricStat }: MetricDataQuery,
  points: Series,
  { start, periodMs }: Grid,
  shiftMs: number,
  newestFirst: boolean,
): MetricDataResult {
  const found = points.flatMap((value, index) =>
    value === undefined ? [] : [{ value, time: (start + index * periodMs - shiftMs) / 1000 }],
  );
  if (newestFirst) found.reverse();
  return {
    Id,
    Label: Label ?? MetricStat?.Metric.MetricName ?? Id,
    Timestamps: found.map(({ time }) => time),
    Values: found.map(({ value }) => value),
    StatusCode: 'Complete',
  };
}

/** What GetMetricStatistics answers. @throws AwsError `InvalidParameterValueException` */
export function getMetricStatistics(
  request: Request<'GetMetricStatistics'>,
  store: MetricStore,
  clock: MonitoringClock,
) {
  const { Namespace, MetricName, Dimensions, Period, Statistics, ExtendedStatistics, Unit } = request;
  if (!isPeriod(Period)) throw invalid(`The value ${Period} for parameter Period is invalid.`);
  const names = [...Statistics, ...ExtendedStatistics];
  if (names.length === 0) throw invalid('Statistics or ExtendedStatistics is needed.');
  const statistics = names.map(name => {
    const statistic = readStatistic(name);
    if (!statistic) throw invalid(`The statistic ${name} is not run, ${knownStatistics} is.`);
    return { name, statistic };
  });
  const span = spanOf(request, clock);
  const grid = gridOf(span, Period);
  const asked = { namespace: Namespace, name: MetricName, dimensions: dimensionRecord(Dimensions), unit: Unit };
  const Datapoints = store.aggregates(asked, grid).flatMap((samples, index) => {
    if (!samples) return [];
    const of = (wanted: readonly string[]) =>
      statistics
        .filter(({ name }) => wanted.includes(name))
        .map(({ name, statistic }) => [name, statistic.of(samples)] as const)
        .filter(([, value]) => value !== undefined);
    return [
      {
        Timestamp: (grid.start + index * grid.periodMs - span.shiftMs) / 1000,
        ...Object.fromEntries(of(Statistics)),
        ...(ExtendedStatistics.length > 0 && { ExtendedStatistics: Object.fromEntries(of(ExtendedStatistics)) }),
        ...(Unit && { Unit }),
      },
    ];
  });
  return { Label: MetricName, Datapoints };
}

/** What ListMetrics answers: up to 500, paging by position. */
export function listMetrics(request: Request<'ListMetrics'>, store: MetricStore) {
  const { Namespace, MetricName, Dimensions, NextToken } = request;
  const found = store
    .metrics()
    .filter(
      ({ namespace, name, dimensions }) =>
        (Namespace === undefined || namespace === Namespace) &&
        (MetricName === undefined || name === MetricName) &&
        Dimensions.every(({ Name, Value }) =>
          Value === undefined ? dimensions[Name] !== undefined : dimensions[Name] === Value,
        ),
    );
  const start = Number(NextToken ?? 0);
  const end = start + 500;
  return {
    Metrics: found.slice(start, end).map(({ namespace, name, dimensions }) => ({
      Namespace: namespace,
      MetricName: name,
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
    })),
    ...(end < found.length && { NextToken: String(end) }),
  };
}
