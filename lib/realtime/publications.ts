import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import { DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Handler } from './handler.ts';

export interface PublicationsProps {
  /** Of the function that consumes. */
  readonly consumerTimeout: Duration;
  readonly removalPolicy: RemovalPolicy;
}

/** SQS keeps messages for 14 days at most ("Amazon SQS message quotas"). */
const longest = Duration.days(14);

/**
 * What was accepted and is not delivered yet, in order for each channel; and what is to be done for each shard of a large
 * channel, in order for each shard. A message comes again as often as it must: order waits for it. The dead-letter queues
 * are for what can never succeed: fan-out puts it there; SQS only after a receive count no outage reaches.
 */
export class Publications extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;
  readonly shardTasks: Queue;
  readonly shardTaskDeadLetters: Queue;

  constructor(scope: Construct, id: string, { consumerTimeout, removalPolicy }: PublicationsProps) {
    super(scope, id);
    const common = {
      fifo: true,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: longest,
      removalPolicy,
    };
    const ordered = (name: string, deadLetters: Queue) =>
      new Queue(this, name, {
        ...common,
        // One group's rate does not limit another's.
        deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
        fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
        // Six times the consumer's timeout, as Lambda's guide to SQS event sources asks for.
        visibilityTimeout: Duration.seconds(6 * consumerTimeout.toSeconds()),
        deadLetterQueue: { queue: deadLetters, maxReceiveCount: 1000 },
      });
    this.deadLetters = new Queue(this, 'DeadLetters', common);
    this.queue = ordered('Queue', this.deadLetters);
    this.shardTaskDeadLetters = new Queue(this, 'ShardTaskDeadLetters', common);
    this.shardTasks = ordered('ShardTasks', this.shardTaskDeadLetters);
  }

  /** All that holds messages which are not delivered yet. */
  get queues(): readonly Queue[] {
    return [this.queue, this.shardTasks];
  }

  /** Allows to ask how many wait. */
  allowCount(handler: Handler): void {
    for (const queue of this.queues) queue.grant(handler, 'sqs:GetQueueAttributes');
  }

  /** Allows to hand on to shards, to queue behind publications, and to put away what cannot be delivered. */
  allowFanOut(handler: Handler): void {
    for (const queue of [this.queue, this.shardTasks, this.deadLetters, this.shardTaskDeadLetters])
      queue.grant(handler, 'sqs:SendMessage');
  }

  /** Allows to publish. */
  allowSend(handler: Handler): void {
    this.queue.grant(handler, 'sqs:SendMessage');
  }
}
