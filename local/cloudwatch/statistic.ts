import type { Aggregate } from './aggregate.ts';

/** Tells one figure of an aggregate; undefined where it has none. */
export interface Statistic {
  readonly of: (aggregate: Aggregate) => number | undefined;
  /** The share of a percentile, above 0 up to 1. */
  readonly percentile?: number;
}

const simple: Readonly<Record<string, (aggregate: Aggregate) => number | undefined>> = {
  Average: aggregate => aggregate.set.sum / aggregate.sampleCount,
  Sum: aggregate => aggregate.set.sum,
  Minimum: aggregate => aggregate.set.minimum,
  Maximum: aggregate => aggregate.set.maximum,
  SampleCount: aggregate => aggregate.sampleCount,
};

/**
 * Reads `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount` or a percentile such as `p99.9`. Undefined for what the
 * local environment does not run, as trimmed means.
 */
export function readStatistic(name: string): Statistic | undefined {
  const of = Object.hasOwn(simple, name) ? simple[name] : undefined;
  if (of) return { of };
  const [, percent] = /^p(\d{1,3}(?:\.\d{1,10})?)$/.exec(name) ?? [];
  if (percent === undefined || Number(percent) > 100) return undefined;
  const share = Number(percent) / 100;
  return { of: aggregate => aggregate.percentile(share), percentile: share };
}

/** What `readStatistic` reads, for errors. */
export const knownStatistics = `${Object.keys(simple).join(', ')} or a percentile such as p95`;
