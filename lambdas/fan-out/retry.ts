import { ChangeMessageVisibilityBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { QueueRecord } from './batch.ts';

/** What must be known of a record that comes again. */
export type RetriedRecord = Pick<QueueRecord, 'receiptHandle' | 'receiveCount'>;

/** Longest delay within the first hour or so of failures. */
const soonSeconds = 60;
/**
 * Delay after that. A queue gives a message up to its dead-letter queue after 1,000 receives at most; at this pace that takes
 * as long as the queue keeps it at all, 14 days, so no outage makes SQS take a message out of its order.
 */
const patientSeconds = 20 * 60;
const patientAfterReceives = 60;

/** 1 s after the first failure, then twice as long each time up to a minute, and 20 min when it has failed for an hour. */
export function retryDelaySeconds(receiveCount: number): number {
  if (receiveCount > patientAfterReceives) return patientSeconds;
  return Math.min(soonSeconds, 2 ** Math.min(receiveCount - 1, 10));
}

/** The delay for records of one group: the same for all, since none may come before another of it. */
export const groupDelaySeconds = (records: readonly RetriedRecord[]): number =>
  retryDelaySeconds(Math.max(...records.map(({ receiveCount }) => receiveCount)));

/**
 * Makes the records of a group visible again soon. Left alone they would come back only when the queue's visibility timeout
 * ends, which is six times the function's and would hold the group up for minutes.
 * @param records of one message group, in order
 * @throws Error where SQS refuses one; they then come back when their visibility ends
 */
export async function retryAfter(
  VisibilityTimeout: number,
  queueUrl: string,
  records: readonly RetriedRecord[],
  client: SQSClient,
): Promise<void> {
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
