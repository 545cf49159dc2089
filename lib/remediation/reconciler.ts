import { Duration, Stack } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import type { reconcileVariables } from '../../lambdas/reconcile/variables.ts';
import type { VariablesOf } from '../../lambdas/shared/variables.ts';
import { Handler } from '../realtime/handler.ts';
import type { ServiceContext } from '../realtime/service-context.ts';
import { executionsArn, machineArn, type StoreTable } from './permissions.ts';

export interface ReconcilerProps {
  readonly context: ServiceContext;
  /** `<service>-<env>`. */
  readonly prefix: string;
  readonly operations: StoreTable;
  /** Names of the runbook's alarms. */
  readonly alarms: readonly string[];
  readonly recoveryAlarms: readonly string[];
}

/** Every minute: answers alarms that no event has told of, and closes what people took over. */
export class Reconciler extends Construct {
  readonly handler: Handler;

  constructor(scope: Construct, id: string, { context, prefix, operations, alarms, recoveryAlarms }: ReconcilerProps) {
    super(scope, id);
    const machines = { responder: `${prefix}-responder`, closure: `${prefix}-closure` };
    this.handler = new Handler<VariablesOf<typeof reconcileVariables>>(this, 'Function', {
      context,
      folder: 'reconcile',
      description: 'answers alarms that no event told of',
      timeout: Duration.seconds(50),
      variables: {
        OPERATIONS_TABLE: operations.tableName,
        RESPONDER_ARN: machineArn(this, machines.responder),
        CLOSURE_ARN: machineArn(this, machines.closure),
        ALARMS: JSON.stringify(alarms),
        RECOVERY_ALARMS: JSON.stringify(recoveryAlarms),
      },
    });
    const { handler } = this;
    handler.allow(['dynamodb:BatchGetItem', 'dynamodb:UpdateItem'], [operations.tableArn]);
    handler.allow(
      ['states:StartExecution'],
      Object.values(machines).map(name => machineArn(this, name)),
    );
    handler.allow(['states:ListExecutions'], [machineArn(this, machines.responder)]);
    handler.allow(['states:DescribeExecution'], [executionsArn(this, machines.responder)]);
    const { partition, region, account } = Stack.of(this);
    handler.allow(['cloudwatch:DescribeAlarms'], [`arn:${partition}:cloudwatch:${region}:${account}:alarm:*`]);
    // "Actions, resources, and condition keys for Amazon CloudWatch": mute rules are listed for all at once.
    handler.allow(['cloudwatch:ListAlarmMuteRules'], ['*']);
    // The next one comes in a minute.
    const once = { retryAttempts: 0, maxEventAge: Duration.minutes(1) };
    handler.configureAsyncInvoke(once);
    new Schedule(this, 'Schedule', {
      schedule: ScheduleExpression.rate(Duration.minutes(1)),
      target: new LambdaInvoke(handler, once),
      description: `${context.service} ${context.environmentName}: reconciler`,
    });
  }
}
