import { Assembler, type Undeliverable } from './assembler.ts';
import type { Clock } from './clock.ts';
import type { Cursor, Message, PlacedFrame } from './frames.ts';

/** Two positions in the text that an application keeps: where to go on from, and what was delivered up to. */
const separator = '~';

/** A position as an application keeps it. */
export interface Kept {
  readonly from: Cursor;
  /** What is not after this was delivered already. */
  readonly deliveredTo: Cursor;
}

export function readKept(position: Cursor): Kept {
  const [from = '', deliveredTo = from] = position.split(separator);
  return { from, deliveredTo };
}

export interface InboxEvents {
  message(message: Message): void;
  undeliverable(undeliverable: Undeliverable): void;
}

/** What the application is given of a channel: whole messages, and none that it had before it kept its position. */
export class Inbox {
  readonly #assembler: Assembler;
  readonly #events: InboxEvents;
  #deliveredTo: Cursor;
  #untold: Undeliverable[] = [];
  #ended = false;

  /** @param deliveredTo the application has everything up to here; empty where it has nothing */
  constructor(deliveredTo: Cursor, clock: Pick<Clock, 'now'>, events: InboxEvents) {
    this.#deliveredTo = deliveredTo;
    this.#events = events;
    this.#assembler = new Assembler(clock, undeliverable => this.#untold.push(undeliverable));
  }

  /** Takes what has a place, in the channel's order, each once. */
  take(frame: PlacedFrame): void {
    let message: Message | undefined;
    if (frame.type === 'message') message = this.#assembler.take(frame);
    else {
      const { channel, cursor } = frame;
      this.#untold.push({ channel, id: undefined, cursor, reason: 'undeliverable' });
    }
    // First: the position that the application may keep when it is told of another is behind this one already.
    if (message && message.cursor > this.#deliveredTo) this.#events.message(message);
    this.#tell();
  }

  /** What comes next does not follow what came last. */
  interrupted(channel: string, at: Cursor): void {
    this.#assembler.giveUpAll(at, channel);
    this.#tell();
    this.#deliveredTo = '';
  }

  /** Nothing is delivered from here on. */
  end(): void {
    this.#ended = true;
  }

  /**
   * The position to keep: from before the parts that would else be missed.
   * @param cursor all up to here was taken
   */
  kept(cursor: Cursor): Cursor {
    const from = this.#assembler.before ?? cursor;
    const deliveredTo = cursor > this.#deliveredTo ? cursor : this.#deliveredTo;
    return from === deliveredTo ? from : from + separator + deliveredTo;
  }

  #tell(): void {
    for (const undeliverable of this.#untold.splice(0)) {
      if (!this.#ended && undeliverable.cursor > this.#deliveredTo) this.#events.undeliverable(undeliverable);
    }
  }
}
