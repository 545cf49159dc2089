import { createHash } from 'node:crypto';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import {
  channelSchema,
  cursorOf,
  deliveredPart,
  type MessageData,
  maxFrameBytes,
  messageData,
  outgoingFrameBytes,
  type Part,
  Refusal,
} from './protocol.ts';

/** A message on its way from the publisher to the fan-out. */
export const publicationSchema = z.object({
  channel: channelSchema,
  id: z.string(),
  data: messageData,
  publishedAt: z.number(),
  part: deliveredPart.optional(),
});
export type Publication = z.infer<typeof publicationSchema>;

/** Keeps publications in order for each channel. */
export interface PublicationQueue {
  /**
   * Returns the queue's sequence number of it. A repeated `deduplicationId` within 5 min is accepted and not delivered again.
   * `signal` gives the call up.
   */
  send(publication: Publication, deduplicationId: string, signal?: AbortSignal): Promise<string>;
}

/** Publications over sockets of its own. */
export interface SocketPublicationQueue extends PublicationQueue {
  /** Ends the sockets. */
  end(): void;
}

/** SQS refuses these two, and JSON leaves them as they are ("SendMessage": characters that a message may hold). */
const bodyOf = (publication: Publication): string =>
  JSON.stringify(publication).replace(/[\ufffe\uffff]/g, character => `\\u${character.charCodeAt(0).toString(16)}`);

/**
 * A call has `timeoutMs` in all: a publisher must never hang on the platform. Half of it is the first attempt's, which
 * may be made on a socket that died while the environment was frozen.
 */
export function sqsPublicationQueue(queueUrl: string, timeoutMs: number): SocketPublicationQueue {
  const client = new SQSClient({
    maxAttempts: 2,
    requestHandler: { connectionTimeout: timeoutMs / 2, requestTimeout: timeoutMs / 2, throwOnRequestTimeout: true },
  });
  return {
    async send(publication, deduplicationId, signal) {
      const timeout = AbortSignal.timeout(timeoutMs);
      const { SequenceNumber } = await client.send(
        new SendMessageCommand({
          QueueUrl: queueUrl,
          MessageBody: bodyOf(publication),
          MessageGroupId: publication.channel,
          MessageDeduplicationId: deduplicationId,
        }),
        { abortSignal: signal ? AbortSignal.any([signal, timeout]) : timeout },
      );
      if (!SequenceNumber) throw new Error('the queue gave no sequence number: it is not a FIFO queue');
      return SequenceNumber;
    },
    end: () => client.destroy(),
  };
}

export interface PublishLimits {
  /** Largest `data`, in bytes of its JSON text; of the whole where it comes in parts. */
  readonly maxMessageBytes: number;
}

/** What a publisher sends: a message, or a part of one. */
export type Submission = Pick<Publication, 'channel' | 'id' | 'data'> & { readonly part?: Part | undefined };

const sha256 = (...fields: readonly (string | number)[]) => createHash('sha256').update(JSON.stringify(fields));

function checkSize(text: string, data: MessageData, part: Part | undefined, { maxMessageBytes }: PublishLimits): void {
  const bytes = part?.bytes ?? Buffer.byteLength(text);
  if (bytes > maxMessageBytes) {
    throw new Refusal('message_too_large', `data has ${bytes} bytes, ${maxMessageBytes} are allowed`);
  }
  if (!part) return;
  if (typeof data !== 'string' || data === '') throw new Refusal('bad_frame', 'data: a part is a piece of text');
  // A lone surrogate is three bytes here and would be others in the whole: no part may be cut there.
  if (!data.isWellFormed()) throw new Refusal('bad_frame', 'data: a part is well-formed Unicode');
  if (part.offset + Buffer.byteLength(data) > bytes) throw new Refusal('bad_frame', 'part: it ends after the whole');
}

/** A message that may be published, with what tells its repetition. */
export interface Admitted {
  readonly publication: Publication;
  readonly deduplicationId: string;
}

/**
 * Checks a message before it is published.
 * @param publisher the user, or the connection of an anonymous client
 * @throws Refusal `message_too_large`, or `bad_frame` for a part that can be none
 */
export function admit(publisher: string, message: Submission, now: number, limits: PublishLimits): Admitted {
  const { channel, id, data, part } = message;
  const text = JSON.stringify(data);
  checkSize(text, data, part, limits);
  const publication: Publication = {
    channel,
    id,
    data,
    publishedAt: now,
    // 128 bits of it are enough to tell messages of a channel apart, and every part carries them.
    ...(part && { part: { ...part, of: sha256(publisher, channel, id).digest('base64url').slice(0, 22) } }),
  };
  // The frame that carries it out must fit too, or a message that was accepted could not be delivered.
  const frameBytes = outgoingFrameBytes(publication);
  if (frameBytes > maxFrameBytes) {
    throw new Refusal('message_too_large', `the outgoing frame has ${frameBytes} bytes, ${maxFrameBytes} are allowed`);
  }
  // Parts can be alike.
  const place = part ? [part.offset, part.bytes] : [];
  return { publication, deduplicationId: sha256(publisher, channel, id, text, ...place).digest('hex') };
}

/** A message that was not accepted, or of which nobody knows. */
export const unavailable = (cause: unknown): Refusal =>
  Object.assign(new Refusal('unavailable', 'the message was not accepted, send it again with the same id', 1_000), {
    cause,
  });

/**
 * Accepts a message: from here on it is durable and has its place in the channel. A repetition of the same message by
 * the same publisher within 5 min is accepted once; the same id with other data is another message.
 * @param signal gives the attempt up
 * @returns its cursor
 * @throws Refusal `unavailable`
 */
export async function enqueue(admitted: Admitted, queue: PublicationQueue, signal?: AbortSignal): Promise<string> {
  const { publication, deduplicationId } = admitted;
  try {
    signal?.throwIfAborted();
    return cursorOf(await queue.send(publication, deduplicationId, signal));
  } catch (error) {
    throw unavailable(error);
  }
}

/**
 * Checks and accepts a message.
 * @throws Refusal as `admit` and `enqueue`
 */
export async function publish(
  publisher: string,
  message: Submission,
  now: number,
  limits: PublishLimits,
  queue: PublicationQueue,
): Promise<{ readonly cursor: string }> {
  return { cursor: await enqueue(admit(publisher, message, now, limits), queue) };
}
