import { Aspects, CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { Environment } from '../config/environment.ts';
import { AlarmLimits } from '../observability/alarm-limits.ts';
import type { ObservabilityStack } from '../observability/observability-stack.ts';
import type { RealtimeStack } from '../realtime/realtime-stack.ts';
import { type PlaybookName, playbookNames } from '../runbook/playbooks.ts';
import type { Runbook } from '../runbook/runbook.ts';
import { Playbooks } from './playbooks/playbooks.ts';
import { Remediation } from './remediation.ts';

export interface RemediationStackProps extends StackProps {
  readonly runbook: Runbook;
  readonly environment: Environment;
  readonly realtime: RealtimeStack;
  readonly observability: ObservabilityStack;
}

/** What the runbook says that is done about its alarms. */
export class RemediationStack extends Stack {
  readonly playbooks: Playbooks;
  readonly remediation: Remediation;

  constructor(scope: Construct, id: string, props: RemediationStackProps) {
    const { runbook, environment, realtime, observability, ...rest } = props;
    super(scope, id, { description: `${runbook.title}: remediation, escalation, incidents`, ...rest });
    const prefix = `${runbook.service}-${environment.name}`;
    this.playbooks = new Playbooks(this, 'Playbooks', { prefix, realtime });
    const { topics, escalation, recovery } = observability;
    this.remediation = new Remediation(this, 'Remediation', {
      prefix,
      runbook,
      environment,
      context: realtime.context,
      operations: realtime.tables.operations,
      recoveryAlarms: recovery.all.map(({ alarmName }) => alarmName),
      conditions: new Map([...escalation.byStep].map(([step, { alarmName }]) => [step, alarmName])),
      topics,
      playbooks: Object.fromEntries(playbookNames.map(name => [name, this.playbooks.machine(name)])) as Record<
        PlaybookName,
        StateMachine
      >,
    });
    Aspects.of(this).add(new AlarmLimits());
    new CfnOutput(this, 'OperationsTable', { value: realtime.tables.operations.tableName });
  }
}
