import { GetQueueAttributesCommand, type QueueAttributeName, SQSClient } from '@aws-sdk/client-sqs';

/** What waits, what is being handled, and what is delayed. */
const numbers = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
] as const satisfies readonly QueueAttributeName[];

/** Counts the messages of queues. */
export interface Backlog {
  /** How many are not delivered yet; SQS gives it approximately, and a minute late. */
  count(): Promise<number>;
  /** Ends the sockets. */
  end(): void;
}

export function sqsBacklog(queueUrls: readonly string[]): Backlog {
  const client = new SQSClient({
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
  });
  return {
    async count() {
      const answers = await Promise.all(
        queueUrls.map(QueueUrl =>
          client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...numbers] })),
        ),
      );
      return answers
        .flatMap(({ Attributes }) => numbers.map(name => Number(Attributes?.[name] ?? 0)))
        .reduce((sum, messages) => sum + messages, 0);
    },
    end: () => client.destroy(),
  };
}
