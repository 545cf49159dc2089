import { z } from 'zod';
import { Aggregate } from './aggregate.ts';
import { maxDimensions, unit } from './metric.ts';
import type { MetricDatum } from './metric-store.ts';
import { checkTimestamp } from './time-limits.ts';

// "Specification: Embedded metric format".
const maxMetricsPerDirective = 100;
const maxValues = 100;

const directive = z.looseObject({
  Namespace: z.string().min(1).max(255),
  Dimensions: z.array(z.array(z.string().min(1).max(250)).max(maxDimensions)),
  Metrics: z
    .array(
      z.looseObject({
        Name: z.string().min(1).max(255),
        Unit: unit.default('None'),
        StorageResolution: z.union([z.literal(1), z.literal(60)]).default(60),
      }),
    )
    .max(maxMetricsPerDirective),
});

const embedded = z.looseObject({
  _aws: z.looseObject({ Timestamp: z.number().int(), CloudWatchMetrics: z.array(directive) }),
});

/** A line with this says that it holds metrics; what else it has must be right then. */
const declares = z.looseObject({ _aws: z.looseObject({ CloudWatchMetrics: z.unknown().refine(Boolean) }) });

const values = z.union([z.number().transform(value => [value]), z.array(z.number()).max(maxValues)]);

/** Lines that are not metrics, and cheap to tell: nearly all. */
const mayHoldMetrics = (line: string): boolean => line.startsWith('{') && line.includes('"CloudWatchMetrics"');

/** Metrics that a line of a function's log declares and that CloudWatch would not take; the message says why. */
export class EmbeddedMetricsError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'EmbeddedMetricsError';
  }
}

/**
 * The metrics in a line of a function's log; none where it is no such line.
 * @param realNow epoch milliseconds
 * @throws EmbeddedMetricsError where it is one, but not as the format has it
 */
export function embeddedMetrics(line: string, realNow: number): MetricDatum[] {
  if (!mayHoldMetrics(line)) return [];
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    // Text that only looks like it.
    return [];
  }
  if (!declares.safeParse(json).success) return [];
  const read = embedded.safeParse(json);
  if (!read.success) throw new EmbeddedMetricsError(z.prettifyError(read.error));
  const { _aws, ...root } = read.data;
  const tooFar = checkTimestamp(_aws.Timestamp, realNow);
  if (tooFar) throw new EmbeddedMetricsError(`_aws.Timestamp ${tooFar}`);
  return _aws.CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) =>
    Metrics.flatMap(({ Name, Unit, StorageResolution }) => {
      const samples = new Aggregate();
      for (const value of valuesOf(root, Name)) samples.add(value);
      return Dimensions.map(names => ({
        namespace: Namespace,
        name: Name,
        dimensions: Object.fromEntries(names.map(name => [name, dimensionValue(root, name)])),
        timestamp: _aws.Timestamp,
        unit: Unit,
        resolution: StorageResolution,
        samples,
      }));
    }),
  );
}

function valuesOf(root: Readonly<Record<string, unknown>>, name: string): readonly number[] {
  const found = values.safeParse(root[name]);
  if (found.success) return found.data;
  throw new EmbeddedMetricsError(`${name} is neither a number nor up to ${maxValues} of them`);
}

function dimensionValue(root: Readonly<Record<string, unknown>>, name: string): string {
  const value = root[name];
  if (typeof value === 'string' && value.length > 0 && value.length <= 1024) return value;
  throw new EmbeddedMetricsError(`the dimension ${name} has no value of 1 to 1024 characters`);
}
