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
 * What was accepted and is not delivered yet, in order for each channel. A message comes again as often as it must: order
 * waits for it. The dead-letter queue is for what can never succeed, and only after a receive count no outage reaches.
 */
export class Publications extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, { consumerTimeout, removalPolicy }: PublicationsProps) {
    super(scope, id);
    const common = {
      fifo: true,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: longest,
      removalPolicy,
    };
    this.deadLetters = new Queue(this, 'DeadLetters', common);
    this.queue = new Queue(this, 'Queue', {
      ...common,
      // One channel's rate does not limit another's.
      deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
      fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
      // Six times the consumer's timeout, as Lambda's guide to SQS event sources asks for.
      visibilityTimeout: Duration.seconds(6 * consumerTimeout.toSeconds()),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: 1000 },
    });
  }

  /** Allows to publish. */
  allowSend(handler: Handler): void {
    this.queue.grant(handler, 'sqs:SendMessage');
  }
}
