import { Duration } from 'aws-cdk-lib';
import { type DimensionsMap, type IMetric, MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { type MetricDefinition, metricCatalogue, metricNamespace } from '../../lambdas/shared/metric-catalogue.ts';
import type { Comparison, Condition, Dimension } from '../runbook/condition.ts';
import type { Settings } from '../runbook/settings.ts';
import {
  type AwsSource,
  awsNamespaces,
  type SignalName,
  type Statistic,
  signalFor,
  type Term,
} from '../runbook/signals.ts';

/** How a signal is looked at; a `Condition` is one. */
export interface Observation {
  readonly signal: SignalName;
  readonly dimension?: Dimension;
  readonly statistic: Statistic | undefined;
  readonly periodSeconds: number;
}

export interface SignalMetricsProps {
  readonly service: string;
  readonly environmentName: string;
  readonly settings: Settings;
  readonly awsDimensions: Readonly<Record<AwsSource, DimensionsMap>>;
}

/** A CloudWatch math expression, and the metrics by the ids that it uses. */
interface Formula {
  readonly expression: string;
  readonly metrics: Record<string, IMetric>;
}

/** Turns signals of one service in one environment into CloudWatch metrics. */
export class SignalMetrics {
  private readonly props: SignalMetricsProps;

  constructor(props: SignalMetricsProps) {
    this.props = props;
  }

  /** The signal as it is, e.g. for a graph. */
  of(observation: Observation, label?: string): IMetric {
    const { terms, expression } = signalFor(observation.signal);
    const [only] = Object.values(terms);
    if (expression === undefined && only) return this.metric(only, observation, label);
    const { expression: formula, metrics } = this.formula(observation);
    return this.math(formula, metrics, observation.periodSeconds, label ?? observation.signal);
  }

  /** What an alarm on a condition compares: with too small a sample, a figure on the good side of the threshold. */
  compared(condition: Condition): IMetric {
    const { minimumSample: sample, periodSeconds } = condition;
    if (!sample) return this.of(condition);
    const formula = this.formula(condition);
    const observed = this.formula({ signal: sample.signal, statistic: undefined, periodSeconds }, 'sample_');
    const enough = `(${observed.expression}) ${sample.comparison} ${sample.threshold}`;
    const expression = `IF(${enough}, ${formula.expression}, ${harmless(condition)})`;
    return this.math(expression, { ...formula.metrics, ...observed.metrics }, periodSeconds, condition.signal);
  }

  private math(expression: string, usingMetrics: Record<string, IMetric>, periodSeconds: number, label: string) {
    return new MathExpression({ expression, usingMetrics, period: Duration.seconds(periodSeconds), label });
  }

  private formula(observation: Observation, prefix = ''): Formula {
    const { terms, expression } = signalFor(observation.signal);
    const renamed = (id: string) => `${prefix}${id}`;
    const ids = Object.keys(terms);
    const written = expression ?? (ids[0] as string);
    const named = ids.reduce((text, id) => text.replaceAll(new RegExp(`\\b${id}\\b`, 'g'), renamed(id)), written);
    const figures = named.replaceAll(/\{(\w+)\}/g, (_, field: keyof Settings) => String(this.props.settings[field]));
    return {
      expression: figures,
      metrics: Object.fromEntries(
        Object.entries(terms).map(([id, term]) => [renamed(id), this.metric(term, observation)]),
      ),
    };
  }

  private metric(term: Term, observation: Observation, label?: string): Metric {
    const { service, environmentName, awsDimensions } = this.props;
    const statistic = signalFor(observation.signal).expression === undefined ? observation.statistic : undefined;
    const common = {
      statistic: statistic ?? term.statistic,
      period: Duration.seconds(observation.periodSeconds),
      ...(label !== undefined && { label }),
    };
    if ('aws' in term) {
      const { of, name } = term.aws;
      return new Metric({
        ...common,
        namespace: awsNamespaces[of],
        metricName: name,
        dimensionsMap: awsDimensions[of],
      });
    }
    const { dimension } = observation;
    const chosen = dimension ?? dimensionOf(term);
    return new Metric({
      ...common,
      namespace: metricNamespace,
      metricName: term.metric,
      dimensionsMap: {
        Service: service,
        Environment: environmentName,
        ...(chosen && { [chosen.name]: chosen.value }),
      },
    });
  }
}

/** The one value of a term's dimension that is meant, where only one is. */
function dimensionOf({ metric, dimension }: Extract<Term, { metric: string }>): Dimension | undefined {
  const definition: MetricDefinition = metricCatalogue[metric];
  return definition.dimension && dimension !== undefined
    ? { name: definition.dimension.name, value: dimension }
    : undefined;
}

/** A figure that does not breach the condition. */
function harmless(condition: Condition): number {
  if (condition.kind === 'band') throw new Error(`${condition.signal}: a band has no minimum sample`);
  const goodSide: Readonly<Record<Comparison, number>> = { '>': 0, '>=': -1, '<': 0, '<=': 1 };
  return condition.threshold + goodSide[condition.comparison];
}
