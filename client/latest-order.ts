import type { Clock } from './clock.ts';
import type { Cursor, Message, PlacedFrame, SubscribedFrame } from './frames.ts';
import { Inbox } from './inbox.ts';
import type { Order } from './order.ts';

/**
 * The newest of one channel: each message that is newer than the last one, without waiting for what was between, and of
 * a replay the last.
 */
export class LatestOrder implements Order {
  readonly latestOnly = true;
  readonly behind = false;
  readonly #inbox: Inbox;
  readonly #message: (message: Message) => void;
  #cursor: Cursor | undefined;
  /** The newest of a replay that goes on. */
  #replayed: Message | undefined;
  #ended = false;

  constructor(since: Cursor | undefined, clock: Pick<Clock, 'now'>, message: (message: Message) => void) {
    this.#cursor = since;
    this.#message = message;
    // Skipping is no loss here, so what is not complete is not told of.
    this.#inbox = new Inbox('', clock, { message: whole => this.#take(whole), undeliverable: () => {} });
  }

  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  get kept(): Cursor | undefined {
    return this.#cursor;
  }

  receive(frame: PlacedFrame): void {
    if (this.#ended || (this.#cursor !== undefined && frame.cursor <= this.#cursor)) return;
    this.#cursor = frame.cursor;
    this.#inbox.take(frame);
  }

  subscribed(since: Cursor | undefined, { cursor, more }: Pick<SubscribedFrame, 'cursor' | 'more'>): boolean {
    // A position before the one that was asked for: the service's log was begun anew.
    const anew = since !== undefined && since === this.#cursor && cursor < since;
    if (anew || this.#cursor === undefined || cursor > this.#cursor) this.#cursor = cursor;
    const message = this.#replayed;
    if (message && !more) {
      this.#replayed = undefined;
      if (!this.#ended) this.#message(message);
    }
    return false;
  }

  end(): void {
    this.#ended = true;
  }

  #take(message: Message): void {
    this.#replayed = message.replay ? message : undefined;
    if (!message.replay) this.#message(message);
  }
}
