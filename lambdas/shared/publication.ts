import { createHash } from 'node:crypto';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import { channelSchema, cursorOf, maxFrameBytes, messageData, outgoingFrameBytes, Refusal } from './protocol.ts';

/** A message on its way from the publisher to the fan-out. */
export const publicationSchema = z.object({
  channel: channelSchema,
  id: z.string(),
  data: messageData,
  publishedAt: z.number(),
});
export type Publication = z.infer<typeof publicationSchema>;

/** Keeps publications in order for each channel. */
export interface PublicationQueue {
  /** Returns the queue's sequence number of it. A repeated `deduplicationId` within 5 min is accepted and not delivered again. */
  send(publication: Publication, deduplicationId: string): Promise<string>;
}

/** SQS refuses these two, and JSON leaves them as they are ("SendMessage": characters that a message may hold). */
const bodyOf = (publication: Publication): string =>
  JSON.stringify(publication).replace(/[\ufffe\uffff]/g, character => `\\u${character.charCodeAt(0).toString(16)}`);

/**
 * A call has `timeoutMs` in all: a publisher must never hang on the platform. Half of it is the first attempt's, which
 * may be made on a socket that died while the environment was frozen.
 */
export function sqsPublicationQueue(queueUrl: string, timeoutMs: number): PublicationQueue {
  const client = new SQSClient({
    maxAttempts: 2,
    requestHandler: { connectionTimeout: timeoutMs / 2, requestTimeout: timeoutMs / 2, throwOnRequestTimeout: true },
  });
  return {
    async send(publication, deduplicationId) {
      const { SequenceNumber } = await client.send(
        new SendMessageCommand({
          QueueUrl: queueUrl,
          MessageBody: bodyOf(publication),
          MessageGroupId: publication.channel,
          MessageDeduplicationId: deduplicationId,
        }),
        { abortSignal: AbortSignal.timeout(timeoutMs) },
      );
      if (!SequenceNumber) throw new Error('the queue gave no sequence number: it is not a FIFO queue');
      return SequenceNumber;
    },
  };
}

export interface PublishLimits {
  /** Largest `data`, in bytes of its JSON text. */
  readonly maxMessageBytes: number;
}

/**
 * Accepts a message: from here on it is durable and has its place in the channel. A repetition of the same message by
 * the same publisher within 5 min is accepted once; the same id with other data is another message.
 * @param publisher the user, or the connection of an anonymous client
 * @throws Refusal `message_too_large` or `unavailable`
 */
export async function publish(
  publisher: string,
  message: Pick<Publication, 'channel' | 'id' | 'data'>,
  now: number,
  limits: PublishLimits,
  queue: PublicationQueue,
): Promise<{ readonly cursor: string }> {
  const { channel, id, data } = message;
  const publication = { channel, id, data, publishedAt: now };
  const text = JSON.stringify(data);
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.maxMessageBytes) {
    throw new Refusal('message_too_large', `data has ${bytes} bytes, ${limits.maxMessageBytes} are allowed`);
  }
  // The frame that carries it out must fit too, or a message that was accepted could not be delivered.
  const frameBytes = outgoingFrameBytes(publication);
  if (frameBytes > maxFrameBytes) {
    throw new Refusal('message_too_large', `the outgoing frame has ${frameBytes} bytes, ${maxFrameBytes} are allowed`);
  }
  const deduplicationId = createHash('sha256')
    .update(JSON.stringify([publisher, channel, id, text]))
    .digest('hex');
  try {
    return { cursor: cursorOf(await queue.send(publication, deduplicationId)) };
  } catch (error) {
    throw Object.assign(
      new Refusal('unavailable', 'the message was not accepted, send it again with the same id', 1_000),
      {
        cause: error,
      },
    );
  }
}
