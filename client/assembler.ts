import type { Clock } from './clock.ts';
import { type Cursor, type Message, type MessageFrame, origin } from './frames.ts';

/** A message that was published and cannot be had. */
export interface Undeliverable {
  readonly channel: string;
  /** Undefined where the service could not tell. */
  readonly id: string | undefined;
  /** Where in the channel it shows. */
  readonly cursor: Cursor;
  /**
   * `undeliverable`: the service could not deliver it. `incomplete`: parts of it were published before the subscription
   * began, or were never published. `unreadable`: the parts make no JSON.
   */
  readonly reason: 'undeliverable' | 'incomplete' | 'unreadable';
}

/**
 * What is published so long after the first part of a message comes after all of its parts: its publisher tries for 4 min,
 * and a request ends after half a minute (`docs/protocol.md`, "Messages in parts").
 */
const partsApartMs = 5 * 60_000;
/** A position to keep does not wait longer for a message whose parts have stopped coming. */
const keptMs = 10 * 60_000;
/** Characters of open messages at most; what is begun beyond that makes the oldest give way. */
const maxOpenCharacters = 64 * 1024 * 1024;

interface Whole {
  readonly id: string;
  /** The position before its first part. */
  readonly before: Cursor;
  readonly publishedAt: number;
  readonly bytes: number;
  heardAt: number;
  /** How far it is here, in bytes. */
  have: number;
  /** Undefined where it was delivered or given up: what still comes of it is a repetition. */
  pieces: string[] | undefined;
}

/** Puts the messages of one channel together that come in parts. Takes them in the channel's order, each once. */
export class Assembler {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #undeliverable: (undeliverable: Undeliverable) => void;
  /** By what all parts of a message share, the oldest first. */
  readonly #wholes = new Map<string, Whole>();

  constructor(clock: Pick<Clock, 'now'>, undeliverable: (undeliverable: Undeliverable) => void) {
    this.#clock = clock;
    this.#undeliverable = undeliverable;
  }

  /** The position before the first part of the oldest message that is not complete yet. */
  get before(): Cursor | undefined {
    const now = this.#clock.now();
    for (const { pieces, heardAt, before } of this.#wholes.values()) {
      if (pieces && now - heardAt < keptMs) return before;
    }
    return undefined;
  }

  /** @returns the message that is complete with this, if one is */
  take(frame: MessageFrame): Message | undefined {
    this.#giveUpOld(frame);
    const { part, data, ...message } = frame;
    if (!part) return frame;
    let whole = this.#wholes.get(part.of);
    const repeated = whole?.pieces && whole.bytes === part.bytes && whole.pieces[0] === data;
    if (!whole || (part.offset === 0 && !repeated)) {
      // What has the same id is another message.
      if (whole) this.#giveUp(part.of, whole, frame);
      const { id, publishedAt, previous } = frame;
      whole = { id, before: previous ?? origin, publishedAt, bytes: part.bytes, heardAt: 0, have: 0, pieces: [] };
      this.#wholes.set(part.of, whole);
      this.#makeRoom(frame);
    }
    if (!whole.pieces) return undefined;
    const text = String(data);
    const end = part.offset + new TextEncoder().encode(text).length;
    whole.heardAt = this.#clock.now();
    if (end <= whole.have) return undefined;
    if (part.offset !== whole.have || part.bytes !== whole.bytes || end > whole.bytes) {
      this.#end(whole, frame, 'incomplete');
      return undefined;
    }
    whole.pieces.push(text);
    whole.have = end;
    if (end < whole.bytes) return undefined;
    const json = whole.pieces.join('');
    whole.pieces = undefined;
    whole.have = 0;
    try {
      return { ...message, data: JSON.parse(json) };
    } catch {
      this.#end(whole, frame, 'unreadable');
      return undefined;
    }
  }

  /** The service's log was left or begun anew: what is open cannot be continued. */
  giveUpAll(at: Cursor, channel: string): void {
    for (const whole of this.#wholes.values()) this.#end(whole, { cursor: at, channel }, 'incomplete');
  }

  #giveUpOld(frame: MessageFrame): void {
    for (const [of, whole] of this.#wholes) {
      if (frame.publishedAt - whole.publishedAt < partsApartMs) break;
      this.#giveUp(of, whole, frame);
    }
  }

  #makeRoom(frame: MessageFrame): void {
    let open = 0;
    for (const { have } of this.#wholes.values()) open += have;
    for (const [of, whole] of this.#wholes) {
      if (open <= maxOpenCharacters) break;
      open -= whole.have;
      this.#giveUp(of, whole, frame);
    }
  }

  #giveUp(of: string, whole: Whole, at: Pick<MessageFrame, 'channel' | 'cursor'>): void {
    this.#wholes.delete(of);
    this.#end(whole, at, 'incomplete');
  }

  #end(whole: Whole, at: Pick<MessageFrame, 'channel' | 'cursor'>, reason: Undeliverable['reason']): void {
    if (reason === 'incomplete' && !whole.pieces) return;
    whole.pieces = undefined;
    whole.have = 0;
    this.#undeliverable({ channel: at.channel, id: whole.id, cursor: at.cursor, reason });
  }
}
