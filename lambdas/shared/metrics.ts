import { Metrics as EmbeddedMetrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { z } from 'zod';
import {
  type DimensionValue,
  type MetricDefinition,
  type MetricName,
  metricCatalogue,
  metricNamespace,
} from './metric-catalogue.ts';
import { readVariables } from './variables.ts';

/** Takes what is measured; nothing is sent before `flush`. */
export interface Metrics {
  /**
   * @param value in the unit of the metric's definition
   * @param dimension where the metric has one: the value is put twice then, in total and for the dimension
   */
  put<Name extends MetricName>(
    name: Name,
    value: number,
    ...dimension: DimensionValue<Name> extends undefined ? [] : [DimensionValue<Name>]
  ): void;
  /** Writes what was put since the last time as EMF lines of the function's log; CloudWatch makes metrics of them. */
  flush(): void;
}

/** A zero for every count of the catalogue. */
export function putZeros(metrics: Metrics): void {
  const put = metrics.put as (name: MetricName, value: number, dimension?: string) => void;
  for (const [name, definition] of Object.entries(metricCatalogue) as [MetricName, MetricDefinition][]) {
    if (!definition.dense) continue;
    if (!definition.dimension) put(name, 0);
    for (const value of definition.dimension?.values ?? []) put(name, 0, value);
  }
}

/** Metrics by Powertools' EMF. */
export function embeddedMetrics(dimensions: { readonly service: string; readonly environment: string }): Metrics {
  const groups = new Map<string, EmbeddedMetrics>();
  const group = (dimension: Readonly<Record<string, string>>): EmbeddedMetrics => {
    const key = JSON.stringify(dimension);
    let metrics = groups.get(key);
    if (!metrics) {
      metrics = new EmbeddedMetrics({ namespace: metricNamespace });
      // Powertools' own dimension `service` would make other metrics of these.
      metrics.clearDefaultDimensions();
      // Default ones stay after publishing, which Powertools does by itself at the hundredth value of a metric.
      metrics.setDefaultDimensions({ Service: dimensions.service, Environment: dimensions.environment, ...dimension });
      groups.set(key, metrics);
    }
    return metrics;
  };
  return {
    put(name, value, ...rest) {
      const [dimension] = rest as readonly [string?];
      const definition: MetricDefinition = metricCatalogue[name];
      group({}).addMetric(name, MetricUnit[definition.unit], value);
      if (definition.dimension && dimension !== undefined)
        group({ [definition.dimension.name]: dimension }).addMetric(name, MetricUnit[definition.unit], value);
    },
    flush() {
      for (const metrics of groups.values()) if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
    },
  };
}

/** What every function of the service has in its environment (`Handler`). */
const identityVariables = z.object({ POWERTOOLS_SERVICE_NAME: z.string().min(1), ENVIRONMENT: z.string().min(1) });

/**
 * The metrics of the function that this runs in.
 * @throws Error where the environment lacks the names of service and environment
 */
export function serviceMetrics(): Metrics {
  const { POWERTOOLS_SERVICE_NAME, ENVIRONMENT } = readVariables(identityVariables);
  return embeddedMetrics({ service: POWERTOOLS_SERVICE_NAME, environment: ENVIRONMENT });
}
