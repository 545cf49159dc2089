import { type Cursor, type Message, origin } from './frames.ts';

/** What a subscriber was told that it cannot have. */
export interface Loss {
  readonly channel: string;
  /** The last position that was delivered or stood for. */
  readonly after: Cursor;
  /** Where delivery goes on: what lies between was or may be missed. */
  readonly resumesAt: Cursor;
}

export interface ChannelEvents {
  message(message: Message): void;
  lost(loss: Loss): void;
}

/** Messages that wait for the one before them. What is over this is left to the replay, which brings it again. */
const maxHeld = 1_000;

/**
 * The order of one channel, whatever the connections bring: each message is delivered after the one that it names as
 * `previous`, and once. It outlives connections, and may be fed by two at a time.
 */
export class ChannelOrder {
  readonly channel: string;
  readonly #events: ChannelEvents;
  #cursor: Cursor | undefined;
  /** Messages to come that are known of: up to here. */
  #target: Cursor = origin;
  /** By the cursor of the message that must come before. */
  readonly #held = new Map<Cursor, Message>();
  #ended = false;

  /** @param since the position to go on from; undefined for the one that the first answer gives */
  constructor(channel: string, since: Cursor | undefined, events: ChannelEvents) {
    this.channel = channel;
    this.#cursor = since;
    this.#events = events;
  }

  /** All up to here was delivered, or was never asked for. Undefined until the first answer. */
  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  /** Whether something is known to be missing. */
  get behind(): boolean {
    return this.#held.size > 0 || this.#target > (this.#cursor ?? origin);
  }

  /** Takes a message from any connection, live or replayed, in any order and as often as it comes. */
  receive(message: Message): void {
    if (this.#ended || (this.#cursor !== undefined && message.cursor <= this.#cursor)) return;
    const previous = message.previous ?? origin;
    if (this.#held.size < maxHeld || previous === this.#cursor) this.#held.set(previous, message);
    else if (message.cursor > this.#target) this.#target = message.cursor;
    this.#release();
  }

  /**
   * Takes the answer to a subscription.
   * @param since what was asked for
   * @returns whether the answer is about a position that was left meanwhile, so that the question must be asked anew
   */
  subscribed(since: Cursor | undefined, answer: { readonly cursor: Cursor; readonly recovered: boolean }): boolean {
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
      this.#events.lost({ channel: this.channel, after: cursor, resumesAt: answer.cursor });
      this.#release();
    }
    return false;
  }

  /** Nothing is delivered from here on. */
  end(): void {
    this.#ended = true;
    this.#held.clear();
  }

  #release(): void {
    if (this.#cursor === undefined) return;
    for (let next = this.#held.get(this.#cursor); next; next = this.#held.get(this.#cursor)) {
      this.#held.delete(this.#cursor);
      this.#cursor = next.cursor;
      // Last, since the application may end the subscription here.
      this.#events.message(next);
      if (this.#ended) return;
    }
    for (const [previous, message] of this.#held) {
      if (message.cursor <= this.#cursor) this.#held.delete(previous);
    }
  }
}
