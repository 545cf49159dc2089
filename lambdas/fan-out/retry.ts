import { ChangeMessageVisibilityBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';

/** What is known of a record that comes again. */
export interface FailedRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  /** How often it was received by now. */
  readonly receiveCount: number;
}

const longestDelaySeconds = 60;

/** 1 s after the first failure, then twice as long each time, up to a minute. */
export const retryDelaySeconds = (receiveCount: number): number =>
  Math.min(longestDelaySeconds, 2 ** Math.min(receiveCount - 1, 10));

/**
 * Makes the failed records of a channel visible again soon. Left alone they would come back only when the queue's visibility
 * timeout ends, which is six times the function's and would hold the channel up for minutes.
 * @param records of one message group, in order
 * @throws Error where SQS refuses one; they then come back when their visibility ends
 */
export async function retrySoon(queueUrl: string, records: readonly FailedRecord[], client: SQSClient): Promise<void> {
  // The same for all: none of a group may come before another of it.
  const VisibilityTimeout = retryDelaySeconds(Math.max(...records.map(({ receiveCount }) => receiveCount)));
  const { Failed = [] } = await client.send(
    new ChangeMessageVisibilityBatchCommand({
      QueueUrl: queueUrl,
      Entries: records.map(({ receiptHandle }, n) => ({
        Id: String(n),
        ReceiptHandle: receiptHandle,
        VisibilityTimeout,
      })),
    }),
  );
  const [first] = Failed;
  if (first)
    throw new Error(`${Failed.length} of ${records.length} records not made visible: ${first.Code} ${first.Message}`);
}
