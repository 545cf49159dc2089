import { Aspects, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import type { IAlarmAction } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { Construct } from 'constructs';
import type { Environment } from '../config/environment.ts';
import type { RealtimeStack } from '../realtime/realtime-stack.ts';
import type { Runbook, Severity } from '../runbook/runbook.ts';
import { paging } from '../runbook/severity.ts';
import { AlarmLimits } from './alarm-limits.ts';
import { awsDimensions } from './aws-dimensions.ts';
import { PlatformAlarms } from './platform-alarms.ts';
import { PlatformEnds } from './platform-ends.ts';
import { EscalationAlarms, RecoveryAlarms } from './recovery-alarms.ts';
import { RunbookAlarms } from './runbook-alarms.ts';
import { runbookLink } from './runbook-link.ts';
import { ServiceDashboard } from './service-dashboard.ts';
import { SeverityAlarms } from './severity-alarms.ts';
import { SignalMetrics } from './signal-metrics.ts';
import { Topics } from './topics.ts';

export interface ObservabilityStackProps extends StackProps {
  readonly runbook: Runbook;
  readonly environment: Environment;
  readonly realtime: RealtimeStack;
}

const isPaging = (severity: Severity): boolean => paging.includes(severity);

/** The runbook's thresholds as alarms, its criteria of recovery, who is told, and a dashboard. */
export class ObservabilityStack extends Stack {
  readonly metrics: SignalMetrics;
  readonly topics: Topics;
  readonly alarms: RunbookAlarms;
  readonly recovery: RecoveryAlarms;
  readonly escalation: EscalationAlarms;

  constructor(scope: Construct, id: string, { runbook, environment, realtime, ...props }: ObservabilityStackProps) {
    super(scope, id, { description: `${runbook.title}: alarms, dashboard, notifications`, ...props });
    const prefix = `${runbook.service}-${environment.name}`;
    const link = (anchor?: string) => runbookLink(environment, runbook, anchor);
    this.metrics = new SignalMetrics({
      service: runbook.service,
      environmentName: environment.name,
      settings: realtime.context.settings,
      awsDimensions: awsDimensions(realtime),
    });
    const { metrics } = this;
    this.topics = new Topics(this, 'Topics', {
      prefix,
      title: runbook.title,
      contacts: environment.contacts,
      escalation: runbook.escalation,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const told = (severity: Severity): IAlarmAction | undefined => {
      const topic = this.topics.bySeverity.get(severity);
      return topic && new SnsAction(topic);
    };
    this.alarms = new RunbookAlarms(this, 'Alarms', {
      prefix,
      alarms: runbook.alarms,
      metrics,
      link,
      paged: ({ severity }) => (isPaging(severity) ? told(severity) : undefined),
    });
    const severities = new SeverityAlarms(this, 'Severities', {
      prefix,
      alarms: runbook.alarms,
      byName: this.alarms.byName,
      link: link(),
      told: severity => (isPaging(severity) ? undefined : told(severity)),
    });
    this.recovery = new RecoveryAlarms(this, 'Recovery', { prefix, metrics, link, recovery: runbook.recovery });
    this.escalation = new EscalationAlarms(this, 'Escalation', {
      prefix,
      metrics,
      link,
      escalation: runbook.escalation,
    });
    new PlatformAlarms(this, 'Platform', { prefix, realtime, link: link(), told: told('P2') });
    // Platform alarms are of P2, and those of the remediation of P1.
    const ofPlatform = [...this.topics.bySeverity].filter(([severity]) => severity === 'P1' || severity === 'P2');
    new PlatformEnds(this, 'PlatformEnds', { prefix, told: new Map(ofPlatform) });
    new ServiceDashboard(this, 'Board', {
      prefix,
      runbook,
      metrics,
      alarms: this.alarms.byName,
      severities: [...severities.bySeverity.values()],
      link,
    });
    Aspects.of(this).add(new AlarmLimits());
  }
}
