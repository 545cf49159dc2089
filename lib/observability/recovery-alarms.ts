import type { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { type ThresholdCondition, violationOf } from '../runbook/condition.ts';
import type { EscalationStep, RecoveryCriterion } from '../runbook/runbook.ts';
import { conditionAlarm } from './runbook-alarms.ts';
import type { SignalMetrics } from './signal-metrics.ts';

/** What may not begin as runbook alarms do, so that no rule starts a remediation for it. */
export const recoveryPrefix = 'recovery';
export const escalationPrefix = 'escalation';

export interface CriteriaProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  readonly metrics: SignalMetrics;
  readonly link: (anchor: string) => string;
}

const subject = ({ signal, dimension }: ThresholdCondition): string => `${signal}${dimension?.value ?? ''}`;

/**
 * One alarm for each machine-checked criterion of `## Recovered when`: OK while the criterion is met. Missing data is not
 * recovered, whatever the signal's own alarms take it for; only where AWS puts nothing because nothing happened is the gap
 * filled with 0. A signal of liveness is in every table.
 */
export class RecoveryAlarms extends Construct {
  readonly all: readonly Alarm[];

  constructor(
    scope: Construct,
    id: string,
    props: CriteriaProps & { readonly recovery: readonly RecoveryCriterion[] },
  ) {
    super(scope, id);
    this.all = props.recovery
      .filter(criterion => criterion.kind === 'signal')
      .map(({ condition, text }) =>
        conditionAlarm(this, subject(condition), {
          alarmName: `${recoveryPrefix}-${props.prefix}-${subject(condition)}`,
          alarmDescription: `OK while recovered: ${text}. ${props.link('recovered-when')}`,
          condition: violationOf(condition),
          metrics: props.metrics,
          missing: 'breaching',
        }),
      );
  }
}

/** One alarm for each step of `## Escalation` that is taken only while a signal's condition holds. */
export class EscalationAlarms extends Construct {
  /** By the step's place in the table, from 0. */
  readonly byStep: ReadonlyMap<number, Alarm>;

  constructor(scope: Construct, id: string, props: CriteriaProps & { readonly escalation: readonly EscalationStep[] }) {
    super(scope, id);
    this.byStep = new Map(
      props.escalation.flatMap(({ condition, contact }, index) => {
        if (!condition) return [];
        const alarm = conditionAlarm(this, `Step${index}`, {
          alarmName: `${escalationPrefix}-${props.prefix}-${index}-${subject(condition)}`,
          alarmDescription: `While in ALARM, ${contact} is told. ${props.link('escalation')}`,
          condition,
          metrics: props.metrics,
        });
        return [[index, alarm] as const];
      }),
    );
  }
}
