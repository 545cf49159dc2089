import { Duration } from 'aws-cdk-lib';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { EventField, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { responderVariables } from '../../lambdas/responder/variables.ts';
import type { VariablesOf } from '../../lambdas/shared/variables.ts';
import type { Environment } from '../config/environment.ts';
import { notMuted } from '../observability/mute-detail.ts';
import { runbookLink } from '../observability/runbook-link.ts';
import type { Topics } from '../observability/topics.ts';
import { Handler } from '../realtime/handler.ts';
import type { ServiceContext } from '../realtime/service-context.ts';
import { type PlaybookName, playbookNames } from '../runbook/playbooks.ts';
import type { Runbook, Severity } from '../runbook/runbook.ts';
import { Closure } from './closure.ts';
import { Escalation } from './escalation.ts';
import { FailureAlarms } from './failure-alarms.ts';
import { executionsArn, executionsPrefix, type StoreTable } from './permissions.ts';
import { type Plan, planOf } from './plan.ts';
import { Reconciler } from './reconciler.ts';
import { Responder } from './responder.ts';
import { Verification } from './verification.ts';

export interface RemediationProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  readonly runbook: Runbook;
  readonly environment: Pick<Environment, 'name' | 'runbookBaseUrl'>;
  readonly context: ServiceContext;
  readonly operations: StoreTable;
  /** Names of the alarms that are OK when the service has recovered. */
  readonly recoveryAlarms: readonly string[];
  /** Names of the alarms that stand for the conditions of escalation steps, by the step's place. */
  readonly conditions: ReadonlyMap<number, string>;
  readonly topics: Pick<Topics, 'key' | 'byContact' | 'bySeverity'>;
  readonly playbooks: Readonly<Record<PlaybookName, StateMachine>>;
}

/** From an alarm to its end: the state machines and functions between them, and the alarms on themselves. */
export class Remediation extends Construct {
  readonly plans: readonly Plan[];
  readonly responder: Responder;
  readonly verification: Verification;
  readonly closure: Closure;
  readonly escalation: Escalation;
  readonly reconciler: Reconciler;
  readonly rule: Rule;
  /** Opens incidents, locks playbooks, reads figures. */
  readonly handler: Handler;

  constructor(scope: Construct, id: string, props: RemediationProps) {
    super(scope, id);
    const { prefix, runbook, environment, context, operations, recoveryAlarms, conditions, playbooks } = props;
    const arnOf = (topic: ITopic | undefined, name: string): string => {
      if (!topic) throw new Error(`there is no topic for ${name}`);
      return topic.topicArn;
    };
    const { key, byContact, bySeverity } = props.topics;
    const severityTopic = (severity: Severity) => arnOf(bySeverity.get(severity), severity);
    const severityTopics = { key, topicArns: [...bySeverity.values()].map(({ topicArn }) => topicArn) };
    const contactTopics = { key, topicArns: [...byContact.values()].map(({ topicArn }) => topicArn) };
    const allTopics = { key, topicArns: [...severityTopics.topicArns, ...contactTopics.topicArns] };
    this.plans = runbook.alarms.map(row =>
      planOf(row, {
        runbook,
        environment,
        recoveryAlarms,
        machine: name => playbooks[name].stateMachineArn,
        executions: name => executionsPrefix(this, `${prefix}-${name}`),
        topic: severityTopic,
      }),
    );
    const changing = [
      ...new Set(this.plans.flatMap(({ attempts }) => attempts.map(({ playbook }) => `${prefix}-${playbook}`))),
    ];
    this.handler = new Handler<VariablesOf<typeof responderVariables>>(this, 'Responding', {
      context,
      folder: 'responder',
      description: 'opens incidents, locks playbooks',
      timeout: Duration.seconds(30),
      variables: { OPERATIONS_TABLE: operations.tableName },
    });
    this.handler.allow(['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'], [operations.tableArn]);
    this.handler.allow(['states:DescribeExecution'], [executionsArn(this, `${prefix}-responder`)]);
    // "Actions, resources, and condition keys for Amazon CloudWatch": neither has a resource but all.
    this.handler.allow(['cloudwatch:DescribeAlarms', 'cloudwatch:GetMetricData'], ['*']);

    this.verification = new Verification(this, 'Verification', { prefix, operations });
    const command = `npm run incident -- --service ${runbook.service} --env ${environment.name}`;
    this.closure = new Closure(this, 'Closure', {
      prefix,
      command,
      operations,
      topics: allTopics,
      playbooks: changing,
    });
    this.escalation = new Escalation(this, 'Escalation', {
      prefix,
      command,
      steps: runbook.escalation,
      conditions,
      topic: contact => arnOf(byContact.get(contact), contact),
      bySeverity: new Map([...bySeverity].map(([severity, { topicArn }]) => [severity, topicArn])),
      operations,
      topics: contactTopics,
    });
    this.responder = new Responder(this, 'Responder', {
      prefix,
      command,
      plans: this.plans,
      operations,
      topics: severityTopics,
      functionArn: this.handler.functionArn,
      verification: this.verification.machine.stateMachineArn,
      escalation: this.escalation.machine.stateMachineArn,
      closure: this.closure.machine.stateMachineArn,
      diagnose: playbooks.diagnose.stateMachineArn,
    });
    this.rule = this.alarmRule(prefix);
    this.reconciler = new Reconciler(this, 'Reconciler', {
      context,
      prefix,
      operations,
      alarms: this.plans.map(({ alarm }) => alarm),
      recoveryAlarms,
    });
    const told = bySeverity.get('P1');
    if (told) {
      new FailureAlarms(this, 'Failures', {
        prefix,
        machines: {
          Responder: this.responder.machine,
          Verification: this.verification.machine,
          Closure: this.closure.machine,
          Escalation: this.escalation.machine,
          Updates: this.escalation.updates,
          ...Object.fromEntries(playbookNames.map(name => [name, playbooks[name]])),
        },
        functions: { Responding: this.handler, Reconciler: this.reconciler.handler },
        link: runbookLink(environment, runbook),
        told: new SnsAction(told),
      });
    }
  }

  private alarmRule(prefix: string): Rule {
    return new Rule(this, 'Rule', {
      description: `Alarms of ${prefix} start its responder`,
      eventPattern: {
        source: ['aws.cloudwatch'],
        detailType: ['CloudWatch Alarm State Change'],
        detail: {
          alarmName: [{ prefix: `${prefix}-` }],
          state: { value: ['ALARM'], actionsSuppressedBy: [{ exists: false }] },
          previousState: { value: [{ 'anything-but': ['ALARM'] }] },
          muteDetail: notMuted,
        },
      },
      targets: [
        new SfnStateMachine(this.responder.machine, {
          input: RuleTargetInput.fromObject({
            alarm: EventField.fromPath('$.detail.alarmName'),
            alarmAt: EventField.fromPath('$.detail.state.timestamp'),
            reason: EventField.fromPath('$.detail.state.reason'),
          }),
          // The reconciler comes within a minute.
          maxEventAge: Duration.minutes(5),
        }),
      ],
    });
  }
}
