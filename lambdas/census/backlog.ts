import { GetQueueAttributesCommand, type QueueAttributeName, SQSClient } from '@aws-sdk/client-sqs';

/** What waits, what is being handled, and what is delayed. */
const numbers = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
] as const satisfies readonly QueueAttributeName[];

/** How many messages of these queues are not delivered yet; SQS gives it approximately, and a minute late. */
export function sqsBacklog(queueUrls: readonly string[]): () => Promise<number> {
  const client = new SQSClient({
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
  });
  return async () => {
    const answers = await Promise.all(
      queueUrls.map(QueueUrl => client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...numbers] }))),
    );
    return answers
      .flatMap(({ Attributes }) => numbers.map(name => Number(Attributes?.[name] ?? 0)))
      .reduce((sum, messages) => sum + messages, 0);
  };
}
