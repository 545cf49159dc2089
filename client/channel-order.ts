import type { Clock } from './clock.ts';
import { type Cursor, origin, type PlacedFrame, type SubscribedFrame } from './frames.ts';
import { Inbox, type InboxEvents, readKept } from './inbox.ts';
import type { Order } from './order.ts';

/** What a subscriber was told that it cannot have. */
export interface Loss {
  readonly channel: string;
  /** The last position that was delivered or stood for. */
  readonly after: Cursor;
  /** Where delivery goes on: what lies between was or may be missed. */
  readonly resumesAt: Cursor;
}

export interface ChannelEvents extends InboxEvents {
  lost(loss: Loss): void;
}

/** Messages that wait for the one before them. What is over this is left to the replay, which brings it again. */
const maxHeld = 1_000;

/**
 * The order of one channel, whatever the connections bring: each message is delivered after the one that it names as
 * `previous`, and once.
 */
export class ChannelOrder implements Order {
  readonly latestOnly = false;
  readonly channel: string;
  readonly #events: ChannelEvents;
  readonly #inbox: Inbox;
  #cursor: Cursor | undefined;
  /** Messages to come that are known of: up to here. */
  #target: Cursor = origin;
  /** By the cursor of the message that must come before. */
  readonly #held = new Map<Cursor, PlacedFrame>();
  #ended = false;

  /** @param since the position that the application kept; undefined for the one that the first answer gives */
  constructor(channel: string, since: Cursor | undefined, clock: Pick<Clock, 'now'>, events: ChannelEvents) {
    this.channel = channel;
    this.#events = events;
    const kept = since === undefined ? undefined : readKept(since);
    this.#cursor = kept?.from;
    this.#inbox = new Inbox(kept?.deliveredTo ?? '', clock, events);
  }

  /** All up to here was taken, or was never asked for. */
  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  get kept(): Cursor | undefined {
    return this.#cursor === undefined ? undefined : this.#inbox.kept(this.#cursor);
  }

  get behind(): boolean {
    return this.#held.size > 0 || this.#target > (this.#cursor ?? origin);
  }

  receive(message: PlacedFrame): void {
    if (this.#ended || (this.#cursor !== undefined && message.cursor <= this.#cursor)) return;
    const previous = message.previous ?? origin;
    if (this.#held.size < maxHeld || previous === this.#cursor) this.#held.set(previous, message);
    else if (message.cursor > this.#target) this.#target = message.cursor;
    this.#release();
  }

  subscribed(since: Cursor | undefined, answer: Pick<SubscribedFrame, 'cursor' | 'recovered'>): boolean {
    const cursor = this.#cursor;
    if (cursor === undefined) {
      this.#cursor = answer.cursor;
      this.#release();
    } else if (answer.recovered) {
      if (answer.cursor > this.#target) this.#target = answer.cursor;
    } else if (since !== cursor) return answer.cursor > cursor;
    else {
      // The service knows no such position, and all of its own are before it: its log was begun anew.
      if (answer.cursor < cursor) this.#target = origin;
      this.#cursor = answer.cursor;
      this.#inbox.interrupted(this.channel, answer.cursor);
      if (this.#ended) return false;
      this.#events.lost({ channel: this.channel, after: cursor, resumesAt: answer.cursor });
      this.#release();
    }
    return false;
  }

  end(): void {
    this.#ended = true;
    this.#inbox.end();
    this.#held.clear();
  }

  #release(): void {
    if (this.#cursor === undefined) return;
    for (let next = this.#held.get(this.#cursor); next; next = this.#held.get(this.#cursor)) {
      this.#held.delete(this.#cursor);
      this.#cursor = next.cursor;
      // Last, since the application may end the subscription here.
      this.#inbox.take(next);
      if (this.#ended) return;
    }
    for (const [previous, message] of this.#held) {
      if (message.cursor <= this.#cursor) this.#held.delete(previous);
    }
  }
}
