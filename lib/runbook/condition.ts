import type { Range, SignalName, Statistic } from './signals.ts';

export type Comparison = '>' | '>=' | '<' | '<=';

/** A CloudWatch dimension and its value, as the metric catalogue has them. */
export interface Dimension {
  readonly name: string;
  readonly value: string;
}

/** A signal and how it is looked at. */
interface Observation {
  readonly signal: SignalName;
  readonly dimension?: Dimension;
  /** Of the signal's only term; undefined where its expression gives the figure. */
  readonly statistic: Statistic | undefined;
  /** 60 or a multiple of it. */
  readonly periodSeconds: number;
  /** N: how many of the last periods are looked at. */
  readonly periods: number;
  /** M: how many of these have to breach. */
  readonly datapoints: number;
  /** Below it a percentage means nothing, and the condition does not hold. */
  readonly minimumSample?: MinimumSample;
}

export interface MinimumSample {
  readonly signal: SignalName;
  readonly comparison: Comparison;
  /** In the unit of the signal's metric. */
  readonly threshold: number;
}

/** Holds when M of N periods are on the wrong side of a figure. */
export interface ThresholdCondition extends Observation {
  readonly kind: 'threshold';
  readonly comparison: Comparison;
  /** In the unit of the signal's metric, for one period: a rate a minute is multiplied by the period's minutes. */
  readonly threshold: number;
}

/** Holds when M of N periods are outside of what is expected from the past. */
export interface BandCondition extends Observation {
  readonly kind: 'band';
  /** Half the width of the band, in standard deviations. */
  readonly deviations: number;
}

export type Condition = ThresholdCondition | BandCondition;

const opposites: Readonly<Record<Comparison, Comparison>> = { '>': '<=', '>=': '<', '<': '>=', '<=': '>' };

/**
 * When a criterion that has to hold in all of its periods does not: one period on the other side is enough.
 * An alarm on this is OK when the criterion is met.
 */
export function violationOf(criterion: ThresholdCondition): ThresholdCondition {
  return { ...criterion, comparison: opposites[criterion.comparison], datapoints: 1 };
}

/** Whether a figure is on the side of the threshold that a comparison asks for. */
export function holds(figure: number, comparison: Comparison, threshold: number): boolean {
  if (comparison === '>') return figure > threshold;
  if (comparison === '>=') return figure >= threshold;
  if (comparison === '<') return figure < threshold;
  return figure <= threshold;
}

/** Whether a comparison holds for every figure of a range, or for none; neither where it says something. */
export function foregone(
  comparison: Comparison,
  threshold: number,
  { least, most }: Range,
): 'always' | 'never' | undefined {
  const atLeast = holds(least, comparison, threshold);
  // What holds at both ends holds between them.
  if (atLeast !== holds(most, comparison, threshold)) return undefined;
  return atLeast ? 'always' : 'never';
}
