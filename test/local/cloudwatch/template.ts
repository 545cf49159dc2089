import type { Place, Resource } from '../../../local/assembly/resource.ts';
import { identities } from '../../../local/cloudwatch/identities.ts';
import { identities as kmsIdentities } from '../../../local/kms/keys.ts';
import { identities as snsIdentities } from '../../../local/sns/identities.ts';

export const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };

/** A resource as the assembly would give it. */
export function resource(logicalId: string, type: string, properties: Record<string, unknown>): Resource {
  const identify = { ...identities, ...kmsIdentities, ...snsIdentities }[type];
  const identity = identify?.({ stack: 's', logicalId, property: name => properties[name] }, place);
  if (!identity) throw new Error(`no identity for ${type}`);
  return { stack: 's', logicalId, type, properties, ...identity };
}

/** An alarm on the sum of the metric `Errors`: more than 5 a minute. */
export const alarm = (name: string, properties: Record<string, unknown> = {}): Resource =>
  resource(name, 'AWS::CloudWatch::Alarm', {
    AlarmName: name,
    ComparisonOperator: 'GreaterThanThreshold',
    EvaluationPeriods: 1,
    Threshold: 5,
    ...(properties.Metrics ? {} : { Namespace: 'test', MetricName: 'Errors', Statistic: 'Sum', Period: 60 }),
    ...properties,
  });

export const composite = (name: string, AlarmRule: string, properties: Record<string, unknown> = {}): Resource =>
  resource(name, 'AWS::CloudWatch::CompositeAlarm', { AlarmName: name, AlarmRule, ...properties });
