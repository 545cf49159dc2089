export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

export type MissingData = 'missing' | 'ignore' | 'breaching' | 'notBreaching';

export interface Criteria {
  /** N: how many data points an evaluation is about. */
  readonly evaluationPeriods: number;
  /** M: how many of them must breach. */
  readonly datapointsToAlarm: number;
  readonly treatMissingData: MissingData;
}

/** A data point of the evaluation range: does it breach? Undefined where it is missing. */
export type Datapoint = boolean | undefined;

/**
 * How many data points an evaluation looks at: some more than N, since the newest ones may be missing. AWS documents
 * that there are more, and 5 for N = 3 ("Configuring how CloudWatch alarms treat missing data"), not how many there are
 * for another N.
 */
export const evaluationRange = (evaluationPeriods: number): number => evaluationPeriods + 2;

/**
 * The state that an evaluation leads to; undefined where the state stays as it is. As on the page "Configuring how
 * CloudWatch alarms treat missing data":
 * - N or more data points that are not missing: the newest N of them count, whatever is missing between them.
 * - Fewer, missing ones count as breaching or as not: all that there are, filled up to N.
 * - Fewer, `missing` or `ignore`: one that does not breach makes it OK, unless M breach. Where all that there are breach,
 *   but fewer than M, an ALARM would be premature before the oldest of them is M data points old: until then the state
 *   stays, then `missing` makes it ALARM, and `ignore` lets it be.
 * @param points oldest first, up to `evaluationRange`
 */
export function evaluate(points: readonly Datapoint[], criteria: Criteria): AlarmState | undefined {
  const { evaluationPeriods, datapointsToAlarm, treatMissingData } = criteria;
  const present = points.filter(point => point !== undefined);
  const isAlarm = (breaches: number): AlarmState => (breaches >= datapointsToAlarm ? 'ALARM' : 'OK');
  const breaches = (among: readonly boolean[]): number => among.filter(Boolean).length;

  if (present.length >= evaluationPeriods) return isAlarm(breaches(present.slice(-evaluationPeriods)));
  const missing = evaluationPeriods - present.length;
  if (treatMissingData === 'breaching') return isAlarm(breaches(present) + missing);
  if (treatMissingData === 'notBreaching') return isAlarm(breaches(present));
  if (present.length === 0) return treatMissingData === 'ignore' ? undefined : 'INSUFFICIENT_DATA';
  if (breaches(present) >= datapointsToAlarm) return 'ALARM';
  if (present.includes(false)) return 'OK';
  const age = points.length - points.indexOf(true);
  return treatMissingData === 'missing' && age >= datapointsToAlarm ? 'ALARM' : undefined;
}
