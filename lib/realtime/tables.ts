import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, ProjectionType, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { controlRecord } from '../../lambdas/shared/control.ts';
import type { presenceVariables } from '../../lambdas/shared/presence.ts';
import { connectionsTable, messagesTable, operationsTable, subscriptionsTable } from '../../lambdas/shared/tables.ts';
import { turnPrefix } from '../../lambdas/shared/throttle.ts';
import type { VariablesOf } from '../../lambdas/shared/variables.ts';
import type { Handler } from './handler.ts';

export interface TablesProps {
  readonly removalPolicy: RemovalPolicy;
}

const string = (name: string) => ({ name, type: AttributeType.STRING });

/** The service's state: presence, subscriptions, the message log and the records of operation. */
export class Tables extends Construct {
  readonly connections: Table;
  readonly subscriptions: Table;
  readonly messages: Table;
  readonly operations: Table;

  constructor(scope: Construct, id: string, { removalPolicy }: TablesProps) {
    super(scope, id);
    const kept = removalPolicy === RemovalPolicy.RETAIN;
    const common = {
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.AWS_MANAGED,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: kept },
      deletionProtection: kept,
      removalPolicy,
    };
    this.connections = new Table(this, 'Connections', {
      ...common,
      partitionKey: string(connectionsTable.partitionKey),
      timeToLiveAttribute: connectionsTable.timeToLive,
    });
    for (const { name, partitionKey } of [connectionsTable.byUser, connectionsTable.byAddress]) {
      this.connections.addGlobalSecondaryIndex({
        indexName: name,
        partitionKey: string(partitionKey),
        projectionType: ProjectionType.KEYS_ONLY,
      });
    }
    this.subscriptions = new Table(this, 'Subscriptions', {
      ...common,
      partitionKey: string(subscriptionsTable.partitionKey),
      sortKey: string(subscriptionsTable.sortKey),
      timeToLiveAttribute: subscriptionsTable.timeToLive,
    });
    this.messages = new Table(this, 'Messages', {
      ...common,
      partitionKey: string(messagesTable.partitionKey),
      sortKey: string(messagesTable.sortKey),
      timeToLiveAttribute: messagesTable.timeToLive,
    });
    this.operations = new Table(this, 'Operations', {
      ...common,
      partitionKey: string(operationsTable.partitionKey),
      timeToLiveAttribute: operationsTable.timeToLive,
    });
  }

  get all(): readonly Table[] {
    return [this.connections, this.subscriptions, this.messages, this.operations];
  }

  get presenceVariables(): VariablesOf<typeof presenceVariables> {
    return {
      CONNECTIONS_TABLE: this.connections.tableName,
      SUBSCRIPTIONS_TABLE: this.subscriptions.tableName,
      ...this.controlVariables,
    };
  }

  /** Where the control record is. */
  get controlVariables() {
    return { OPERATIONS_TABLE: this.operations.tableName };
  }

  /** Allows DynamoDB actions on one table, without its indexes, which `table.grant` would add. */
  allow(handler: Handler, table: 'connections' | 'subscriptions' | 'messages' | 'operations', ...actions: string[]) {
    handler.allow(
      actions.map(action => `dynamodb:${action}`),
      [this[table].tableArn],
    );
  }

  /** Allows to read the control record and those that are named, and no other records of operation. */
  allowControl(handler: Handler, ...records: readonly string[]): void {
    // "Using IAM policy conditions for fine-grained access control": the partition keys that a request names.
    handler.allow(['dynamodb:GetItem'], [this.operations.tableArn], {
      'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [controlRecord, ...records] },
    });
  }

  /** Allows to ask for turns and to take them, as a throttle does. */
  allowTurns(handler: Handler): void {
    handler.allow(['dynamodb:GetItem'], [this.operations.tableArn], {
      'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [`${turnPrefix}*`] },
    });
    this.allow(handler, 'operations', 'UpdateItem');
  }

  /** What `forget` needs: the item, its subscriptions, the count. */
  allowForget(handler: Handler): void {
    this.allow(handler, 'connections', 'DeleteItem');
    this.allow(handler, 'subscriptions', 'BatchWriteItem');
    this.allow(handler, 'operations', 'UpdateItem');
  }
}
