import { metricNamespace } from '../../lambdas/shared/metric-catalogue.ts';
import { nearestName } from '../../lib/runbook/nearest-name.ts';
import { readAssembly } from '../../local/assembly/assembly.ts';
import type { Declaration, Identities, Identity, Place, Resource } from '../../local/assembly/resource.ts';
import { Aggregate } from '../../local/cloudwatch/aggregate.ts';
import { alarmsOf, parseAlarmRule } from '../../local/cloudwatch/alarm-rule.ts';
import { Alarms } from '../../local/cloudwatch/alarms.ts';
import type { AlarmState } from '../../local/cloudwatch/evaluation.ts';
import { identities as cloudWatchIdentities } from '../../local/cloudwatch/identities.ts';
import { type Metric, metricKey } from '../../local/cloudwatch/metric.ts';
import { dimensionRecord, type MetricDataQuery } from '../../local/cloudwatch/metric-queries.ts';
import { MetricStore } from '../../local/cloudwatch/metric-store.ts';
import type { AlarmCase, Expectation } from './case-file.ts';

const metricAlarm = 'AWS::CloudWatch::Alarm';
const compositeAlarm = 'AWS::CloudWatch::CompositeAlarm';

const minuteMs = 60_000;
/** When the first minute of every case begins. */
const start = Date.UTC(2030, 0, 1);

/** A case that names what the template does not have. */
export class CaseError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CaseError';
  }
}

/** What an expectation met. */
export interface Outcome extends Expectation {
  readonly actual: AlarmState;
  readonly reason: string;
}

/** The alarms of a synthesized service, by the names that cases give them. */
export interface AlarmTemplate {
  readonly service: string;
  readonly environment: string;
  /** Metric alarms and composite ones, without `<service>-<environment>-`. */
  readonly alarms: ReadonlyMap<string, Resource>;
}

/**
 * Reads the alarms of an assembly's Observability and Remediation stacks. What they refer to in other stacks, as queues and functions, is named by its logical id
 * without CDK's hash, e.g. `MessagesPublicationsDeadLetters`, so that cases can name it.
 */
export function readAlarmTemplate(directory: string, service: string, environment: string): AlarmTemplate {
  const { resources } = readAssembly(directory, alarmsOnly);
  const prefix = `${service}-${environment}-`;
  const alarms = resources.filter(
    ({ stack, type }) => stacks.has(stack.replace(prefix, '')) && (type === metricAlarm || type === compositeAlarm),
  );
  return {
    service,
    environment,
    alarms: new Map(alarms.map(resource => [resource.physicalId.replace(prefix, ''), resource])),
  };
}

/** Stacks that have alarms. */
const stacks = new Set(['Observability', 'Remediation']);

/** Stands for whatever has no name of its own here. */
function named({ logicalId }: Declaration, type: string, { partition, region, account }: Place): Identity {
  const name = logicalId.replace(/[0-9A-F]{8}$/, '');
  const arn = `arn:${partition}:${type.split('::')[1]?.toLowerCase()}:${region}:${account}:resource:${name}`;
  const attributes = new Proxy<Record<string, string>>(
    {},
    {
      getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true }),
      has: () => true,
      get: (_, attribute: string) => (attribute.endsWith('Arn') ? arn : name),
    },
  );
  return { physicalId: type === 'AWS::SNS::Topic' ? arn : name, attributes };
}

/** A version or an alias is told by an ARN with its function's name. */
const ofFunction: Identities[string] = ({ property }, { partition, region, account }) => {
  const own = String(property('FunctionName'));
  const name = own.startsWith('arn:') ? own.split(':')[6] : own;
  const arn = `arn:${partition}:lambda:${region}:${account}:function:${name}:live`;
  return { physicalId: arn, attributes: { FunctionArn: arn, AliasArn: arn, Version: 'live' } };
};

/** Identities of every type: those that are given, and names for all others, which are not run. */
export function readable(given: Identities): Identities {
  const own: Identities = { 'AWS::Lambda::Version': ofFunction, 'AWS::Lambda::Alias': ofFunction, ...given };
  return new Proxy<Record<string, Identities[string]>>(
    {},
    {
      getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true }),
      get: (_, type: string) =>
        own[type] ?? ((declaration: Declaration, place: Place) => named(declaration, type, place)),
    },
  );
}

const alarmsOnly = readable(cloudWatchIdentities);

/**
 * Feeds a case's series minute by minute to the local evaluation of the alarms that it expects something of, as far as its
 * outcomes are asked for.
 * @param changed alarms in place of those of the template, e.g. with another threshold
 * @throws CaseError where the case names an alarm or a metric that the template does not have
 */
export function* runCase(
  template: AlarmTemplate,
  { series, expect }: AlarmCase,
  changed: ReadonlyMap<string, Resource> = new Map(),
): Generator<Outcome, undefined> {
  const alarmNamed = (name: string): Resource => {
    const found = changed.get(name) ?? template.alarms.get(name);
    if (!found) throw new CaseError(unknown('alarm', name, [...template.alarms.keys()]));
    return found;
  };
  const involved = new Set(expect.flatMap(({ alarm }) => [alarm, ...childrenOf(alarmNamed(alarm), template)]));
  const store = new MetricStore();
  const alarms = new Alarms([...involved].map(alarmNamed), { metrics: store, startedAt: start });
  const used = usedMetrics([...involved].map(alarmNamed));
  const fed = Object.entries(series).map(([name, values]) => ({ metric: metricNamed(name, used, template), values }));
  const byMinute = Map.groupBy(expect, ({ at }) => at);
  for (let minute = 1; minute <= Math.max(...byMinute.keys()); minute += 1) {
    for (const { metric, values } of fed) {
      const value = values[minute - 1];
      const timestamp = start + (minute - 1) * minuteMs;
      if (value !== undefined) store.put({ ...metric, timestamp, unit: 'None', samples: Aggregate.of(value) });
    }
    alarms.evaluateAt(start + minute * minuteMs);
    for (const expectation of byMinute.get(minute) ?? []) {
      const { state: actual, reason } = alarms.status(alarmNamed(expectation.alarm).physicalId);
      yield { ...expectation, actual, reason };
    }
  }
}

/** Names of the alarms that a composite alarm's state follows from. */
function childrenOf({ type, properties }: Resource, template: AlarmTemplate): string[] {
  if (type !== compositeAlarm) return [];
  const prefix = `${template.service}-${template.environment}-`;
  const children = [...alarmsOf(parseAlarmRule(String(properties.AlarmRule)))].map(name => name.replace(prefix, ''));
  return children.flatMap(name => {
    const child = template.alarms.get(name);
    return child ? [name, ...childrenOf(child, template)] : [name];
  });
}

/** Every metric that an alarm looks at. */
export function usedMetrics(alarms: readonly Resource[]): Metric[] {
  const found = alarms.flatMap(({ properties }) => {
    const { Namespace, MetricName, Dimensions } = properties as Partial<
      MetricDataQuery['MetricStat'] & object
    >['Metric'] &
      object;
    const queries = (properties.Metrics ?? []) as readonly MetricDataQuery[];
    const own = MetricName === undefined ? [] : [{ Namespace, MetricName, Dimensions }];
    return [...own, ...queries.flatMap(({ MetricStat }) => (MetricStat ? [MetricStat.Metric] : []))];
  });
  const metrics = found.map(({ Namespace, MetricName, Dimensions }) => ({
    namespace: Namespace,
    name: MetricName,
    dimensions: dimensionRecord(Dimensions),
  }));
  return [...new Map(metrics.map(metric => [metricKey(metric), metric])).values()];
}

/** What every metric of a template has anyway. */
const implied = new Set(['Service', 'Environment', 'Stage', 'Operation']);

/** As cases name a metric: `Backlog`, `Disconnects[Reason=abnormal]`, `AWS/SQS …[QueueName=…]`. */
export function writtenMetric({ namespace, name, dimensions }: Metric): string {
  const written = Object.entries(dimensions)
    .filter(([dimension]) => !implied.has(dimension))
    .map(([dimension, value]) => `${dimension}=${value}`)
    .join(',');
  return `${namespace === metricNamespace ? '' : `${namespace} `}${name}${written && `[${written}]`}`;
}

/** The metric that a case means. @throws CaseError */
function metricNamed(name: string, used: readonly Metric[], template: AlarmTemplate): Metric {
  const found = used.find(metric => writtenMetric(metric).toLowerCase() === name.toLowerCase());
  if (found) return found;
  const ofOthers = usedMetrics([...template.alarms.values()]).map(writtenMetric);
  const known = used.map(writtenMetric);
  if (ofOthers.includes(name))
    throw new CaseError(`the alarms of this case do not look at \`${name}\`; they look at ${known.join(', ')}`);
  throw new CaseError(unknown('metric', name, known));
}

function unknown(what: string, name: string, names: readonly string[]): string {
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? `there are ${names.join(', ')}` : `did you mean ${nearest}?`;
  return `unknown ${what} \`${name}\` (${hint})`;
}
