import type { Undeliverable } from './assembler.ts';
import type { Loss } from './channel-order.ts';
import type { ErrorCode } from './frames.ts';

/** What all errors of this library are. */
export class SteadySocketError extends Error {
  override readonly name: string = 'SteadySocketError';
}

/** The service refused, and will again: `code` says why (`docs/protocol.md`, "Errors"). */
export class Refused extends SteadySocketError {
  override readonly name = 'Refused';
  readonly code: ErrorCode;
  readonly channel: string;
  constructor(code: ErrorCode, channel: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
    this.channel = channel;
  }
}

/** A publication was sent and neither accepted nor refused: it may have reached subscribers or not. */
export class OutcomeUnknown extends SteadySocketError {
  override readonly name = 'OutcomeUnknown';
  /** The publication's id. */
  readonly id: string;
  readonly channel: string;
  constructor(id: string, channel: string) {
    super('sent, but neither accepted nor refused');
    this.id = id;
    this.channel = channel;
  }
}

/** A publication with `latestOnly` was not accepted before a newer one of its channel took its place. */
export class Superseded extends SteadySocketError {
  override readonly name = 'Superseded';
  /** The publication's id. */
  readonly id: string;
  readonly channel: string;
  constructor(id: string, channel: string) {
    super('a newer one took its place');
    this.id = id;
    this.channel = channel;
  }
}

/** Messages of a channel cannot be had, and its subscriber has no `onLost` to be told so. */
export class MessagesLost extends SteadySocketError {
  override readonly name = 'MessagesLost';
  readonly loss: Loss;
  constructor(loss: Loss) {
    super(`${loss.channel}: messages after ${loss.after} are lost`);
    this.loss = loss;
  }
}

/** A message of a channel cannot be had, and its subscriber has no `onUndeliverable` to be told so. */
export class MessageUndeliverable extends SteadySocketError {
  override readonly name = 'MessageUndeliverable';
  readonly undeliverable: Undeliverable;
  constructor(undeliverable: Undeliverable) {
    super(`${undeliverable.channel}: the message at ${undeliverable.cursor} is ${undeliverable.reason}`);
    this.undeliverable = undeliverable;
  }
}

/** The socket was closed by the application before this was sent or answered. */
export class Closed extends SteadySocketError {
  override readonly name = 'Closed';
  constructor() {
    super('the socket is closed');
  }
}

/** A question that changes nothing was not answered in time. */
export class Unanswered extends SteadySocketError {
  override readonly name = 'Unanswered';
  constructor() {
    super('not answered in time');
  }
}

/** A connection failed or ended; the next attempt follows by itself. `cause` is what `token` threw, if it did. */
export class ConnectionLost extends SteadySocketError {
  override readonly name = 'ConnectionLost';
}

/** The server sent what is no frame. It was ignored. */
export class UnreadableFrame extends SteadySocketError {
  override readonly name = 'UnreadableFrame';
}
