import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  Alarm,
  AlarmMuteRule,
  ComparisonOperator,
  Metric,
  ScheduleExpression,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { AttributeType, BillingMode, Table } from 'aws-cdk-lib/aws-dynamodb';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import {
  Choice,
  Condition,
  DefinitionBody,
  Fail,
  Pass,
  type State,
  StateMachine,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { Topics } from '../../lib/observability/topics.ts';
import { Handler, liveAlias } from '../../lib/realtime/handler.ts';
import { MachinePermissions } from '../../lib/remediation/permissions.ts';
import { Playbook } from '../../lib/remediation/playbooks/playbook.ts';
import { rollbackRelease } from '../../lib/remediation/playbooks/rollback-release.ts';
import { Remediation } from '../../lib/remediation/remediation.ts';
import { task } from '../../lib/remediation/states.ts';
import { type PlaybookName, playbookNames } from '../../lib/runbook/playbooks.ts';
import type {
  AlarmRow,
  PlaybookCall,
  Remediation as RemediationRow,
  Runbook,
  Severity,
} from '../../lib/runbook/runbook.ts';
import type { SignalName } from '../../lib/runbook/signals.ts';

export const prefix = 'shop-dev';

const call = (playbook: PlaybookName, parameters: PlaybookCall['parameters'] = {}): PlaybookCall => ({
  playbook,
  parameters,
});

const by = (
  playbooks: readonly PlaybookCall[],
  more: Partial<Extract<RemediationRow, { kind: 'playbooks' }>> = {},
) => ({
  kind: 'playbooks' as const,
  playbooks,
  tries: 1,
  cooldownSeconds: 0,
  mode: 'automatic' as const,
  ...more,
});

const row = (name: string, signal: SignalName, severity: Severity, remediation: RemediationRow): AlarmRow => ({
  name,
  severity,
  remediation,
  condition: {
    kind: 'threshold',
    signal,
    statistic: 'Maximum',
    periodSeconds: 60,
    periods: 1,
    datapoints: 1,
    comparison: '>',
    threshold: 10,
  },
  procedure: { heading: name, anchor: name.toLowerCase() },
  quiet: [],
  text: `${signal} > 10`,
});

/** A runbook with an alarm for each way in which a remediation can go. */
export const shop: Runbook = {
  service: 'shop',
  title: 'Shop',
  owner: 'team',
  updated: '2026-11-22',
  review: '2027-02-22',
  settings: {} as Runbook['settings'],
  alarms: [
    row('Slow', 'Backlog', 'P2', by([call('diagnose'), call('scale-delivery', { shards: 5 })])),
    row('Slowest', 'Backlog', 'P1', by([call('restart-functions')])),
    row(
      'Broken',
      'Errors',
      'P2',
      by([call('throttle-publishers', { intervalMs: 100 }), call('scale-delivery', { shards: 5 })]),
    ),
    row('Denied', 'Errors', 'P1', by([call('evict-stale-connections')])),
    row('Hanging', 'PostFailures', 'P2', by([call('flush-backlog'), call('notify-clients')])),
    row('Asked', 'DeliveryLatency', 'P2', by([call('scale-delivery', { shards: 5 })], { mode: 'approval' })),
    row(
      'Useless',
      'MessagesAccepted',
      'P2',
      by([call('scale-delivery', { shards: 7 }), call('notify-clients')], { tries: 2 }),
    ),
    row('Twin', 'ProbeLatency', 'P2', by([call('scale-delivery', { shards: 5 })])),
    row('Rested', 'ReplyLatency', 'P2', by([call('scale-delivery', { shards: 5 })], { cooldownSeconds: 86_400 })),
    row('People', 'DeadLetters', 'P3', { kind: 'none', reason: 'a person decides' }),
    row('Muted', 'Churn', 'P2', by([call('scale-delivery', { shards: 5 })])),
    row('Released', 'ProbeSuccess', 'P2', by([call('rollback-release', { withinSeconds: 3_600 })])),
  ],
  recovery: [
    {
      kind: 'signal',
      condition: {
        kind: 'threshold',
        signal: 'CensusRuns',
        statistic: 'Maximum',
        periodSeconds: 60,
        periods: 1,
        datapoints: 1,
        comparison: '<',
        threshold: 10,
      },
      text: 'CensusRuns >= 1',
    },
    { kind: 'person', text: 'Nobody complains' },
  ],
  escalation: [
    { afterSeconds: 0, contact: 'oncall', channels: ['email'] },
    { afterSeconds: 0, contact: 'channel', channels: ['Slack'], everySeconds: 300 },
    { afterSeconds: 300, contact: 'lead', channels: ['email', 'SMS'], severities: ['P0', 'P1', 'P2'] },
    { afterSeconds: 600, contact: 'chief', channels: ['phone'], severities: ['P1'] },
  ],
};

export const metricNamespace = 'Test';

const context = {
  service: 'shop',
  environmentName: 'dev',
  settings: { functionMemoryMegabytes: 256 } as never,
  removalPolicy: RemovalPolicy.DESTROY,
};

/** For how long after the start the alarm `Muted` is muted, in monitoring time. */
const mutedFor = Duration.minutes(40);

/** A table, topics, alarms and stand-ins for the playbooks, which really change the control record, and the remediation of them. */
export class ShopStack extends Stack {
  readonly remediation: Remediation;

  constructor(scope: Construct, id: string) {
    super(scope, id, { env: { region: 'eu-central-1' } });
    const operations = new Table(this, 'Operations', {
      tableName: 'operations',
      billingMode: BillingMode.PAY_PER_REQUEST,
      partitionKey: { name: 'record', type: AttributeType.STRING },
      timeToLiveAttribute: 'expiresAt',
    });
    const address = {
      email: 'a@example.com',
      slack: 'https://slack.example.com/x',
      sms: '+12025550100',
      phone: '+12025550100',
    };
    const topics = new Topics(this, 'Topics', {
      prefix,
      title: shop.title,
      contacts: Object.fromEntries(shop.escalation.map(({ contact }) => [contact, address])),
      escalation: shop.escalation,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const pages = new Queue(this, 'Pages', { queueName: 'pages' });
    for (const topic of [...topics.byContact.values(), ...topics.bySeverity.values()])
      topic.addSubscription(new SqsSubscription(pages));
    const alarm = (alarmName: string, metricName: string, missing: TreatMissingData) =>
      new Alarm(this, alarmName, {
        alarmName,
        metric: new Metric({
          namespace: metricNamespace,
          metricName,
          statistic: 'Maximum',
          period: Duration.minutes(1),
        }),
        threshold: 10,
        evaluationPeriods: 1,
        comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
        treatMissingData: missing,
      });
    const alarms = new Map(
      shop.alarms.map(({ name }) => [name, alarm(`${prefix}-${name}`, name, TreatMissingData.NOT_BREACHING)]),
    );
    new AlarmMuteRule(this, 'Quiet', {
      alarms: [alarms.get('Muted') as Alarm],
      schedule: ScheduleExpression.expression(`at(${new Date().toISOString().slice(0, 16)})`),
      duration: mutedFor,
    });
    alarm(`recovery-${prefix}-CensusRuns`, 'Recovery', TreatMissingData.BREACHING);
    const playbooks = {
      ...(Object.fromEntries(
        playbookNames.filter(name => name !== 'rollback-release').map(name => [name, this.standIn(name, operations)]),
      ) as Record<PlaybookName, StateMachine>),
      'rollback-release': this.rollback(),
    };
    this.remediation = new Remediation(this, 'Remediation', {
      prefix,
      runbook: shop,
      environment: { name: 'dev', runbookBaseUrl: 'https://runbooks.example.com' },
      context,
      operations,
      recoveryAlarms: [`recovery-${prefix}-CensusRuns`],
      conditions: new Map(),
      topics,
      playbooks,
    });
  }

  /** The real one, of two functions, whose role may move the alias of the first one only. */
  private rollback(): StateMachine {
    const of = (folder: string, name: string, variables = {}) =>
      new Handler(this, name, { context, folder, variables, description: name, timeout: Duration.seconds(10) });
    const functions = [of('clock', 'Prices'), of('clock', 'Orders')] as const;
    const plan = of('rollback-plan', 'Plan', {
      FUNCTIONS: this.toJsonString(functions.map(({ functionName }) => functionName)),
      ALIAS: liveAlias,
    });
    plan.allow(
      ['lambda:GetAlias', 'lambda:ListVersionsByFunction'],
      functions.map(({ functionArn }) => functionArn),
    );
    const playbook = new Playbook(this, 'rollback-release');
    const { start } = rollbackRelease(playbook, plan.live.functionArn, []);
    const machine = new StateMachine(playbook, 'Machine', {
      stateMachineName: `${prefix}-rollback-release`,
      definitionBody: DefinitionBody.fromChainable(start),
    });
    new MachinePermissions(machine).invoke(plan.live.functionArn).updateAliases([functions[0].functionArn]);
    return machine;
  }

  /** Keeps the contract of a playbook. */
  private standIn(name: PlaybookName, operations: Table): StateMachine {
    const said = (id: string, changed: boolean, change?: object): State =>
      new Pass(this, `${name}: ${id}`, {
        parameters: { playbook: name, changed, summary: `${name}: ${id}`, ...(change && { change }) },
      });
    const write = (id: string, expression: string, next: State, field = 'shards'): State => {
      const state = task(this, `${name}: ${id}`, {
        resource: 'dynamodb:updateItem',
        parameters: {
          TableName: operations.tableName,
          Key: { record: { S: 'control' } },
          UpdateExpression: expression,
          ExpressionAttributeNames: { '#field': field },
          ...(expression.includes(':one') && { ExpressionAttributeValues: { ':one': { N: '1' } } }),
          ...(expression.includes(':value') && {
            ExpressionAttributeValues: { ':value': { 'N.$': "States.Format('{}', $.parameters.shards)" } },
          }),
        },
      });
      state.next(next);
      return state;
    };
    let start: State;
    let granted = true;
    switch (name) {
      case 'scale-delivery':
        start = new Choice(this, `${name}: undo?`)
          .when(Condition.isPresent('$.undo'), write('give back', 'REMOVE #field', said('given back', true)))
          .otherwise(write('raise', 'SET #field = :value', said('raised', true, { before: null })));
        break;
      case 'evict-stale-connections': {
        granted = false;
        start = write('without permission', 'REMOVE #field', said('never', false));
        break;
      }
      case 'throttle-publishers':
        start = new Fail(this, `${name}: fails`, { error: 'OutOfOrder', cause: 'the playbook is broken' });
        break;
      case 'flush-backlog': {
        const wait = new Wait(this, `${name}: hangs`, { time: WaitTime.duration(Duration.hours(10)) });
        wait.next(said('never', false));
        start = new Choice(this, `${name}: undo?`)
          .when(Condition.isPresent('$.undo'), write('give back', 'REMOVE #field', said('given back', true), 'flush'))
          .otherwise(write('begin', 'SET #field = :one', wait, 'flush'));
        break;
      }
      case 'diagnose': {
        const wait = new Wait(this, `${name}: looks`, { time: WaitTime.duration(Duration.minutes(2)) });
        wait.next(said('done', false));
        start = wait;
        break;
      }
      case 'notify-clients':
        // Not temporary, and yet it tells how it could be undone, as a rollback does.
        start = said('done', true, { by: 'hand' });
        break;
      default:
        start = said('done', false);
    }
    const machine = new StateMachine(this, name, {
      stateMachineName: `${prefix}-${name}`,
      definitionBody: DefinitionBody.fromChainable(start),
    });
    if (granted) new MachinePermissions(machine).table(operations, 'UpdateItem');
    return machine;
  }
}
