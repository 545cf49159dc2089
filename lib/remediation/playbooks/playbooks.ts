import { Duration, Stack } from 'aws-cdk-lib';
import { DefinitionBody, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { diagnoseVariables } from '../../../lambdas/diagnose/variables.ts';
import type { rollbackPlanVariables } from '../../../lambdas/rollback-plan/variables.ts';
import { unwrittenBeatsRecord } from '../../../lambdas/shared/unwritten-beats.ts';
import type { VariablesOf } from '../../../lambdas/shared/variables.ts';
import { Handler, liveAlias } from '../../realtime/handler.ts';
import type { RealtimeStack } from '../../realtime/realtime-stack.ts';
import { type PlaybookName, playbookNames } from '../../runbook/playbooks.ts';
import { MachinePermissions } from '../permissions.ts';
import { degradePresence } from './degrade-presence.ts';
import { diagnose } from './diagnose.ts';
import { drain } from './drain.ts';
import { evictStaleConnections } from './evict-stale-connections.ts';
import { flushBacklog } from './flush-backlog.ts';
import { notifyClients } from './notify-clients.ts';
import { Playbook, type PlaybookStates } from './playbook.ts';
import { restartFunctions } from './restart-functions.ts';
import { rollbackRelease } from './rollback-release.ts';
import { scaleDelivery } from './scale-delivery.ts';
import { throttlePublishers } from './throttle-publishers.ts';

export interface PlaybooksProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  readonly realtime: RealtimeStack;
}

/** Longer than the longest step down of `scale-delivery`, and than a drain of every service. */
const longest = Duration.hours(1);

/** One state machine for each playbook, `<service>-<env>-<playbook>`; docs/playbooks.md. */
export class Playbooks extends Construct {
  readonly all: ReadonlyMap<PlaybookName, StateMachine>;
  /** Those that no state machine can do without: it knows no time, and cannot compare dates. */
  readonly clock: Handler;
  readonly rollbackPlan: Handler;
  readonly diagnose: Handler;

  constructor(scope: Construct, id: string, { prefix, realtime }: PlaybooksProps) {
    super(scope, id);
    this.clock = new Handler(this, 'ClockFunction', {
      context: realtime.context,
      folder: 'clock',
      description: 'tells playbooks the time of the functions',
      timeout: Duration.seconds(5),
      variables: {},
    });
    this.rollbackPlan = this.createRollbackPlan(realtime);
    this.diagnose = this.createDiagnose(realtime);
    const states = this.playbooks(realtime);
    this.all = new Map(
      playbookNames.map(name => {
        const playbook = new Playbook(this, name);
        const { start, allow } = states[name](playbook);
        const machine = new StateMachine(playbook, 'Machine', {
          stateMachineName: `${prefix}-${name}`,
          comment: `${Stack.of(this).stackName}: ${name}; docs/playbooks.md`,
          definitionBody: DefinitionBody.fromChainable(start),
          timeout: longest,
        });
        allow(new MachinePermissions(machine));
        return [name, machine];
      }),
    );
  }

  machine(name: PlaybookName): StateMachine {
    const machine = this.all.get(name);
    if (!machine) throw new Error(`there is no playbook ${name}`);
    return machine;
  }

  private playbooks(realtime: RealtimeStack): Record<PlaybookName, (playbook: Playbook) => PlaybookStates> {
    const { settings } = realtime.context;
    const table = realtime.tables.operations;
    const sweepArn = realtime.connections.sweep.live.functionArn;
    const clockArn = this.clock.live.functionArn;
    const windowSeconds = settings.drainWindowSeconds;
    return {
      'scale-delivery': playbook => scaleDelivery(playbook, table, settings),
      'throttle-publishers': playbook => throttlePublishers(playbook, table),
      'evict-stale-connections': playbook => evictStaleConnections(playbook, sweepArn),
      'flush-backlog': playbook => flushBacklog(playbook, table, clockArn),
      'restart-functions': playbook => restartFunctions(playbook, table),
      'rollback-release': playbook =>
        rollbackRelease(
          playbook,
          this.rollbackPlan.live.functionArn,
          realtime.functions.map(({ functionArn }) => functionArn),
        ),
      drain: playbook => drain(playbook, { table, sweepArn, clockArn, windowSeconds }),
      'notify-clients': playbook => notifyClients(playbook, sweepArn, windowSeconds),
      'degrade-presence': playbook => degradePresence(playbook, table),
      diagnose: playbook => diagnose(playbook, this.diagnose.live.functionArn),
    };
  }

  private createRollbackPlan({ context, functions }: RealtimeStack): Handler {
    const handler = new Handler<VariablesOf<typeof rollbackPlanVariables>>(this, 'RollbackPlanFunction', {
      context,
      folder: 'rollback-plan',
      description: 'says what takes a release back',
      timeout: Duration.seconds(30),
      variables: {
        FUNCTIONS: Stack.of(this).toJsonString(functions.map(({ functionName }) => functionName)),
        ALIAS: liveAlias,
      },
    });
    allowReleases(handler, functions);
    return handler;
  }

  private createDiagnose(realtime: RealtimeStack): Handler {
    const { context, functions, messages, probeIdentity, tables, tokens } = realtime;
    const { settings } = context;
    const stack = Stack.of(this);
    const handler = new Handler<VariablesOf<typeof diagnoseVariables>>(this, 'DiagnoseFunction', {
      context,
      folder: 'diagnose',
      description: 'finds out who is affected and what is short',
      timeout: Duration.seconds(60),
      variables: {
        CONNECTIONS_TABLE: tables.connections.tableName,
        ...tables.controlVariables,
        TABLES: stack.toJsonString(tables.all.map(({ tableName }) => tableName)),
        QUEUE_URLS: stack.toJsonString(messages.publications.queues.map(({ queueUrl }) => queueUrl)),
        FUNCTIONS: stack.toJsonString(functions.map(({ functionName }) => functionName)),
        ALIAS: liveAlias,
        JWKS_URL: tokens.jwksUrl,
        ...probeIdentity.variables,
        HEARTBEAT_INTERVAL_SECONDS: String(settings.heartbeatIntervalSeconds),
        HEARTBEAT_GRACE_SECONDS: String(settings.heartbeatGraceSeconds),
      },
    });
    allowReleases(handler, functions);
    // "Actions, resources, and condition keys for Amazon CloudWatch": GetMetricData knows no resource.
    handler.allow(['cloudwatch:GetMetricData'], ['*']);
    handler.allow(
      ['dynamodb:Scan'],
      tables.all.map(({ tableArn }) => tableArn),
    );
    tables.allowControl(handler, unwrittenBeatsRecord);
    messages.publications.allowCount(handler);
    probeIdentity.allowRead(handler);
    return handler;
  }
}

/** Allows to ask which versions functions have, and which one is live. */
function allowReleases(handler: Handler, functions: readonly Handler[]): void {
  handler.allow(
    ['lambda:GetAlias', 'lambda:ListVersionsByFunction'],
    functions.map(({ functionArn }) => functionArn),
  );
}
