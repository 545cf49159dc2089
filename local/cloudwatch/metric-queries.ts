import { z } from 'zod';
import { unit } from './metric.ts';
import { type Compiled, compile } from './metric-math/compile.ts';
import { MathError, parseExpression } from './metric-math/syntax.ts';
import { series } from './metric-math/value.ts';
import type { MetricStore } from './metric-store.ts';
import { knownStatistics, readStatistic } from './statistic.ts';

export const dimension = z.strictObject({ Name: z.string().min(1).max(255), Value: z.string().min(1).max(1024) });
export const dimensions = z.array(dimension).max(30);

/** Name and value by name. */
export const dimensionRecord = (list: readonly z.infer<typeof dimension>[] = []): Readonly<Record<string, string>> =>
  Object.fromEntries(list.map(({ Name, Value }) => [Name, Value]));

/** "MetricDataQuery", of the API and of an alarm's `Metrics` alike. */
export const metricDataQuery = z
  .strictObject({
    Id: z.string().regex(/^[a-z]\w{0,254}$/, 'letters, digits and _, a lower case letter first'),
    Expression: z.string().min(1).max(2048).optional(),
    Label: z.string().optional(),
    MetricStat: z
      .strictObject({
        Metric: z.strictObject({
          Namespace: z.string(),
          MetricName: z.string(),
          Dimensions: dimensions.optional(),
        }),
        Period: z.coerce.number(),
        Stat: z.string(),
        Unit: unit.optional(),
      })
      .optional(),
    Period: z.coerce.number().optional(),
    ReturnData: z.union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')]).default(true),
  })
  .refine(({ Expression, MetricStat }) => (Expression === undefined) !== (MetricStat === undefined), {
    message: 'either Expression or MetricStat is needed',
  });
export type MetricDataQuery = z.output<typeof metricDataQuery>;

/** "MetricStat": 1, 5, 10, 20, 30 or a multiple of 60 seconds. */
export const isPeriod = (seconds: number): boolean =>
  [1, 5, 10, 20, 30].includes(seconds) || (Number.isInteger(seconds) && seconds >= 60 && seconds % 60 === 0);

/** Queries that were checked and can be run against a store. */
export interface CompiledQueries {
  readonly byId: ReadonlyMap<string, Compiled>;
  /** Seconds, the same for all. */
  readonly periodSeconds: number;
}

/**
 * Checks queries that refer to each other.
 * @throws MathError that names the query and what is wrong with it: a statistic, an expression, different periods, a circle
 */
export function compileQueries(queries: readonly MetricDataQuery[], store: MetricStore): CompiledQueries {
  const declared = new Map(queries.map(query => [query.Id, query]));
  if (declared.size < queries.length) throw new MathError('two queries have the same id');
  const periods = new Set(
    queries.flatMap(({ MetricStat, Period }) => [MetricStat?.Period, Period]).filter(period => period !== undefined),
  );
  const [periodSeconds, ...otherPeriods] = periods;
  if (periodSeconds === undefined) throw new MathError('no query has a period');
  if (otherPeriods.length > 0) throw new MathError(`the periods differ: ${[...periods].join(', ')} s`);
  if (!isPeriod(periodSeconds)) throw new MathError(`a period of ${periodSeconds} s is none that CloudWatch has`);

  const metricIds = queries.filter(({ MetricStat }) => MetricStat).map(({ Id }) => Id);
  const compiled = new Map<string, Compiled>();
  const underWay = new Set<string>();

  function query(id: string): Compiled | undefined {
    const kept = compiled.get(id);
    const found = declared.get(id);
    if (kept || !found) return kept;
    if (underWay.has(id)) throw new MathError(`${id} refers to itself`);
    underWay.add(id);
    const result = found.MetricStat
      ? metric(id, found.MetricStat, store)
      : named(id, () => compile(parseExpression(found.Expression as string), { query, metricIds }));
    underWay.delete(id);
    compiled.set(id, result);
    return result;
  }
  for (const { Id } of queries) query(Id);
  return { byId: compiled, periodSeconds };
}

/** Names the query in what is wrong with it. */
function named<Result>(id: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof MathError) || error.message.startsWith('query ')) throw error;
    throw new MathError(`query ${id}: ${error.message}`);
  }
}

function metric(
  id: string,
  { Metric, Stat, Unit }: NonNullable<MetricDataQuery['MetricStat']>,
  store: MetricStore,
): Compiled {
  const statistic = readStatistic(Stat);
  if (!statistic) throw new MathError(`query ${id}: the statistic ${Stat} is not run, ${knownStatistics} is`);
  const { Namespace: namespace, MetricName: name, Dimensions } = Metric;
  const asked = { namespace, name, dimensions: dimensionRecord(Dimensions), unit: Unit };
  return { type: 'series', evaluate: grid => series(store.values(asked, statistic, grid)) };
}
