import type { SQSBatchResponse } from 'aws-lambda';
import { z } from 'zod';
import { cursorOf } from '../shared/protocol.ts';
import { publicationSchema } from '../shared/publication.ts';
import type { Delivery } from './deliver.ts';
import type { FailedRecord } from './retry.ts';

const recordSchema = z.object({
  messageId: z.string(),
  receiptHandle: z.string(),
  body: z.string(),
  attributes: z.object({
    SequenceNumber: z.string(),
    MessageGroupId: z.string(),
    ApproximateReceiveCount: z.coerce.number(),
  }),
});
const batchSchema = z.object({ Records: z.array(recordSchema) });
type SqsRecord = z.infer<typeof recordSchema>;

const deliveryOf = ({ body, attributes }: SqsRecord): Delivery => ({
  ...publicationSchema.parse(JSON.parse(body)),
  cursor: cursorOf(attributes.SequenceNumber),
});

const failedRecord = ({ messageId, receiptHandle, attributes }: SqsRecord): FailedRecord => ({
  messageId,
  receiptHandle,
  receiveCount: attributes.ApproximateReceiveCount,
});

/**
 * Delivers each channel of a batch by itself: a channel that fails comes again whole and in order, the others are done.
 * (Powertools' FIFO processor works record by record, which would post each message in a frame of its own.)
 * @param event of SQS; the message group is the channel
 * @param failed called for each channel that was not delivered
 */
export async function deliverBatch(
  event: unknown,
  deliver: (channel: string, deliveries: readonly Delivery[]) => Promise<void>,
  failed: (channel: string, error: unknown, records: readonly FailedRecord[]) => void | Promise<void>,
): Promise<SQSBatchResponse> {
  const { Records } = batchSchema.parse(event);
  const channels = Object.entries(Object.groupBy(Records, record => record.attributes.MessageGroupId));
  const failures = await Promise.all(
    channels.map(async ([channel, records = []]) => {
      try {
        await deliver(channel, records.map(deliveryOf));
        return [];
      } catch (error) {
        await failed(channel, error, records.map(failedRecord));
        return records.map(({ messageId }) => ({ itemIdentifier: messageId }));
      }
    }),
  );
  return { batchItemFailures: failures.flat() };
}
