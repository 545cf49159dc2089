import { Annotations, type IAspect, Stack, Token } from 'aws-cdk-lib';
import { CfnAlarm, CfnCompositeAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import type { IConstruct } from 'constructs';

/** "CloudWatch service quotas", "PutMetricAlarm" and "PutCompositeAlarm" in the CloudWatch API reference. */
const limits = {
  nameLength: 255,
  descriptionLength: 1_024,
  actionsPerState: 5,
  metrics: 10,
  /** N × period of an alarm whose period is a minute or more, in seconds. */
  evaluationSeconds: 86_400,
  compositeChildren: 100,
  compositeRuleLength: 10_240,
};

/**
 * Checks what CloudWatch refuses only when the stack is deployed, and what CDK lets through; each breach is an error of the
 * synthesis at the alarm.
 */
export class AlarmLimits implements IAspect {
  visit(node: IConstruct): void {
    const problems =
      node instanceof CfnAlarm ? ofAlarm(node) : node instanceof CfnCompositeAlarm ? ofComposite(node) : [];
    for (const problem of problems) Annotations.of(node).addError(problem);
  }
}

interface Named {
  readonly alarmName?: string | undefined;
  readonly alarmDescription?: string | undefined;
  readonly alarmActions?: readonly string[] | undefined;
  readonly okActions?: readonly string[] | undefined;
  readonly insufficientDataActions?: readonly string[] | undefined;
}

function ofEvery(alarm: Named): string[] {
  const lengths = [
    ['name', alarm.alarmName, limits.nameLength],
    ['description', alarm.alarmDescription, limits.descriptionLength],
  ] as const;
  const actions = [alarm.alarmActions, alarm.okActions, alarm.insufficientDataActions];
  return [
    ...lengths
      .filter(([, text, most]) => text !== undefined && !Token.isUnresolved(text) && text.length > most)
      .map(([what, text, most]) => `the ${what} has ${text?.length} characters; CloudWatch takes ${most}`),
    ...actions
      .filter(list => (list?.length ?? 0) > limits.actionsPerState)
      .map(list => `${list?.length} actions for one state; CloudWatch takes ${limits.actionsPerState}`),
  ];
}

interface MetricQuery {
  readonly expression?: string;
  readonly metricStat?: { readonly period: number };
  readonly period?: number;
}

function ofAlarm(alarm: CfnAlarm): string[] {
  const periods = alarm.evaluationPeriods ?? 1;
  const queries = (Stack.of(alarm).resolve(alarm.metrics) ?? []) as readonly MetricQuery[];
  const period = alarm.period ?? Math.max(0, ...queries.map(query => query.metricStat?.period ?? query.period ?? 0));
  const datapoints = alarm.datapointsToAlarm ?? periods;
  const problems = ofEvery(alarm);
  if (datapoints > periods) problems.push(`${datapoints} of ${periods} datapoints: more than there are`);
  if (period * periods > limits.evaluationSeconds)
    problems.push(`${periods} periods of ${period} s; CloudWatch evaluates ${limits.evaluationSeconds} s at most`);
  if (queries.length > limits.metrics)
    problems.push(`${queries.length} metrics and expressions; CloudWatch takes ${limits.metrics}`);
  if (queries.some(({ expression }) => /\bSEARCH\s*\(/.test(expression ?? '')))
    problems.push('SEARCH cannot be used in an alarm');
  return problems;
}

function ofComposite(alarm: CfnCompositeAlarm): string[] {
  const rule: unknown = Stack.of(alarm).resolve(alarm.alarmRule);
  const text = typeof rule === 'string' ? rule : JSON.stringify(rule);
  const children = new Set(text.match(/(?:ALARM|OK|INSUFFICIENT_DATA)\((?:\\?"[^"]*\\?"|[^)]*)\)/g));
  const problems = ofEvery(alarm);
  if (children.size > limits.compositeChildren)
    problems.push(`${children.size} child alarms; CloudWatch takes ${limits.compositeChildren}`);
  if (text.length > limits.compositeRuleLength)
    problems.push(`a rule of ${text.length} characters; CloudWatch takes ${limits.compositeRuleLength}`);
  return problems;
}
