/** The wire protocol as a client sees it: `docs/protocol.md`. Of the service's own code only types are taken, which cost nothing. */
import type { DeliveredPart, ErrorCode, Part } from '../lambdas/shared/protocol.ts';

export type { ErrorCode, Part };

/** The subprotocol that is offered, beside the token. */
export const subprotocol = 'steadysocket.v1';
/** Close code of a connection that another has taken the place of: nobody left. */
export const plannedClose = 4000;
/** API Gateway's limit of one WebSocket frame, in bytes ("Quotas for configuring and running a WebSocket API"). */
export const maxFrameBytes = 32 * 1024;
/** The position before a channel's first message. */
export const origin = '0'.repeat(39);

/** A position in a channel. Later ones compare greater by code unit. */
export type Cursor = string;

/** A message as it is delivered. */
export interface Message {
  readonly channel: string;
  /** Its place in the channel; of a message in parts, that of the last one. */
  readonly cursor: Cursor;
  /** Chosen by its publisher. */
  readonly id: string;
  /** The JSON value that was published. */
  readonly data: unknown;
  /** When it was accepted, epoch milliseconds. */
  readonly publishedAt: number;
  /** Whether it was missed and comes from the log. */
  readonly replay?: true;
}

/** Somebody who is subscribed to a channel. */
export interface Member {
  readonly user?: string;
  /** Epoch milliseconds. */
  readonly connectedAt: number;
  readonly clientVersion?: string;
}

export interface Presence {
  /** Oldest connection first. */
  readonly members: readonly Member[];
  /** Whether there are more than the answer could hold. */
  readonly more: boolean;
}

/** What the service tells all its clients. */
export interface Notice {
  /** `server_shutdown`, `reconnect` and `refresh`, which the library obeys; `system`; and what services to come tell. */
  readonly notice: string;
  /** A text for the user. */
  readonly message?: string;
}

export type ClientFrame =
  | { action: 'subscribe'; channel: string; since?: Cursor; latest?: true; request: number }
  | { action: 'unsubscribe'; channel: string; request: number }
  | { action: 'presence'; channel: string; request: number }
  | { action: 'publish'; channel: string; id: string; data: unknown; part?: Part; request: number }
  | { action: 'heartbeat' };

interface Answer {
  readonly request?: string | number;
}
export interface SubscribedFrame extends Answer {
  readonly type: 'subscribed';
  readonly channel: string;
  readonly cursor: Cursor;
  readonly recovered: boolean;
  readonly more?: true;
}
export interface ErrorFrame extends Answer {
  readonly type: 'error';
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs?: number;
}
export interface AcceptedFrame extends Answer {
  readonly type: 'accepted';
  readonly cursor: Cursor;
}
export interface PresenceFrame extends Answer {
  readonly type: 'presence';
  readonly members: readonly Member[];
  readonly more?: true;
}
/** Takes a place in a channel: what has one is linked to what was before it. */
interface Placed {
  readonly channel: string;
  readonly cursor: Cursor;
  /** Cursor of the channel's message before this one; null for the first. */
  readonly previous: Cursor | null;
}
export type MessageFrame = Message & Placed & { readonly type: 'message'; readonly part?: DeliveredPart };
/** In the place of a message that the service could not deliver. */
export type UndeliverableFrame = Placed & { readonly type: 'undeliverable' };
export type PlacedFrame = MessageFrame | UndeliverableFrame;
export type ServerFrame =
  | SubscribedFrame
  | ErrorFrame
  | AcceptedFrame
  | PresenceFrame
  | PlacedFrame
  | (Answer & { readonly type: 'unsubscribed'; readonly channel: string })
  | { readonly type: 'messages'; readonly messages: readonly PlacedFrame[] }
  | { readonly type: 'heartbeat' | 'pong' }
  | (Notice & { readonly type: 'notice'; readonly withinMs?: number })
  | { readonly type: 'resync'; readonly channel: string };

const isText = (value: unknown): boolean => typeof value === 'string';

/** What is counted on further in: whatever else is amiss shows to the application only. */
function isSound(frame: Record<string, unknown>): boolean {
  switch (frame.type) {
    case 'message':
    case 'undeliverable':
      return isText(frame.channel) && isText(frame.cursor) && (isText(frame.previous) || frame.previous === null);
    case 'messages':
      return Array.isArray(frame.messages) && frame.messages.every(isSound);
    case 'subscribed':
      return isText(frame.cursor);
    default:
      return true;
  }
}

/**
 * Reads a frame of the server. What API Gateway answers by itself has no `type` and is read as `internal` without a
 * request: it does not say which frame it is about.
 * @throws SyntaxError where it is not JSON, TypeError where it is no frame
 */
export function readFrame(text: string): ServerFrame {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new TypeError('a frame is a JSON object');
  if (!('type' in value)) {
    return { type: 'error', code: 'internal', message: 'message' in value ? String(value.message) : 'no answer' };
  }
  if (!isSound(value as Record<string, unknown>)) throw new TypeError('a field is missing');
  return value as ServerFrame;
}
