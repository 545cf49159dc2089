import type { Series } from './metric-math/value.ts';
import type { Grid } from './metric-store.ts';

/** What the band is learned from: this long before the data points that are judged. */
export const trainingMs = 3 * 3_600_000;

/** Fewer data points make no band: the alarm then has none to compare with. */
export const minTrainingPoints = 15;

/** Breadth that even a metric without variation has, as a share of its mean: below it lie rounding errors only. */
const roundingShare = 1e-9;

/** The part of time before a grid that its band is learned from. */
export function trainingGrid({ start, periodMs }: Grid): Grid {
  const count = Math.floor(trainingMs / periodMs);
  return { start: start - count * periodMs, periodMs, count };
}

/**
 * An approximation of CloudWatch's anomaly detection: mean ± `breadth` standard deviations of the same metric's data
 * points in the 3 hours before. CloudWatch trains a model on up to two weeks, knows the hour, the day of the week and
 * trends, and leaves excluded ranges out; this knows none of that. So a band here says that something is far from what it
 * just was, and nothing about what CloudWatch would hold for usual at this hour.
 * Undefined before there are 15 data points.
 */
export function anomalyBand(
  training: Series,
  breadth: number,
): { readonly lower: number; readonly upper: number } | undefined {
  const values = training.filter(value => value !== undefined);
  if (values.length < minTrainingPoints) return undefined;
  const mean = values.reduce((total, value) => total + value, 0) / values.length;
  const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length;
  const reach = Math.max(breadth * Math.sqrt(variance), Math.abs(mean) * roundingShare);
  return { lower: mean - reach, upper: mean + reach };
}
