export type { Backoff } from './backoff.ts';
export type { Loss } from './channel-order.ts';
export type { Clock } from './clock.ts';
export type { WebSocketConstructor, WebSocketLike } from './connection.ts';
export {
  Closed,
  ConnectionLost,
  OutcomeUnknown,
  Refused,
  SteadySocketError,
  Unanswered,
  UnreadableFrame,
} from './errors.ts';
export type { Cursor, ErrorCode, Member, Message, Presence } from './frames.ts';
export type { Accepted } from './publisher.ts';
export {
  type State,
  SteadySocket,
  type SteadySocketEvents,
  type SteadySocketOptions,
  type SubscribeOptions,
  type Subscription,
} from './steady-socket.ts';
