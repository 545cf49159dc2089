import { z } from 'zod';

/** The subprotocol that clients offer and `$connect` answers. */
export const subprotocol = 'steadysocket.v1';

/** Close code of a client that leaves because it has, or will have, another connection. */
export const plannedClose = 4000;

/** API Gateway quota: payload of a WebSocket message, in bytes ("Quotas for configuring and running a WebSocket API"). */
export const maxFrameBytes = 128 * 1024;

/**
 * Channel names: they are SQS message group ids, which allow 128 characters of ASCII, without the characters that mean
 * something here (`#` separates the shard, `*` is a pattern) or in a URL's path segment (`?`, `%`, quotes, brackets).
 */
const channel = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9_.:@/+=,~!$&-]+$/, 'letters, digits and _ . : @ / + = , ~ ! $ & - only')
  // Channels are keys of a connection's `channels`, and an object can have no property of this name that is read back.
  .refine(name => name !== '__proto__', 'this name is reserved');

/** Well-formed, because it becomes an attribute in DynamoDB, whose strings are UTF-8. */
const messageId = z
  .string()
  .min(1)
  .max(128)
  .refine(id => id.isWellFormed(), 'well-formed Unicode only');

/**
 * Levels of arrays and objects in `data`: far below the few thousand at which writing it as JSON overflows the stack,
 * so that what was accepted can be sent.
 */
const maxDataDepth = 100;

/** Whether JSON says the same as was read: deep values cannot be written, and `1e999` would come out as null. */
function isSendable(value: unknown, levels: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every(member => isSendable(member, levels - 1));
}

export type MessageData = z.infer<ReturnType<typeof z.json>>;
/** For what comes out of `JSON.parse`. (`z.json()` takes 130 ms for 100 KB of small objects and leaves out `__proto__`.) */
export const messageData = z
  .custom<MessageData>(value => value !== undefined, 'required')
  .refine(value => isSendable(value, maxDataDepth), `at most ${maxDataDepth} levels deep, and finite numbers only`);

const request = z.union([z.string().max(128), z.number()]).optional();
export type RequestId = string | number;

/** Cursors are SQS sequence numbers (128 bit, so up to 39 digits), padded so that they compare by code unit. */
const cursorDigits = 39;
export const cursorSchema = z.string().regex(/^\d{39}$/, 'a cursor is 39 digits');
export const cursorOf = (sequenceNumber: string): string => sequenceNumber.padStart(cursorDigits, '0');
/** The position before a channel's first message. */
export const origin = cursorOf('0');
/** No cursor compares above it. */
export const lastCursor = '9'.repeat(cursorDigits);

/**
 * A part of a message that no frame can carry. Its data is a piece of the whole's JSON text, from `offset` on; `bytes` is
 * the whole's length. Both count UTF-8, so that each part shows by itself that the whole is no larger than allowed.
 */
const part = z.strictObject({ offset: z.int().min(0), bytes: z.int().min(1) });
export type Part = z.infer<typeof part>;
/** `of` is the same for all parts of a message, and for those of no other publisher. */
export const deliveredPart = part.extend({ of: z.string() });
export type DeliveredPart = z.infer<typeof deliveredPart>;

const subscribeFrame = z.strictObject({
  action: z.literal('subscribe'),
  channel,
  since: cursorSchema.optional(),
  /** Of what came after `since` the newest is enough. */
  latest: z.literal(true).optional(),
  request,
});
const unsubscribeFrame = z.strictObject({ action: z.literal('unsubscribe'), channel, request });
const publishFrame = z.strictObject({
  action: z.literal('publish'),
  channel,
  id: messageId,
  data: messageData,
  part: part.optional(),
  request,
});
const heartbeatFrame = z.strictObject({ action: z.literal('heartbeat'), request });
const presenceFrame = z.strictObject({ action: z.literal('presence'), channel, request });

const actionFrame = z.discriminatedUnion('action', [
  subscribeFrame,
  unsubscribeFrame,
  publishFrame,
  heartbeatFrame,
  presenceFrame,
]);
const pingFrame = z.object({ type: z.literal('ping') });

export type ClientFrame = z.infer<typeof actionFrame> | z.infer<typeof pingFrame>;

export const channelSchema = channel;
/** A message as a server posts it over HTTP. */
export const serverMessage = z.strictObject({ id: messageId, data: messageData, part: part.optional() });

/** Why something was refused. `docs/protocol.md` tells what a client does about each. */
export type ErrorCode =
  | 'bad_json'
  | 'bad_frame'
  | 'unknown_action'
  | 'forbidden_channel'
  | 'too_many_channels'
  | 'message_too_large'
  | 'rate_limited'
  | 'throttled'
  | 'presence_degraded'
  | 'token_expired'
  | 'connection_gone'
  | 'unavailable'
  | 'internal';

/** A refusal that is the client's to know: it becomes an error frame. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;
  constructor(code: ErrorCode, message: string, retryAfterMs?: number) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** What a frame says about itself, so that even the refusal of a malformed one can be matched to its request. */
export interface FrameReference {
  readonly id?: string;
  readonly request?: RequestId;
}

/** A frame that could not be taken, with what could still be read of its identity. */
export class FrameRefusal extends Refusal {
  readonly reference: FrameReference;
  constructor(refusal: Refusal, reference: FrameReference) {
    super(refusal.code, refusal.message, refusal.retryAfterMs);
    this.reference = reference;
  }
}

const referenceSchema = z.object({
  id: messageId.optional().catch(undefined),
  request: request.catch(undefined),
});

/** What can be read of a frame's identity, however malformed the rest is. */
export function referenceOf(value: unknown): FrameReference {
  const { id, request } = referenceSchema.catch({ id: undefined, request: undefined }).parse(value);
  return { ...(id !== undefined && { id }), ...(request !== undefined && { request }) };
}

/** The same of a frame that is refused without being decoded. */
export function referenceIn(text: string): FrameReference {
  try {
    return referenceOf(JSON.parse(text));
  } catch {
    // Not JSON, so there is nothing to refer to.
    return {};
  }
}

/** Unknown fields are named in a refusal, and names can be as long as the frame. */
const maxReasonLength = 200;

const actions = actionFrame.options.map(option => option.shape.action.value);

/**
 * Reads a client's frame.
 * @throws FrameRefusal `bad_json`, `unknown_action` or `bad_frame`; the message names the field and what was expected.
 */
export function decodeFrame(text: string): ClientFrame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FrameRefusal(new Refusal('bad_json', 'the frame is not JSON'), {});
  }
  const ping = pingFrame.safeParse(value);
  if (ping.success) return ping.data;
  const reference = referenceOf(value);
  const frame = actionFrame.safeParse(value);
  if (frame.success) return frame.data;
  const issue = frame.error.issues[0];
  const action = z.object({ action: z.string() }).safeParse(value);
  if (action.success && !(actions as string[]).includes(action.data.action)) {
    throw new FrameRefusal(new Refusal('unknown_action', `the action is one of ${actions.join(', ')}`), reference);
  }
  if (issue?.path[0] === 'action') {
    const expected = `action: one of ${actions.join(', ')} was expected, as text`;
    throw new FrameRefusal(new Refusal('bad_frame', expected), reference);
  }
  const where = issue?.path.join('.') || 'frame';
  const reason = `${where}: ${issue?.message ?? 'not understood'}`.slice(0, maxReasonLength).toWellFormed();
  throw new FrameRefusal(new Refusal('bad_frame', reason), reference);
}

/** A message as it is logged and sent. */
export interface Message {
  readonly channel: string;
  readonly cursor: string;
  /** Cursor of the channel's message before this one; null for the first. */
  readonly previous: string | null;
  readonly id: string;
  readonly data: MessageData;
  /** When it was accepted, epoch milliseconds. */
  readonly publishedAt: number;
  /** Where it is a part of a message. */
  readonly part?: DeliveredPart | undefined;
}

export interface Member {
  readonly user?: string;
  /** Epoch milliseconds. */
  readonly connectedAt: number;
  readonly clientVersion?: string;
}

type Echo = { readonly request?: RequestId };

/** What answers a frame that was taken. */
export type Reply =
  | ({ type: 'subscribed'; channel: string; cursor: string; recovered: boolean; more?: true } & Echo)
  | ({ type: 'unsubscribed'; channel: string } & Echo)
  | ({ type: 'accepted'; id: string; cursor: string } & Echo)
  | ({ type: 'heartbeat' } & Echo)
  /** Answers a heartbeat where messages of the channel are to be fetched. */
  | ({ type: 'resync'; channel: string } & Echo)
  | ({ type: 'presence'; channel: string; members: readonly Member[]; more?: true } & Echo)
  | { type: 'pong' };

export type MessageFrame = { readonly type: 'message'; readonly replay?: true } & Message;

/** What a notice asks of a client; `system` is a text for its user. */
export type NoticeKind = 'server_shutdown' | 'reconnect' | 'refresh' | 'system';
export interface Notice {
  readonly type: 'notice';
  readonly notice: NoticeKind;
  /** Over how long clients spread what they do, milliseconds. */
  readonly withinMs?: number;
  readonly message?: string;
}

export type ServerFrame =
  | Reply
  | MessageFrame
  | { type: 'messages'; messages: readonly MessageFrame[] }
  | { type: 'undeliverable'; channel: string; cursor: string; previous: string | null }
  | Notice
  | { type: 'error'; code: ErrorCode; message: string; id?: string; request?: RequestId; retryAfterMs?: number };

export function errorFrame(refusal: Refusal, reference: FrameReference): ServerFrame {
  return {
    type: 'error',
    code: refusal.code,
    message: refusal.message,
    ...reference,
    ...(refusal.retryAfterMs !== undefined && { retryAfterMs: refusal.retryAfterMs }),
  };
}

export const encodeFrame = (frame: ServerFrame): string => JSON.stringify(frame);

/** Size of the frame that will carry a message at most: both cursors and the replay mark included. */
export function outgoingFrameBytes(message: Pick<Message, 'channel' | 'id' | 'data' | 'publishedAt' | 'part'>): number {
  return Buffer.byteLength(
    encodeFrame({ type: 'message', ...message, cursor: origin, previous: origin, replay: true }),
  );
}
