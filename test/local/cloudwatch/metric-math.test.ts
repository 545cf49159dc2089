import fc from 'fast-check';
import { Aggregate } from '../../../local/cloudwatch/aggregate.ts';
import { MathError } from '../../../local/cloudwatch/metric-math/syntax.ts';
import { compileQueries, type MetricDataQuery } from '../../../local/cloudwatch/metric-queries.ts';
import { type Grid, MetricStore } from '../../../local/cloudwatch/metric-store.ts';

const minute = 60_000;
const start = Date.UTC(2026, 10, 22, 14, 30);

type Points = readonly (number | null)[];

/** The value of an expression over metrics of one data point a minute; null where there is none. */
function evaluate(expression: string, metrics: Readonly<Record<string, Points>> = {}): unknown {
  const store = new MetricStore();
  const queries: MetricDataQuery[] = Object.entries(metrics).map(([id, points]) => {
    points.forEach((value, index) => {
      if (value !== null)
        store.put({
          namespace: 'test',
          name: id,
          dimensions: {},
          timestamp: start + index * minute,
          unit: 'None',
          samples: Aggregate.of(value),
        });
    });
    const MetricStat = { Metric: { Namespace: 'test', MetricName: id }, Period: 60, Stat: 'Average' };
    return { Id: id, MetricStat, ReturnData: false };
  });
  const all = [...queries, { Id: 'result', Expression: expression, Period: 60, ReturnData: true }];
  const count = Math.max(1, ...Object.values(metrics).map(points => points.length));
  const grid: Grid = { start, periodMs: minute, count };
  const value = compileQueries(all, store).byId.get('result')?.evaluate(grid);
  const list = (points: readonly (number | undefined)[]) => points.map(point => point ?? null);
  if (value?.type === 'series') return list(value.points);
  return value?.type === 'array' ? value.items.map(list) : value?.value;
}

const a = [1, 2, 3];
const b = [4, 0, null];

it.each<[expression: string, result: unknown]>([
  ['a + b', [5, 2, null]],
  ['100 * a / b', [25, null, null]],
  ['2 + 3 * 2 ^ 3 ^ 0', 8],
  ['-a ^ 2', [-1, -4, -9]],
  ['(a - 1) * 2', [0, 2, 4]],
  ['8 - 4 - 2', 2],
  ['a > 1 AND a < 3', [0, 1, 0]],
  ['a == 1 || a >= 3', [1, 0, 1]],
  ['IF(a > 1, a, 0)', [0, 2, 3]],
  ['IF(a > 1, a)', [null, 2, 3]],
  ['IF(b, a, 7)', [1, 7, null]],
  ['IF(1 < 2, 3, 4)', 3],
  ['FILL(b, 9)', [4, 0, 9]],
  ['FILL(b, REPEAT)', [4, 0, 0]],
  ['FILL(b, a)', [4, 0, 3]],
  ['IF(FILL(b, 0) == 0, 0, 100 * a / b)', [25, 0, 0]],
  ['SUM(METRICS())', [5, 2, 3]],
  ['SUM(METRICS("a"))', [1, 2, 3]],
  ['MAX([a, b])', [4, 2, 3]],
  ['AVG(a)', 2],
  ['a - MIN(a)', [0, 1, 2]],
  ['SUM(b)', 4],
  ['RATE(a)', [null, 1 / 60, 1 / 60]],
  ['DIFF(b)', [null, -4, null]],
  ['DIFF_TIME(a)', [null, 60, 60]],
  ['RUNNING_SUM(a)', [1, 3, 6]],
  ['a / PERIOD(a)', [1 / 60, 2 / 60, 3 / 60]],
  ['ABS(-a)', [1, 2, 3]],
  ['CEIL(a / 2) + FLOOR(a / 2)', [1, 2, 3]],
  ['TIME_SERIES(5)', [5, 5, 5]],
  ['HOUR(a) * 100 + MINUTE(a)', [1430, 1431, 1432]],
  ['DAY(a)', [7, 7, 7]],
  [
    'METRICS() * 2',
    [
      [2, 4, 6],
      [8, 0, null],
    ],
  ],
])('%s', (expression, result) => {
  expect(evaluate(expression, { a, b })).toEqual(result);
});

it('fills between two data points on a line, and nothing before or after them', () => {
  expect(evaluate('FILL(m, LINEAR)', { m: [null, 1, null, null, 4, null] })).toEqual([null, 1, 2, 3, 4, null]);
});

it('refers to other expressions', () => {
  const queries: MetricDataQuery[] = [
    { Id: 'twice', Expression: '2 * half', ReturnData: true },
    { Id: 'half', Expression: '5', Period: 60, ReturnData: false },
  ];
  const { byId } = compileQueries(queries, new MetricStore());
  expect(byId.get('twice')?.evaluate({ start, periodMs: minute, count: 1 })).toEqual({ type: 'scalar', value: 10 });
});

it.each<[expression: string, message: string]>([
  ['SEARCH("{x} y", "Sum", 60)', 'query result: the local environment does not run the function SEARCH'],
  ['a +', 'query result: column 4: a number, an id, a function or a bracket expected, not the end'],
  ['a b', 'query result: column 3: an operator or the end expected, not b'],
  ['(a', "query result: column 3: ')' expected, not the end"],
  ['a % 2', "query result: column 3: '%' is not part of metric math"],
  ['c + 1', 'query result: there is no query with the id c'],
  ['ABS(a, a)', 'query result: ABS takes one argument'],
  ['AVG(3)', 'query result: AVG takes a time series or several'],
  ['METRICS() + METRICS()', 'query result: + takes several time series on one side only'],
  ['result + 1', 'query result: result refers to itself'],
  ['constructor(a)', 'query result: the local environment does not run the function constructor'],
])('%s is refused', (expression, message) => {
  expect(() => evaluate(expression, { a })).toThrow(new MathError(message));
});

it('has a data point of a quotient exactly where both operands have one and the divisor is not 0', () => {
  const points = fc.array(fc.option(fc.integer({ min: -3, max: 3 })), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(points, points, (left, right) => {
      const result = evaluate('x / y', { x: left, y: right }) as Points;
      expect(result.map(value => value !== null)).toEqual(
        left.map((value, index) => value !== null && right[index] !== null && right[index] !== 0),
      );
    }),
  );
});

it('reads every text as an expression or refuses it with a MathError', () => {
  const words = fc.constantFrom(
    'a',
    '1',
    '+',
    '-',
    '*',
    '(',
    ')',
    ',',
    '[',
    ']',
    'IF',
    'FILL(',
    '"x"',
    'AND',
    '==',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 8 }), parts => {
      try {
        evaluate(parts.join(''), { a });
      } catch (error) {
        expect(error).toBeInstanceOf(MathError);
      }
    }),
  );
});
