import { z } from 'zod';
import { channelSchema, Refusal, serverMessage } from '../shared/protocol.ts';
import type { Submission } from '../shared/publication.ts';

/** As many as SQS takes at once, so that a request ends within its second ("SendMessageBatch": 10). */
const maxMessages = 10;
/** "SendMessageBatch": 1 MiB for the sum of a batch. */
const maxBodyBytes = 1024 * 1024;

const messagesSchema = z.strictObject({
  messages: z.array(serverMessage).min(1, 'one message at least').max(maxMessages, `${maxMessages} messages at most`),
});
const hasMessages = z.looseObject({ messages: z.unknown().refine(messages => messages !== undefined) });

/** What a server asks for. `single`: it sent a message, not a list of them, and is answered alike. */
export interface PublishRequest {
  readonly messages: readonly Submission[];
  readonly single: boolean;
}

function decode<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Refusal('bad_frame', `${[name, ...(issue?.path ?? [])].join('.')}: ${issue?.message}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal('bad_json', 'the body is not JSON');
  }
}

/**
 * Reads the path and body of a request.
 * @throws Refusal `bad_json`, `bad_frame` that names the field, `message_too_large`
 */
export function readRequest(channelName: string, body: string): PublishRequest {
  const bytes = Buffer.byteLength(body);
  if (bytes > maxBodyBytes) {
    throw new Refusal('message_too_large', `the body has ${bytes} bytes, ${maxBodyBytes} are allowed`);
  }
  const channel = decode(channelSchema, channelName, 'channel');
  const value = parseJson(body);
  const single = !hasMessages.safeParse(value).success;
  const messages = single ? [decode(serverMessage, value, 'body')] : decode(messagesSchema, value, 'body').messages;
  return { messages: messages.map(message => ({ channel, ...message })), single };
}
