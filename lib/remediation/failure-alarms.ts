import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  type IAlarmAction,
  type IMetric,
  MathExpression,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { platformPrefix } from '../observability/platform-alarms.ts';

export interface FailureAlarmsProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  readonly machines: Readonly<Record<string, StateMachine>>;
  readonly functions: Readonly<Record<string, LambdaFunction>>;
  readonly link: string;
  readonly told: IAlarmAction;
}

/** Nobody would know that nobody is told: what the remediation itself fails at, to those who are told at once. */
export class FailureAlarms extends Construct {
  readonly all: readonly Alarm[];

  constructor(scope: Construct, id: string, { prefix, machines, functions, link, told }: FailureAlarmsProps) {
    super(scope, id);
    const sum = { period: Duration.minutes(1), statistic: Stats.SUM };
    const failing: readonly (readonly [string, string, IMetric])[] = [
      ...Object.entries(machines).map(
        ([name, machine]) =>
          [
            name,
            `executions of ${name} fail`,
            new MathExpression({
              expression: 'FILL(failed, 0) + FILL(timedOut, 0) + FILL(aborted, 0)',
              usingMetrics: {
                failed: machine.metricFailed(sum),
                timedOut: machine.metricTimedOut(sum),
                aborted: machine.metricAborted(sum),
              },
              period: sum.period,
            }),
          ] as const,
      ),
      ...Object.entries(functions).map(
        ([name, handler]) => [name, `the function ${name} fails`, handler.metricErrors(sum)] as const,
      ),
    ];
    this.all = failing.map(([name, meaning, metric]) => {
      const alarm = new Alarm(this, name, {
        alarmName: `${platformPrefix}-${prefix}-Remediation-${name}`,
        alarmDescription: `P1: ${meaning}: remediation may not work, look at the incident yourself. ${link}`,
        metric,
        threshold: 0,
        comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
        // Gaps are filled with 0, and what AWS puts late is 0 until then: the newest minute must not be the only one that counts.
        evaluationPeriods: 3,
        datapointsToAlarm: 1,
        treatMissingData: TreatMissingData.NOT_BREACHING,
      });
      alarm.addAlarmAction(told);
      return alarm;
    });
  }
}
