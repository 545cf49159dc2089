export type { Undeliverable } from './assembler.ts';
export type { Backoff } from './backoff.ts';
export type { Loss } from './channel-order.ts';
export { type Clock, systemClock } from './clock.ts';
export type { WebSocketConstructor, WebSocketLike } from './connection.ts';
export {
  Closed,
  ConnectionLost,
  MessagesLost,
  MessageUndeliverable,
  OutcomeUnknown,
  Refused,
  SteadySocketError,
  Superseded,
  Unanswered,
  UnreadableFrame,
} from './errors.ts';
export type { Cursor, ErrorCode, Member, Message, Notice, Presence } from './frames.ts';
export type { State } from './lines.ts';
export type { Accepted, PublishOptions } from './publisher.ts';
export {
  SteadySocket,
  type SteadySocketEvents,
  type SteadySocketOptions,
  type SubscribeOptions,
  type Subscription,
} from './steady-socket.ts';
