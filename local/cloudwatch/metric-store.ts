import { Aggregate } from './aggregate.ts';
import { type Metric, metricKey, type Unit } from './metric.ts';
import type { Statistic } from './statistic.ts';

const secondMs = 1_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/**
 * How long data points are kept at which width. AWS keeps seconds for 3 hours, minutes for 15 days, and hours for 15
 * months ("CloudWatch metrics concepts: metrics retention"). Here minutes are kept for somewhat more than the day that
 * an alarm with periods under an hour can look back, then hours for 15 days; percentiles for 3 hours.
 */
const tiers = [
  { olderThanMs: 3 * hourMs, widthMs: minuteMs },
  { olderThanMs: 26 * hourMs, widthMs: hourMs },
] as const;
const retentionMs = 15 * dayMs;

export interface MetricDatum extends Metric {
  /** Monitoring time, epoch milliseconds. */
  readonly timestamp: number;
  readonly unit: Unit;
  /** Seconds: 1 or 60. @default 60 */
  readonly resolution?: 1 | 60;
  readonly samples: Aggregate;
}

interface Series {
  readonly metric: Metric;
  /** Data points by the start of their span, epoch milliseconds. */
  points: Map<number, Aggregate>;
}

/** Equal spans of time, one after the other. */
export interface Grid {
  /** Epoch milliseconds, monitoring time, included. */
  readonly start: number;
  readonly periodMs: number;
  readonly count: number;
}

export interface MetricQuery extends Metric {
  /** Only data points that were put with this unit; all where undefined. */
  readonly unit?: Unit | undefined;
}

/** The data points of all metrics, in memory: they are gone when the environment is closed. */
export class MetricStore {
  readonly #series = new Map<string, Map<Unit, Series>>();
  #compactedAt = Number.NEGATIVE_INFINITY;

  /** Adds samples to their metric. */
  put({ timestamp, unit, resolution = 60, samples, namespace, name, dimensions }: MetricDatum): void {
    const metric = { namespace, name, dimensions };
    const key = metricKey(metric);
    const byUnit = this.#series.get(key) ?? new Map<Unit, Series>();
    this.#series.set(key, byUnit);
    const series = byUnit.get(unit) ?? { metric, points: new Map<number, Aggregate>() };
    byUnit.set(unit, series);
    const start = floor(timestamp, resolution === 1 ? secondMs : minuteMs);
    const point = series.points.get(start) ?? new Aggregate();
    series.points.set(start, point);
    point.merge(samples);
  }

  /** What was measured in each span of the grid; undefined where nothing was. A point belongs to the span it starts in. */
  aggregates(query: MetricQuery, { start, periodMs, count }: Grid): (Aggregate | undefined)[] {
    const spans = new Array<Aggregate | undefined>(count).fill(undefined);
    for (const series of this.#seriesOf(query)) {
      for (const [at, samples] of pointsBetween(series.points, start, start + count * periodMs)) {
        const index = Math.floor((at - start) / periodMs);
        const span = spans[index] ?? new Aggregate();
        span.merge(samples);
        spans[index] = span;
      }
    }
    return spans;
  }

  /** One statistic in each span of the grid. */
  values(query: MetricQuery, statistic: Statistic, grid: Grid): (number | undefined)[] {
    return this.aggregates(query, grid).map(samples => samples && statistic.of(samples));
  }

  /** The metrics that have data points. */
  metrics(): Metric[] {
    return [...this.#series.values()].flatMap(byUnit => [...byUnit.values()].slice(0, 1).map(({ metric }) => metric));
  }

  /** Brings what has grown old to its width and forgets what is too old; at most once an hour of monitoring time. */
  compact(now: number): void {
    if (now - this.#compactedAt < hourMs) return;
    this.#compactedAt = now;
    for (const [key, byUnit] of this.#series) {
      for (const [unit, series] of byUnit) {
        series.points = compacted(series.points, now);
        if (series.points.size === 0) byUnit.delete(unit);
      }
      if (byUnit.size === 0) this.#series.delete(key);
    }
  }

  #seriesOf(query: MetricQuery): Iterable<Series> {
    const byUnit = this.#series.get(metricKey(query));
    if (!byUnit) return [];
    if (query.unit === undefined) return byUnit.values();
    const series = byUnit.get(query.unit);
    return series ? [series] : [];
  }
}

export const floor = (time: number, widthMs: number): number => Math.floor(time / widthMs) * widthMs;

/** Looks each second or minute up where that is less than going through all points. */
function* pointsBetween(
  points: ReadonlyMap<number, Aggregate>,
  start: number,
  end: number,
): Generator<[at: number, samples: Aggregate]> {
  if ((end - start) / secondMs < points.size) {
    for (let at = Math.ceil(start / secondMs) * secondMs; at < end; at += secondMs) {
      const samples = points.get(at);
      if (samples) yield [at, samples];
    }
    return;
  }
  for (const [at, samples] of points) if (at >= start && at < end) yield [at, samples];
}

function compacted(points: Map<number, Aggregate>, now: number): Map<number, Aggregate> {
  // Points come about in the order of time.
  const [oldest = now] = points.keys();
  if (now - oldest <= tiers[0].olderThanMs) return points;
  const result = new Map<number, Aggregate>();
  for (const [at, samples] of points) {
    const age = now - at;
    if (age > retentionMs) continue;
    const tier = tiers.findLast(({ olderThanMs }) => age > olderThanMs);
    const start = tier ? floor(at, tier.widthMs) : at;
    const kept = tier ? samples.summary() : samples;
    const other = result.get(start);
    if (other) other.merge(kept);
    else result.set(start, kept);
  }
  return result;
}
