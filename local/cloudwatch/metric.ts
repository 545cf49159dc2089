import { z } from 'zod';

/** What one series of data points belongs to. */
export interface Metric {
  readonly namespace: string;
  readonly name: string;
  /** By dimension name. A metric with one dimension more is another metric. */
  readonly dimensions: Readonly<Record<string, string>>;
}

/** "MetricDatum" in the CloudWatch API reference. */
export const units = [
  'Seconds',
  'Microseconds',
  'Milliseconds',
  'Bytes',
  'Kilobytes',
  'Megabytes',
  'Gigabytes',
  'Terabytes',
  'Bits',
  'Kilobits',
  'Megabits',
  'Gigabits',
  'Terabits',
  'Percent',
  'Count',
  'Bytes/Second',
  'Kilobytes/Second',
  'Megabytes/Second',
  'Gigabytes/Second',
  'Terabytes/Second',
  'Bits/Second',
  'Kilobits/Second',
  'Megabits/Second',
  'Gigabits/Second',
  'Terabits/Second',
  'Count/Second',
  'None',
] as const;
export const unit = z.enum(units);
export type Unit = z.infer<typeof unit>;

/** "CloudWatch service quotas": dimensions of a metric. */
export const maxDimensions = 30;

/** One text for one metric, whatever the order of its dimensions. */
export function metricKey({ namespace, name, dimensions }: Metric): string {
  const sorted = Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([namespace, name, ...sorted]);
}

/**
 * Takes metrics that AWS's services publish of themselves, at the time at which they are told. A service that is given
 * none publishes nothing.
 */
export interface MetricSink {
  put(namespace: string, name: string, dimensions: Readonly<Record<string, string>>, value: number, unit: Unit): void;
}
