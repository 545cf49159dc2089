import type { SQSBatchResponse } from 'aws-lambda';
import { z } from 'zod';

const recordSchema = z.object({
  messageId: z.string(),
  receiptHandle: z.string(),
  body: z.string(),
  eventSourceARN: z.string(),
  attributes: z.object({
    SequenceNumber: z.string(),
    MessageGroupId: z.string(),
    ApproximateReceiveCount: z.coerce.number(),
    SentTimestamp: z.coerce.number(),
  }),
});
const batchSchema = z.object({ Records: z.array(recordSchema) });

/** A message of a FIFO queue. */
export interface QueueRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly sequenceNumber: string;
  /** How often it was received by now. */
  readonly receiveCount: number;
  /** When the queue took it, epoch milliseconds. */
  readonly sentAt: number;
}

/** Records of one message group, in the queue's order. */
export interface Group {
  readonly queueArn: string;
  readonly id: string;
  readonly records: readonly QueueRecord[];
}

/** The queue that an event comes from, and how many messages of it there are. @param event of SQS */
export function queueOf(event: unknown): { readonly arn: string; readonly records: number } {
  const { Records } = batchSchema.parse(event);
  return { arn: Records[0]?.eventSourceARN ?? '', records: Records.length };
}

function groupsOf(event: unknown): readonly Group[] {
  const { Records } = batchSchema.parse(event);
  const groups = Object.groupBy(Records, record => `${record.eventSourceARN} ${record.attributes.MessageGroupId}`);
  return Object.values(groups).flatMap((records = []) => {
    const [first] = records;
    if (!first) return [];
    return {
      queueArn: first.eventSourceARN,
      id: first.attributes.MessageGroupId,
      records: records.map(({ messageId, receiptHandle, body, attributes }) => ({
        messageId,
        receiptHandle,
        body,
        sequenceNumber: attributes.SequenceNumber,
        receiveCount: attributes.ApproximateReceiveCount,
        sentAt: attributes.SentTimestamp,
      })),
    };
  });
}

/** How far a group came. */
export interface Progress {
  /** How many of its records, from the first on, are done. */
  readonly done: number;
  /** Why no more are; absent where there was no time for the rest, or all are. */
  readonly error?: unknown;
}

export interface BatchHandlers {
  /** What it throws is as an error before the first record was done. */
  handle(group: Group): Promise<Progress>;
  /** Called with the records of a group that come again: all of it after an error, or those that there was no time for. */
  left(group: Group, error: unknown): Promise<void>;
}

/**
 * Handles each message group of a batch by itself: one that fails comes again whole and in order, the others are done.
 * (Powertools' FIFO processor works record by record, which would post each message in a frame of its own.)
 * @param event of SQS
 */
export async function eachGroup(event: unknown, { handle, left }: BatchHandlers): Promise<SQSBatchResponse> {
  const outcome = async (group: Group): Promise<Progress> => {
    try {
      return await handle(group);
    } catch (error) {
      return { done: 0, error };
    }
  };
  const failures = await Promise.all(
    groupsOf(event).map(async group => {
      const { done, error } = await outcome(group);
      const records = group.records.slice(done);
      if (records.length > 0) await left({ ...group, records }, error);
      return records.map(({ messageId }) => ({ itemIdentifier: messageId }));
    }),
  );
  return { batchItemFailures: failures.flat() };
}
