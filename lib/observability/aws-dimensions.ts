import type { DimensionsMap } from 'aws-cdk-lib/aws-cloudwatch';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import type { RealtimeStack } from '../realtime/realtime-stack.ts';
import type { AwsSource } from '../runbook/signals.ts';

const ofQueue = ({ queueName }: Queue): DimensionsMap => ({ QueueName: queueName });
const ofFunction = ({ functionName }: LambdaFunction): DimensionsMap => ({ FunctionName: functionName });
const ofTable = ({ tableName }: Table): DimensionsMap => ({ TableName: tableName });

/** The dimensions under which AWS puts its metrics of the service's resources. */
export function awsDimensions({
  gateway,
  serverApi,
  messages,
  connections,
  tables,
}: RealtimeStack): Readonly<Record<AwsSource, DimensionsMap>> {
  return {
    webSocketApi: { ApiId: gateway.api.apiId, Stage: gateway.stage.stageName },
    httpApi: { ApiId: serverApi.api.apiId, Stage: serverApi.stage.stageName },
    publications: ofQueue(messages.publications.queue),
    shards: ofQueue(messages.publications.shardTasks),
    deadLetters: ofQueue(messages.publications.deadLetters),
    shardDeadLetters: ofQueue(messages.publications.shardTaskDeadLetters),
    fanOut: ofFunction(messages.fanOut),
    message: ofFunction(messages.message),
    connect: ofFunction(connections.connect),
    connections: ofTable(tables.connections),
    subscriptions: ofTable(tables.subscriptions),
    messages: ofTable(tables.messages),
    operations: ofTable(tables.operations),
  };
}
