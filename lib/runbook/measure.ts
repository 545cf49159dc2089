import type { Quantity } from './quantity.ts';
import { count, milliseconds, seconds, share } from './quantity.ts';

/** How a figure of a runbook becomes one of a metric. Nowhere else is a unit converted. */
export interface Measure {
  /** How a runbook writes it. */
  readonly quantity: Quantity;
  /** Figures of the metric in one of the quantity: a share of 1 is 100 of a metric in percent. */
  readonly perUnit: number;
}

export const counted: Measure = { quantity: count, perUnit: 1 };
/** Runbooks keep 0 to 1, metrics in `Percent` 0 to 100. */
export const inPercent: Measure = { quantity: share, perUnit: 100 };
export const inMilliseconds: Measure = { quantity: milliseconds, perUnit: 1 };
export const inSeconds: Measure = { quantity: seconds, perUnit: 1 };
/** Runbooks keep seconds. */
export const inDays: Measure = { quantity: seconds, perUnit: 1 / 86_400 };

/** A figure of a runbook in the metric's unit. */
export function toMetric({ perUnit }: Measure, value: number): number {
  // 15 significant digits are what a double keeps of a decimal figure: 0.07 * 100 is 7.000000000000001.
  return Number((value * perUnit).toPrecision(15));
}

/** A metric's figure as a runbook writes it. */
export function fromMetric({ quantity, perUnit }: Measure, value: number): string {
  return quantity.format(Number((value / perUnit).toPrecision(15)));
}
