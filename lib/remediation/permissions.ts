import { ArnFormat, Stack } from 'aws-cdk-lib';
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';

/** The table of incidents and locks. */
export type StoreTable = Pick<ITable, 'tableName' | 'tableArn'>;

/** The topics to which pages go, and the key that they are encrypted with. */
export interface PageTopics {
  readonly topicArns: readonly string[];
  readonly key: Pick<IKey, 'keyArn'>;
}

const states = (scope: Construct, resource: string, resourceName: string): string =>
  Stack.of(scope).formatArn({
    service: 'states',
    resource,
    resourceName,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });

/** ARN of a state machine by its name, for those that name each other. */
export const machineArn = (scope: Construct, name: string): string => states(scope, 'stateMachine', name);

/** What the ARNs of a state machine's executions begin with; their names follow after a colon. */
export const executionsPrefix = (scope: Construct, name: string): string => states(scope, 'execution', name);

/** Any execution of a state machine. */
export const executionsArn = (scope: Construct, name: string): string => `${executionsPrefix(scope, name)}:*`;

/** What the role of a state machine may do, and nothing else: CDK grants nothing for states with dynamic ARNs. */
export class MachinePermissions {
  private readonly machine: StateMachine;

  constructor(machine: StateMachine) {
    this.machine = machine;
  }

  private allow(actions: readonly string[], resources: readonly string[]): this {
    this.machine.addToRolePolicy(new PolicyStatement({ actions: [...actions], resources: [...resources] }));
    return this;
  }

  /** @param actions without their prefix */
  table(table: StoreTable, ...actions: readonly string[]): this {
    return this.allow(
      actions.map(action => `dynamodb:${action}`),
      [table.tableArn],
    );
  }

  /** "Actions, resources, and condition keys for Amazon CloudWatch": metric alarms by their name. */
  describeAlarms(): this {
    // DescribeAlarms is authorized for all alarms of the account and Region at once.
    const arn = Stack.of(this.machine).formatArn({
      service: 'cloudwatch',
      resource: 'alarm',
      resourceName: '*',
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    return this.allow(['cloudwatch:DescribeAlarms'], [arn]);
  }

  publish({ topicArns, key }: PageTopics): this {
    // "Encrypting data: configuring AWS KMS permissions": who publishes to an encrypted topic needs both.
    return this.allow(['sns:Publish'], topicArns).allow(['kms:Decrypt', 'kms:GenerateDataKey*'], [key.keyArn]);
  }

  invoke(functionArn: string): this {
    return this.allow(['lambda:InvokeFunction'], [functionArn]);
  }

  /** @param functionArns without version or alias: what the aliases of these may point at */
  updateAliases(functionArns: readonly string[]): this {
    return this.allow(['lambda:UpdateAlias'], functionArns);
  }

  /** @param names of state machines of this account and Region */
  start(...names: readonly string[]): this {
    return this.allow(
      ['states:StartExecution'],
      names.map(name => machineArn(this.machine, name)),
    );
  }

  /** Starts executions and waits for their end, by the rule that Step Functions keeps for it. */
  run(...names: readonly string[]): this {
    const rule = Stack.of(this.machine).formatArn({
      service: 'events',
      resource: 'rule',
      resourceName: 'StepFunctionsGetEventsForStepFunctionsExecutionRule',
    });
    // "IAM policies for calling Step Functions workflow executions".
    return this.start(...names)
      .allow(
        ['states:DescribeExecution', 'states:StopExecution'],
        names.map(name => executionsArn(this.machine, name)),
      )
      .allow(['events:PutTargets', 'events:PutRule', 'events:DescribeRule'], [rule]);
  }
}
