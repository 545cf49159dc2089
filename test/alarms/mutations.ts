import type { Resource } from '../../local/assembly/resource.ts';
import type { MetricDataQuery } from '../../local/cloudwatch/metric-queries.ts';

/** An alarm that differs in one figure from the one of the template. */
export interface Mutation {
  readonly what: string;
  readonly alarm: Resource;
}

const treatments = ['missing', 'ignore', 'breaching', 'notBreaching'];

/** A figure moved to each side by a tenth; small whole numbers by one, since most of them count something. */
const moved = (figure: number): number[] => {
  const step = Number.isInteger(figure) && Math.abs(figure) <= 10 ? 1 : Math.abs(figure) / 10;
  return [figure - step, figure + step];
};

/**
 * Every change of one figure of an alarm that a test has to notice: threshold, minimum sample and breadth of a band moved to
 * each side, the other bound (`>` for `>=`), N and M one more and one less, each other treatment of missing data.
 * @param treatsMissing whether the alarm's figure can be missing, and its treatment is not fixed by CloudWatch
 */
export function mutationsOf(alarm: Resource, treatsMissing: boolean): Mutation[] {
  const { properties } = alarm;
  const with_ = (what: string, change: Readonly<Record<string, unknown>>): Mutation => ({
    what,
    alarm: { ...alarm, properties: { ...properties, ...change } },
  });
  const periods = Number(properties.EvaluationPeriods);
  const datapoints = Number(properties.DatapointsToAlarm ?? periods);
  const threshold = properties.Threshold;
  const operator = String(properties.ComparisonOperator);
  return [
    ...(threshold === undefined ? [] : moved(Number(threshold))).map(Threshold =>
      with_(`threshold ${Threshold}`, { Threshold }),
    ),
    ...(threshold === undefined ? [] : [otherBound(operator)]).map(ComparisonOperator =>
      with_(ComparisonOperator, { ComparisonOperator }),
    ),
    ...[
      [datapoints, periods + 1],
      [datapoints, periods - 1],
      [datapoints + 1, periods],
      [datapoints - 1, periods],
      [datapoints + 1, periods + 1],
      [datapoints - 1, periods - 1],
    ]
      .filter(([M = 0, N = 0]) => M >= 1 && M <= N)
      .map(([M, N]) => with_(`${M} of ${N}`, { DatapointsToAlarm: M, EvaluationPeriods: N })),
    ...(treatsMissing ? treatments : [])
      .filter(treatment => treatment !== properties.TreatMissingData)
      .map(TreatMissingData => with_(`missing data ${TreatMissingData}`, { TreatMissingData })),
    ...inExpression(properties.Metrics as readonly MetricDataQuery[] | undefined).map(({ what, Metrics }) =>
      with_(what, { Metrics }),
    ),
  ];
}

/** `>` for `>=` and so on. */
function otherBound(operator: string): string {
  return operator.includes('OrEqualTo') ? operator.replace('OrEqualTo', '') : operator.replace('Than', 'ThanOrEqualTo');
}

/** Figures that stand in an expression: the minimum sample and the breadth of a band. */
const figures = [/^(IF\(\([^()]*\) (?:>=|>|<|<=) )(\d+)(?=, )/, /(ANOMALY_DETECTION_BAND\(\w+, )(\d+)/];

function inExpression(queries: readonly MetricDataQuery[] = []) {
  return queries.flatMap((query, index) =>
    figures.flatMap(pattern => {
      const found = pattern.exec(query.Expression ?? '');
      if (!found) return [];
      return moved(Number(found[2])).map(figure => ({
        what: `${query.Expression} with ${figure}`,
        Metrics: queries.with(index, {
          ...query,
          Expression: query.Expression?.replace(pattern, `$1${figure}`) as string,
        }),
      }));
    }),
  );
}
