/** Data points of a grid, one for each period; undefined where one is missing. */
export type Series = readonly (number | undefined)[];

/** What an expression is worth ("Using math expressions with CloudWatch metrics": S, TS, TS[]). */
export type Value =
  | { readonly type: 'scalar'; readonly value: number | undefined }
  | { readonly type: 'series'; readonly points: Series }
  | { readonly type: 'array'; readonly items: readonly Series[] };

export type ValueType = Value['type'];

/** What is not a finite number, as of a division by zero, is no data point. */
export const finite = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isFinite(value) ? value : undefined;

export const scalar = (value: number | undefined): Value => ({ type: 'scalar', value: finite(value) });
export const series = (points: Series): Value => ({ type: 'series', points: points.map(finite) });
export const array = (items: readonly Series[]): Value => ({
  type: 'array',
  items: items.map(item => item.map(finite)),
});

/** Applies a function to each data point, or to the scalar. */
export function eachPoint(value: Value, apply: (point: number, index: number) => number | undefined): Value {
  const points = (list: Series) => list.map((point, index) => (point === undefined ? undefined : apply(point, index)));
  if (value.type === 'scalar') return scalar(value.value === undefined ? undefined : apply(value.value, 0));
  return value.type === 'series' ? series(points(value.points)) : array(value.items.map(points));
}

/** Applies a function to each pair of data points; where one of the two is missing, the result is. */
export function eachPair(left: Value, right: Value, apply: (a: number, b: number) => number | undefined): Value {
  const both = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : apply(a, b);
  if (left.type === 'scalar' && right.type === 'scalar') return scalar(both(left.value, right.value));
  if (left.type === 'array') return array(left.items.map(item => pointsOf(eachPair(series(item), right, apply))));
  if (right.type === 'array') return array(right.items.map(item => pointsOf(eachPair(left, series(item), apply))));
  const length = left.type === 'series' ? left.points.length : (right as { points: Series }).points.length;
  const a = spread(left, length);
  const b = spread(right, length);
  return series(a.map((point, index) => both(point, b[index])));
}

/** As many data points as the grid has; a scalar is each of them. */
export function spread(value: Value, length: number): Series {
  return value.type === 'scalar' ? new Array<number | undefined>(length).fill(value.value) : pointsOf(value);
}

export function pointsOf(value: Value): Series {
  if (value.type === 'series') return value.points;
  throw new Error(`a time series was expected, not ${value.type}`);
}
