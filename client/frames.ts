/** The wire protocol as a client sees it: `docs/protocol.md`. Of the service's own code only types are taken, which cost nothing. */
import type { ErrorCode } from '../lambdas/shared/protocol.ts';

export type { ErrorCode };

/** The subprotocol that is offered, beside the token. */
export const subprotocol = 'steadysocket.v1';
/** API Gateway's limit of one WebSocket frame, in bytes ("Quotas for configuring and running a WebSocket API"). */
export const maxFrameBytes = 32 * 1024;
/** The position before a channel's first message. */
export const origin = '0'.repeat(39);

/** A position in a channel. Later ones compare greater by code unit. */
export type Cursor = string;

/** A message as it is delivered. */
export interface Message {
  readonly channel: string;
  readonly cursor: Cursor;
  /** Cursor of the channel's message before this one; null for the first. */
  readonly previous: Cursor | null;
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

export type ClientFrame =
  | { action: 'subscribe'; channel: string; since?: Cursor; request: number }
  | { action: 'unsubscribe'; channel: string; request: number }
  | { action: 'presence'; channel: string; request: number }
  | { action: 'publish'; channel: string; id: string; data: unknown; request: number }
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
export type MessageFrame = Message & { readonly type: 'message' };
export type ServerFrame =
  | SubscribedFrame
  | ErrorFrame
  | AcceptedFrame
  | PresenceFrame
  | MessageFrame
  | (Answer & { readonly type: 'unsubscribed'; readonly channel: string })
  | { readonly type: 'messages'; readonly messages: readonly MessageFrame[] }
  | { readonly type: 'heartbeat' | 'pong' }
  | { readonly type: 'notice'; readonly notice: string }
  | { readonly type: 'resync'; readonly channel: string };

/**
 * Reads a frame of the server. What API Gateway answers by itself has no `type` and is read as `internal` without a
 * request: it does not say which frame it is about.
 * @throws SyntaxError where it is not JSON, TypeError where it is no object
 */
export function readFrame(text: string): ServerFrame {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new TypeError('a frame is a JSON object');
  if ('type' in value) return value as ServerFrame;
  return { type: 'error', code: 'internal', message: 'message' in value ? String(value.message) : 'no answer' };
}
