import { type MetricDefinition, metricCatalogue } from '../../lambdas/shared/metric-catalogue.ts';
import type { Condition } from './condition.ts';
import type { Runbook } from './runbook.ts';
import { signalFor } from './signals.ts';

// "Amazon CloudWatch Pricing", US East and most Regions, without the free tier: US dollars a month.
const metricPrice = 0.3;
/** For each metric that an alarm looks at. */
const alarmMetricPrice = 0.1;

export interface MonthlyCost {
  /** Custom metrics: each metric in all, and for each value of its dimension. AWS's own are free. */
  readonly metrics: number;
  readonly metricsDollars: number;
  /** Metrics that the runbook's alarms and recovery alarms look at. */
  readonly alarmMetrics: number;
  readonly alarmsDollars: number;
}

/** What the monitoring that a runbook defines costs in one environment; the platform's own alarms and logs come on top. */
export function monthlyCost({ alarms, recovery }: Pick<Runbook, 'alarms' | 'recovery'>): MonthlyCost {
  const definitions: readonly MetricDefinition[] = Object.values(metricCatalogue);
  const metrics = definitions.reduce((sum, { dimension }) => sum + 1 + (dimension?.values.length ?? 0), 0);
  const conditions = [...alarms, ...recovery.filter(criterion => criterion.kind === 'signal')].map(
    row => row.condition,
  );
  const alarmMetrics = conditions.reduce((sum, condition) => sum + metricsOf(condition), 0);
  return {
    metrics,
    metricsDollars: metrics * metricPrice,
    alarmMetrics,
    alarmsDollars: alarmMetrics * alarmMetricPrice,
  };
}

function metricsOf({ kind, signal, minimumSample }: Condition): number {
  // Beside the metric CloudWatch charges for the two edges of the band.
  if (kind === 'band') return 3;
  const terms = Object.keys(signalFor(signal).terms).length;
  return terms + (minimumSample ? 1 : 0);
}
