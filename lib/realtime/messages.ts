import { CfnOutput } from 'aws-cdk-lib';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import type { fanOutVariables } from '../../lambdas/fan-out/variables.ts';
import type { messageVariables } from '../../lambdas/message/variables.ts';
import { unwrittenBeatsRecord } from '../../lambdas/shared/unwritten-beats.ts';
import type { VariablesOf } from '../../lambdas/shared/variables.ts';
import { type DeliveryRates, deliveryRates } from './delivery-rates.ts';
import type { Gateway } from './gateway.ts';
import { Handler } from './handler.ts';
import { Publications } from './publications.ts';
import type { ServiceContext } from './service-context.ts';
import type { Tables } from './tables.ts';
import { fanOutTimeout, frameTimeout } from './timeouts.ts';

export interface MessagesProps {
  readonly context: ServiceContext;
  readonly gateway: Gateway;
  readonly tables: Tables;
}

/** The way of a message: from a client's frame through the queue to the log and the subscribers. */
export class Messages extends Construct {
  readonly publications: Publications;
  readonly message: Handler;
  readonly fanOut: Handler;

  constructor(scope: Construct, id: string, props: MessagesProps) {
    super(scope, id);
    this.publications = new Publications(this, 'Publications', {
      consumerTimeout: fanOutTimeout,
      removalPolicy: props.context.removalPolicy,
    });
    const rates = deliveryRates(props.context.settings);
    this.message = this.createMessage(props, rates);
    this.fanOut = this.createFanOut(props, rates);
    // For `npm run dead-letters`.
    const { deadLetters, shardTaskDeadLetters } = this.publications;
    for (const [name, queue] of Object.entries({ deadLetters, shardTaskDeadLetters })) {
      const id = `${name[0]?.toUpperCase()}${name.slice(1)}Url`;
      new CfnOutput(this, id, { value: queue.queueUrl }).overrideLogicalId(id);
    }
  }

  private createMessage({ context, gateway, tables }: MessagesProps, rates: DeliveryRates): Handler {
    const { settings } = context;
    const handler = new Handler<VariablesOf<typeof messageVariables>>(this, 'MessageFunction', {
      context,
      folder: 'message',
      description: 'answers the frames of clients',
      timeout: frameTimeout,
      variables: {
        HEARTBEAT_INTERVAL_SECONDS: String(settings.heartbeatIntervalSeconds),
        HEARTBEAT_GRACE_SECONDS: String(settings.heartbeatGraceSeconds),
        CONNECTIONS_TABLE: tables.connections.tableName,
        SUBSCRIPTIONS_TABLE: tables.subscriptions.tableName,
        MESSAGES_TABLE: tables.messages.tableName,
        OPERATIONS_TABLE: tables.operations.tableName,
        PUBLICATIONS_QUEUE_URL: this.publications.queue.queueUrl,
        CALLBACK_URL: gateway.stage.callbackUrl,
        MAX_MESSAGE_BYTES: String(settings.maxMessageBytes),
        MAX_CHANNELS_PER_CONNECTION: String(settings.maxChannelsPerConnection),
        MAX_FRAMES_PER_SECOND: String(settings.maxFramesPerSecond),
        RETENTION_SECONDS: String(settings.retentionSeconds),
        SHARD_SIZE: String(rates.shardSize),
        REPLAY_POSTS_PER_SECOND: String(rates.replayPostsPerSecond),
      },
    });
    tables.allow(handler, 'connections', 'UpdateItem', 'BatchGetItem');
    tables.allow(handler, 'subscriptions', 'PutItem', 'DeleteItem', 'Query');
    tables.allow(handler, 'messages', 'GetItem', 'Query', 'UpdateItem');
    tables.allowTurns(handler);
    tables.allowControl(handler, unwrittenBeatsRecord);
    this.publications.allowSend(handler);
    gateway.allowConnections(handler, 'POST', 'DELETE');
    return handler;
  }

  private createFanOut({ context, gateway, tables }: MessagesProps, rates: DeliveryRates): Handler {
    const { settings } = context;
    const { queue, shardTasks, deadLetters, shardTaskDeadLetters } = this.publications;
    const handler = new Handler<VariablesOf<typeof fanOutVariables>>(this, 'FanOutFunction', {
      context,
      folder: 'fan-out',
      description: 'logs messages and posts them to the subscribers',
      timeout: fanOutTimeout,
      variables: {
        ...tables.presenceVariables,
        MESSAGES_TABLE: tables.messages.tableName,
        CALLBACK_URL: gateway.stage.callbackUrl,
        PUBLICATIONS_QUEUE_URL: queue.queueUrl,
        SHARD_TASKS_QUEUE_URL: shardTasks.queueUrl,
        SHARD_TASKS_QUEUE_ARN: shardTasks.queueArn,
        PUBLICATION_DEAD_LETTERS_URL: deadLetters.queueUrl,
        SHARD_TASK_DEAD_LETTERS_URL: shardTaskDeadLetters.queueUrl,
        RETENTION_SECONDS: String(settings.retentionSeconds),
        POST_TIMEOUT_SECONDS: String(settings.postTimeoutSeconds),
        POST_PARALLELISM: String(settings.postParallelism),
        POSTS_PER_SECOND: String(rates.postsPerSecond),
        POST_BURST: String(rates.postBurst),
        INVOCATIONS: String(settings.fanOutConcurrency + rates.shardConcurrency),
        SHARD_SIZE: String(rates.shardSize),
      },
    });
    tables.allow(handler, 'messages', 'GetItem', 'Query', 'PutItem', 'UpdateItem');
    tables.allow(handler, 'subscriptions', 'Query', 'DeleteItem');
    tables.allow(handler, 'connections', 'UpdateItem');
    tables.allowControl(handler);
    tables.allowForget(handler);
    gateway.allowConnections(handler, 'POST', 'DELETE');
    this.publications.allowFanOut(handler);
    const sources = [
      { source: queue, maxConcurrency: settings.fanOutConcurrency },
      { source: shardTasks, maxConcurrency: rates.shardConcurrency },
    ];
    for (const { source, maxConcurrency } of sources)
      handler.live.addEventSource(
        new SqsEventSource(source, { batchSize: 10, maxConcurrency, reportBatchItemFailures: true }),
      );
    return handler;
  }
}
