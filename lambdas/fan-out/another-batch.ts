import { randomUUID } from 'node:crypto';
import { DeleteMessageBatchCommand, type Message, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { type BatchHandlers, eachGroup } from './batch.ts';

/** The most that one request gives out, and what an event source takes from a FIFO queue at once ("ReceiveMessage"). */
export const batchSize = 10;

/**
 * Batches that an invocation may work on at once, its own included. A hundred messages of 1 MiB, the largest there are, fit
 * into the least memory that a runbook can give the function.
 */
const mostBatches = 10;

/** How many batches more an invocation takes whose own one is full: more are likely to wait. */
export const furtherBatches = (scale: number, records: number): number =>
  records < batchSize ? 0 : Math.min(mostBatches, Math.floor(scale)) - 1;

/** A record as an event source hands it on. */
function recordOf({ MessageId, ReceiptHandle, Body, Attributes }: Message, eventSourceARN: string) {
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: Attributes,
    eventSourceARN,
  };
}

/**
 * Takes one batch more from a FIFO queue and handles it as one that the event source brought. The queue gives out nothing of
 * a group of which anything is under way, here or elsewhere, so the order within groups stays what it is.
 * @throws Error where the queue refuses; what was received and not deleted comes again when its visibility ends
 */
export async function handleAnotherBatch(
  queue: { readonly url: string; readonly arn: string },
  handlers: BatchHandlers,
  sqs: SQSClient,
): Promise<void> {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: queue.url,
      MaxNumberOfMessages: batchSize,
      MessageSystemAttributeNames: ['SequenceNumber', 'MessageGroupId', 'ApproximateReceiveCount', 'SentTimestamp'],
      // Where the answer is lost, the client's second try gets the same messages, and none is held up for its visibility.
      ReceiveRequestAttemptId: randomUUID(),
    }),
  );
  if (Messages.length === 0) return;
  const { batchItemFailures } = await eachGroup(
    { Records: Messages.map(message => recordOf(message, queue.arn)) },
    handlers,
  );
  const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
  const done = Messages.filter(({ MessageId = '' }) => !failed.has(MessageId));
  if (done.length === 0) return;
  const { Failed = [] } = await sqs.send(
    new DeleteMessageBatchCommand({
      QueueUrl: queue.url,
      Entries: done.map(({ ReceiptHandle }, n) => ({ Id: String(n), ReceiptHandle })),
    }),
  );
  const [first] = Failed;
  if (first) throw new Error(`${Failed.length} of ${done.length} messages not deleted: ${first.Code} ${first.Message}`);
}
