import type { Resource } from '../assembly/resource.ts';
import { declarationError, propertyError } from '../assembly/resource-properties.ts';
import type { AlarmProperties, ComparisonOperator } from './declarations.ts';
import { type AlarmState, type Criteria, evaluate, evaluationRange, type MissingData } from './evaluation.ts';
import type { Compiled } from './metric-math/compile.ts';
import { MathError } from './metric-math/syntax.ts';
import { pointsOf, type Series } from './metric-math/value.ts';
import { compileQueries, dimensionRecord, type MetricDataQuery } from './metric-queries.ts';
import { floor, type Grid, type MetricStore } from './metric-store.ts';
import { readStatistic, type Statistic } from './statistic.ts';

/** What an evaluation found. */
export interface Finding {
  /** Undefined where the state stays as it is. */
  readonly state: AlarmState | undefined;
  /** Why; worded only when asked for, since most evaluations change nothing. */
  explain(): Explanation;
}

export interface Explanation {
  readonly reason: string;
  /** Details of the reason, for JSON. */
  readonly reasonData: Readonly<Record<string, unknown>>;
}

/** An alarm on a metric or on an expression, ready to be evaluated. */
export interface MetricAlarm {
  readonly kind: 'metric';
  readonly resource: Resource;
  readonly name: string;
  readonly arn: string;
  readonly properties: AlarmProperties;
  /** The queries behind it; for an alarm on one metric, that metric. */
  readonly queries: readonly MetricDataQuery[];
  /** How often it is evaluated, milliseconds of monitoring time. */
  readonly intervalMs: number;
  readonly datapointsToAlarm: number;
  /** @param time monitoring time, epoch milliseconds; the newest data point ends at the minute (10 s) before it */
  readonly evaluate: (time: number) => Finding;
}

/** "Alarm evaluation": metrics with periods under a minute are evaluated every 10 seconds, others every minute. */
const highResolutionMs = 10_000;
const standardMs = 60_000;

/** "PutMetricAlarm": what N × period must not exceed, by whether the period is at least an hour. Seconds. */
const longestRange = { under: 86_400, fromAnHour: 604_800 };

/** "PutMetricAlarm": a math expression uses at most 10 metrics. */
const maxMetrics = 10;

const words: Readonly<Record<ComparisonOperator, string>> = {
  GreaterThanOrEqualToThreshold: 'greater than or equal to',
  GreaterThanThreshold: 'greater than',
  LessThanThreshold: 'less than',
  LessThanOrEqualToThreshold: 'less than or equal to',
  LessThanLowerOrGreaterThanUpperThreshold: 'less than the lower thresholds or greater than the upper thresholds',
  LessThanLowerThreshold: 'less than the lower thresholds',
  GreaterThanUpperThreshold: 'greater than the upper thresholds',
};

interface Bounds {
  readonly lower: number;
  readonly upper: number;
}

const comparisons: Readonly<Record<ComparisonOperator, (value: number, bounds: Bounds) => boolean>> = {
  GreaterThanOrEqualToThreshold: (value, { upper }) => value >= upper,
  GreaterThanThreshold: (value, { upper }) => value > upper,
  LessThanThreshold: (value, { lower }) => value < lower,
  LessThanOrEqualToThreshold: (value, { lower }) => value <= lower,
  LessThanLowerOrGreaterThanUpperThreshold: (value, { lower, upper }) => value < lower || value > upper,
  LessThanLowerThreshold: (value, { lower }) => value < lower,
  GreaterThanUpperThreshold: (value, { upper }) => value > upper,
};

/** Those that compare with a band rather than a threshold. */
const isBandOperator = (operator: ComparisonOperator): boolean => /Lower|Upper/.test(operator);

/** One data point that was compared. */
interface Compared {
  /** Start of its period. */
  readonly timestamp: number;
  readonly value: number | undefined;
  readonly bounds: Bounds | undefined;
  readonly breaching: boolean | undefined;
}

/**
 * Reads an alarm and checks what CloudWatch checks when it is put.
 * @throws TemplateError that names stack, logical id and what is wrong
 */
export function readMetricAlarm(resource: Resource, properties: AlarmProperties, store: MetricStore): MetricAlarm {
  const { EvaluationPeriods: evaluationPeriods, DatapointsToAlarm: datapointsToAlarm = evaluationPeriods } = properties;
  const wrong = (message: string) => declarationError(resource, message);
  if (datapointsToAlarm > evaluationPeriods)
    throw propertyError(
      resource,
      'DatapointsToAlarm',
      `${datapointsToAlarm} is more than the ${evaluationPeriods} periods`,
    );

  const queries = queriesOf(resource, properties);
  const source = compileSource(resource, properties, queries, store);
  const { periodSeconds } = source;
  const longest = periodSeconds >= 3600 ? longestRange.fromAnHour : longestRange.under;
  if (evaluationPeriods * periodSeconds > longest)
    throw propertyError(
      resource,
      'EvaluationPeriods',
      `${evaluationPeriods} × ${periodSeconds} s is more than ${longest} s`,
    );

  const intervalMs = periodSeconds < 60 ? highResolutionMs : standardMs;
  const criteria: Criteria = {
    evaluationPeriods,
    datapointsToAlarm,
    treatMissingData: missingDataOf(properties, queries),
  };
  const compare = comparisons[properties.ComparisonOperator];
  const lowSample = lowSampleOf(properties, queries);

  function look(time: number): Compared[] {
    const count = evaluationRange(evaluationPeriods);
    const periodMs = periodSeconds * 1000;
    const grid: Grid = { start: floor(time, intervalMs) - count * periodMs, periodMs, count };
    const values = spreadOver(source.metric, grid);
    const bounds = source.bounds(grid);
    return values.map((value, index) => {
      const between = bounds[index];
      const breaching = value === undefined || between === undefined ? undefined : compare(value, between);
      return { timestamp: grid.start + index * periodMs, value, bounds: between, breaching };
    });
  }

  /** With `ignore`, a percentile of too few samples says nothing. */
  function hasTooFewSamples(time: number): boolean {
    if (!lowSample) return false;
    const periodMs = periodSeconds * 1000;
    const [samples] = store.aggregates(lowSample.metric, {
      start: floor(time, intervalMs) - periodMs,
      periodMs,
      count: 1,
    });
    return samples !== undefined && samples.sampleCount < lowSample.minSamples;
  }

  if (properties.EvaluateLowSampleCountPercentile === 'ignore' && !lowSample)
    throw wrong('EvaluateLowSampleCountPercentile is for percentiles only');

  return {
    kind: 'metric',
    resource,
    name: resource.physicalId,
    arn: resource.attributes.Arn ?? '',
    properties,
    queries,
    intervalMs,
    datapointsToAlarm,
    evaluate(time) {
      const compared = look(time);
      const points = compared.map(({ breaching }) => breaching);
      const state = hasTooFewSamples(time) ? undefined : evaluate(points, criteria);
      return { state, explain: () => explain(state, compared, criteria, properties, periodSeconds, queries, time) };
    },
  };
}

/** An alarm on one metric as a query, so that there is one way to evaluate. */
function queriesOf(resource: Resource, properties: AlarmProperties): readonly MetricDataQuery[] {
  const { Metrics, Namespace, MetricName, Dimensions, Period, Statistic, ExtendedStatistic, Unit } = properties;
  if (Metrics) {
    const both = Object.entries({ Namespace, MetricName, Dimensions, Period, Statistic, ExtendedStatistic, Unit })
      .filter(([, value]) => value !== undefined)
      .map(([name]) => name);
    if (both.length > 0) throw declarationError(resource, `Metrics is given, and ${both.join(', ')} beside it`);
    const metrics = Metrics.filter(({ MetricStat }) => MetricStat).length;
    if (metrics > maxMetrics)
      throw propertyError(resource, 'Metrics', `${metrics} metrics are more than ${maxMetrics}`);
    return Metrics;
  }
  if (Namespace === undefined || MetricName === undefined || Period === undefined)
    throw declarationError(resource, 'Namespace, MetricName and Period are needed, or Metrics');
  const Stat = Statistic ?? ExtendedStatistic;
  if (Stat === undefined || (Statistic !== undefined && ExtendedStatistic !== undefined))
    throw declarationError(resource, 'either Statistic or ExtendedStatistic is needed');
  const Metric = { Namespace, MetricName, ...(Dimensions && { Dimensions }) };
  return [{ Id: 'm1', MetricStat: { Metric, Period, Stat, ...(Unit && { Unit }) }, ReturnData: true }];
}

interface Source {
  readonly periodSeconds: number;
  readonly metric: Compiled;
  /** What each data point of a grid is compared with; undefined where there is no band. */
  readonly bounds: (grid: Grid) => readonly (Bounds | undefined)[];
}

function compileSource(
  resource: Resource,
  properties: AlarmProperties,
  queries: readonly MetricDataQuery[],
  store: MetricStore,
): Source {
  const { Threshold, ThresholdMetricId, ComparisonOperator } = properties;
  if ((Threshold === undefined) === (ThresholdMetricId === undefined))
    throw declarationError(resource, 'either Threshold or ThresholdMetricId is needed');
  if (isBandOperator(ComparisonOperator) !== (ThresholdMetricId !== undefined))
    throw propertyError(resource, 'ComparisonOperator', `${ComparisonOperator} goes with the other kind of threshold`);

  const returned = queries.filter(({ Id, ReturnData }) => ReturnData && Id !== ThresholdMetricId);
  const [main, ...others] = returned;
  if (!main || others.length > 0)
    throw propertyError(resource, 'Metrics', `one query has to return data, not ${returned.length}`);
  try {
    const { byId, periodSeconds } = compileQueries(queries, store);
    const metric = byId.get(main.Id) as Compiled;
    if (metric.type !== 'series') throw new MathError(`query ${main.Id}: an alarm is about one time series`);
    if (ThresholdMetricId === undefined) {
      const both = { lower: Threshold as number, upper: Threshold as number };
      return { periodSeconds, metric, bounds: ({ count }) => new Array<Bounds>(count).fill(both) };
    }
    const declared = queries.find(({ Id }) => Id === ThresholdMetricId);
    const band = byId.get(ThresholdMetricId);
    if (!band || !/^\s*ANOMALY_DETECTION_BAND\s*\(/.test(declared?.Expression ?? ''))
      throw new MathError(`${ThresholdMetricId}, the ThresholdMetricId, is no query with an ANOMALY_DETECTION_BAND`);
    return { periodSeconds, metric, bounds: grid => boundsOf(band, grid) };
  } catch (error) {
    if (error instanceof MathError) throw propertyError(resource, 'Metrics', error.message);
    throw error;
  }
}

function boundsOf(band: Compiled, grid: Grid): readonly (Bounds | undefined)[] {
  const value = band.evaluate(grid);
  const [lower = [], upper = []]: readonly Series[] = value.type === 'array' ? value.items : [];
  return lower.map((low, index) => {
    const high = upper[index];
    return low === undefined || high === undefined ? undefined : { lower: low, upper: high };
  });
}

const spreadOver = (metric: Compiled, grid: Grid): Series => pointsOf(metric.evaluate(grid));

/** "PutMetricAlarm": alarms on metrics of AWS/DynamoDB ignore missing data, whatever they are told. */
function missingDataOf({ TreatMissingData }: AlarmProperties, queries: readonly MetricDataQuery[]): MissingData {
  const isDynamoDb = queries.some(({ MetricStat }) => MetricStat?.Metric.Namespace === 'AWS/DynamoDB');
  return isDynamoDb ? 'ignore' : TreatMissingData;
}

/**
 * "Percentile-based CloudWatch alarms and low data samples": a percentile p of at least 50 % needs 10 / (1 - p) samples,
 * a lower one 10 / p.
 */
function lowSampleOf(
  { EvaluateLowSampleCountPercentile, Metrics }: AlarmProperties,
  queries: readonly MetricDataQuery[],
) {
  if (EvaluateLowSampleCountPercentile !== 'ignore' || Metrics) return undefined;
  const stat = queries[0]?.MetricStat;
  const percentile = (readStatistic(stat?.Stat ?? '') as Statistic | undefined)?.percentile;
  if (!stat || percentile === undefined) return undefined;
  const { Namespace: namespace, MetricName: name, Dimensions } = stat.Metric;
  const metric = { namespace, name, dimensions: dimensionRecord(Dimensions), unit: stat.Unit };
  return { metric, minSamples: percentile >= 0.5 ? 10 / (1 - percentile) : 10 / percentile };
}

const twoDigits = (value: number) => String(value).padStart(2, '0');

/** `22/11/26 19:47:00`, as in CloudWatch's reasons. */
function shortTime(ms: number): string {
  const date = new Date(ms);
  const day = [date.getUTCDate(), date.getUTCMonth() + 1, date.getUTCFullYear() % 100].map(twoDigits).join('/');
  return `${day} ${date.toISOString().slice(11, 19)}`;
}

const decimal = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : String(value));

/** `2026-11-22T19:47:00.000+0000`, as in CloudWatch's reason data. */
export const longTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '+0000');

const treatments: Readonly<Record<MissingData, string>> = {
  breaching: 'Breaching',
  notBreaching: 'NonBreaching',
  missing: 'Missing',
  ignore: 'Ignored',
};

/** Why, in CloudWatch's words and with its data. */
function explain(
  state: AlarmState | undefined,
  compared: readonly Compared[],
  criteria: Criteria,
  properties: AlarmProperties,
  periodSeconds: number,
  queries: readonly MetricDataQuery[],
  time: number,
): Explanation {
  const recent = compared.filter(({ breaching }) => breaching !== undefined).slice(-criteria.evaluationPeriods);
  const { Threshold, Unit } = properties;
  const reasonData = {
    version: '1.0',
    queryDate: longTime(time),
    startDate: longTime(compared.at(-criteria.evaluationPeriods)?.timestamp ?? time),
    ...(queries.length === 1 && { statistic: queries[0]?.MetricStat?.Stat }),
    ...(Unit && { unit: Unit }),
    period: periodSeconds,
    recentDatapoints: recent.map(({ value }) => value),
    ...(Threshold === undefined
      ? {
          recentLowerThresholds: recent.map(({ bounds }) => bounds?.lower),
          recentUpperThresholds: recent.map(({ bounds }) => bounds?.upper),
        }
      : { threshold: Threshold }),
    evaluatedDatapoints: recent.map(({ timestamp, value }) => ({ timestamp: longTime(timestamp), value })).reverse(),
  };
  return { reason: reasonOf(state, recent, criteria, properties), reasonData };
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function reasonOf(
  state: AlarmState | undefined,
  recent: readonly Compared[],
  { evaluationPeriods, datapointsToAlarm, treatMissingData }: Criteria,
  { ComparisonOperator, Threshold }: AlarmProperties,
): string {
  const missing = evaluationPeriods - recent.length;
  if (state === undefined || state === 'INSUFFICIENT_DATA')
    return `Insufficient Data: ${counted(missing, 'datapoint')} ${missing === 1 ? 'was' : 'were'} unknown.`;

  const telling = recent.filter(({ breaching }) => breaching === (state === 'ALARM')).reverse();
  if (telling.length === 0)
    return (
      `Threshold Crossed: no datapoints were received for ${counted(missing, 'period')} and ` +
      `${counted(missing, 'missing datapoint')} ${missing === 1 ? 'was' : 'were'} treated as [${treatments[treatMissingData]}].`
    );
  const listed = telling.map(({ value, timestamp }) => `${decimal(value as number)} (${shortTime(timestamp)})`);
  const bounds = telling[0]?.bounds;
  const threshold =
    Threshold === undefined ? `[${bounds?.lower}, ${bounds?.upper}]` : `the threshold (${decimal(Threshold)})`;
  const verb = `${telling.length === 1 ? 'was' : 'were'}${state === 'ALARM' ? '' : ' not'}`;
  const minimum = state === 'ALARM' ? datapointsToAlarm : evaluationPeriods - datapointsToAlarm + 1;
  const transition = state === 'ALARM' ? 'OK -> ALARM' : 'ALARM -> OK';
  return (
    `Threshold Crossed: ${telling.length} out of the last ${counted(evaluationPeriods, 'datapoint')} [${listed.join(', ')}] ` +
    `${verb} ${words[ComparisonOperator]} ${threshold} (minimum ${counted(minimum, 'datapoint')} for ${transition} transition).`
  );
}
