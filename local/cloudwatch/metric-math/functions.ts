import type { Grid } from '../metric-store.ts';
import {
  array,
  eachPoint,
  pointsOf,
  type Series,
  scalar,
  series,
  spread,
  type Value,
  type ValueType,
} from './value.ts';

/** A function of metric math whose arguments are worth something by themselves. */
export interface MathFunction {
  /** What it takes, for errors. */
  readonly takes: string;
  /** The type of its result; undefined where it does not take such arguments. */
  readonly type: (types: readonly ValueType[]) => ValueType | undefined;
  readonly apply: (values: readonly Value[], grid: Grid) => Value;
}

const present = (points: Series): number[] => points.filter(point => point !== undefined);

/** Time series → scalar; several → one time series, of what each point of time has. */
function reduction(reduce: (values: readonly number[]) => number): MathFunction {
  const of = (values: readonly number[]) => (values.length === 0 ? undefined : reduce(values));
  return {
    takes: 'a time series or several',
    type: ([type, ...others]) =>
      others.length > 0 ? undefined : type === 'series' ? 'scalar' : type === 'array' ? 'series' : undefined,
    apply: ([value]) => {
      if (value?.type !== 'array') return scalar(of(present(pointsOf(value as Value))));
      const length = value.items[0]?.length ?? 0;
      return series(Array.from({ length }, (_, index) => of(present(value.items.map(item => item[index])))));
    },
  };
}

/** A function of each data point; what it makes of the time at which the point's period starts, it may. */
function pointwise(apply: (point: number, startMs: number, periodMs: number) => number): MathFunction {
  return {
    takes: 'one argument',
    type: ([type, ...others]) => (others.length === 0 ? type : undefined),
    apply: ([value], { start, periodMs }) =>
      eachPoint(value as Value, (point, index) => apply(point, start + index * periodMs, periodMs)),
  };
}

/** A function of each time series as a whole. */
function whole(apply: (points: Series, grid: Grid) => Series): MathFunction {
  return {
    takes: 'a time series or several',
    type: ([type, ...others]) => (others.length === 0 && type !== 'scalar' ? type : undefined),
    apply: ([value], grid) =>
      value?.type === 'array'
        ? array(value.items.map(item => apply(item, grid)))
        : series(apply(pointsOf(value as Value), grid)),
  };
}

/** Differences to the data point before, as far as it is away. */
const differences = (apply: (change: number, seconds: number) => number) =>
  whole((points, { periodMs }) => {
    let before: { readonly value: number; readonly index: number } | undefined;
    return points.map((value, index) => {
      if (value === undefined) return undefined;
      const result = before && apply(value - before.value, ((index - before.index) * periodMs) / 1000);
      before = { value, index };
      return result;
    });
  });

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const average = (values: readonly number[]) => sum(values) / values.length;

function standardDeviation(values: readonly number[]): number {
  const mean = average(values);
  return Math.sqrt(average(values.map(value => (value - mean) ** 2)));
}

const calendar = (read: (date: Date) => number) => pointwise((_, startMs) => read(new Date(startMs)));

const condition: MathFunction = {
  takes: 'a condition, and one or two values, none of them several time series',
  type: types => {
    if (types.length < 2 || types.length > 3 || types.includes('array')) return undefined;
    return types.includes('series') ? 'series' : 'scalar';
  },
  apply: ([test, yes, no], { count }) => {
    const choose = (holds: number | undefined, a: number | undefined, b: number | undefined) =>
      holds === undefined ? undefined : holds !== 0 ? a : b;
    const [tests, yeses, noes] = [test, yes, no].map(value => spread(value ?? scalar(undefined), count));
    const points = (tests as Series).map((holds, index) => choose(holds, yeses?.[index], noes?.[index]));
    const isScalar = [test, yes, no].every(value => value === undefined || value.type === 'scalar');
    return isScalar ? scalar(points[0]) : series(points);
  },
};

/** Where a series has no data point: the last one before (`REPEAT`), on the line between two (`LINEAR`), or a value. */
export function fill(points: Series, by: 'REPEAT' | 'LINEAR' | Series): Series {
  if (by !== 'REPEAT' && by !== 'LINEAR') return points.map((point, index) => point ?? by[index]);
  return points.map((point, index) => {
    if (point !== undefined) return point;
    const left = points.findLastIndex((other, at) => at < index && other !== undefined);
    if (by === 'REPEAT') return left < 0 ? undefined : points[left];
    const right = points.findIndex((other, at) => at > index && other !== undefined);
    if (left < 0 || right < 0) return undefined;
    const [from, to] = [points[left] as number, points[right] as number];
    return from + ((to - from) * (index - left)) / (right - left);
  });
}

/**
 * "Using math expressions with CloudWatch metrics: functions supported for metric math", without those that search
 * (SEARCH), ask services (SERVICE_QUOTA, DB_PERF_INSIGHTS, LAMBDA, INSIGHT_RULE_METRIC) or reorder (SORT, SLICE).
 */
export const functions: Readonly<Record<string, MathFunction>> = {
  ABS: pointwise(Math.abs),
  CEIL: pointwise(Math.ceil),
  FLOOR: pointwise(Math.floor),
  LOG: pointwise(Math.log),
  LOG10: pointwise(Math.log10),
  SUM: reduction(sum),
  AVG: reduction(average),
  MIN: reduction(values => Math.min(...values)),
  MAX: reduction(values => Math.max(...values)),
  STDDEV: reduction(standardDeviation),
  DIFF: differences(change => change),
  DIFF_TIME: differences((_, seconds) => seconds),
  RATE: differences((change, seconds) => change / seconds),
  RUNNING_SUM: whole(points => {
    let total = 0;
    return points.map(point => {
      total += point ?? 0;
      return total;
    });
  }),
  PERIOD: {
    takes: 'one time series',
    type: types => (types.length === 1 && types[0] === 'series' ? 'scalar' : undefined),
    apply: (_, { periodMs }) => scalar(periodMs / 1000),
  },
  TIME_SERIES: {
    takes: 'one number',
    type: types => (types.length === 1 && types[0] === 'scalar' ? 'series' : undefined),
    apply: ([value], { count }) => series(spread(value as Value, count)),
  },
  EPOCH: pointwise((_, startMs) => startMs / 1000),
  MINUTE: calendar(date => date.getUTCMinutes()),
  HOUR: calendar(date => date.getUTCHours()),
  // Monday is 1.
  DAY: calendar(date => date.getUTCDay() || 7),
  DATE: calendar(date => date.getUTCDate()),
  MONTH: calendar(date => date.getUTCMonth() + 1),
  YEAR: calendar(date => date.getUTCFullYear()),
  IF: condition,
};
