import type { Condition, ThresholdCondition } from './condition.ts';
import type { AlarmRow } from './runbook.ts';
import { severities } from './severity.ts';

/** An alarm that cannot go together with another one. */
export interface Contradiction {
  /** Which of the alarms. */
  readonly index: number;
  readonly read: string;
  readonly expected: string;
}

/**
 * Alarms that say nothing beside a more severe one of the same signal: whenever they fire, that one does as well. That is so where
 * the more severe one has the milder figure, and waits no longer.
 */
export function contradictions(
  alarms: readonly Pick<AlarmRow, 'name' | 'severity' | 'condition' | 'text'>[],
): Contradiction[] {
  return alarms.flatMap((milder, index) => {
    const other = alarms.find(
      (severe, otherIndex) =>
        (rank(severe) > rank(milder) || (rank(severe) === rank(milder) && otherIndex < index)) &&
        implied(milder.condition, severe.condition),
    );
    if (!other) return [];
    const read = `\`${milder.name}\` (${milder.severity}) fires only when \`${other.name}\` (${other.severity}) does`;
    const expected =
      rank(other) === rank(milder)
        ? 'one alarm, or conditions of which each can hold alone'
        : `a milder condition than \`${other.text}\` for the milder severity`;
    return [{ index, read, expected }];
  });
}

/** Higher is more severe. */
const rank = ({ severity }: Pick<AlarmRow, 'severity'>): number => severities.length - severities.indexOf(severity);

/** Whether `other` holds whenever `one` does. */
function implied(one: Condition, other: Condition): boolean {
  if (!sameObservation(one, other)) return false;
  if (one.kind === 'band' || other.kind === 'band') {
    return one.kind === 'band' && other.kind === 'band' && other.deviations <= one.deviations && noLonger(other, one);
  }
  return noFarther(other, one) && noLonger(other, one);
}

function sameObservation(one: Condition, other: Condition): boolean {
  const seen = ({ signal, dimension, statistic, periodSeconds, minimumSample }: Condition) =>
    JSON.stringify([signal, dimension, statistic, periodSeconds, minimumSample]);
  return seen(one) === seen(other);
}

function noFarther(one: ThresholdCondition, other: ThresholdCondition): boolean {
  const up = one.comparison.startsWith('>');
  if (up !== other.comparison.startsWith('>')) return false;
  if (one.threshold === other.threshold) return one.comparison === other.comparison || one.comparison.endsWith('=');
  return up ? one.threshold < other.threshold : one.threshold > other.threshold;
}

/** Whether any M of N periods that meet `other` meet `one`: what of them is older than `one` looks may be all that did not breach. */
function noLonger(one: Condition, other: Condition): boolean {
  const older = Math.max(0, other.periods - one.periods);
  return one.datapoints <= other.datapoints - older;
}
