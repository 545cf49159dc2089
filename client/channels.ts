import { Attachment, type AttachmentOptions } from './attachment.ts';
import type { Connection } from './connection.ts';
import type { ErrorFrame, PlacedFrame, ServerFrame } from './frames.ts';
import type { Order } from './order.ts';

export interface ChannelsEvents {
  nextRequest(): number;
  /** What can be used now. */
  open(): readonly Connection[];
  /** A channel has all that was missed on a connection, or none is asked for any more: that connection may be ready. */
  settled(): void;
}

interface Subscribed {
  readonly order: Order;
  readonly refused: (error: ErrorFrame) => void;
}

/** The channels that are subscribed, and how far each is on each connection. */
export class Channels {
  readonly #options: AttachmentOptions;
  readonly #events: ChannelsEvents;
  readonly #subscribed = new Map<string, Subscribed>();
  readonly #attachments = new Map<Connection, Map<string, Attachment>>();

  constructor(options: AttachmentOptions, events: ChannelsEvents) {
    this.#options = options;
    this.#events = events;
  }

  has(channel: string): boolean {
    return this.#subscribed.has(channel);
  }

  subscribe(channel: string, order: Order, refused: (error: ErrorFrame) => void): void {
    this.#subscribed.set(channel, { order, refused });
    for (const connection of this.#events.open()) this.#attachment(connection, channel).join(order);
  }

  /** Ends what this order was subscribed for, if it still is. */
  unsubscribe(channel: string, order: Order): void {
    if (this.#subscribed.get(channel)?.order !== order) return;
    this.#leave(channel);
    this.#events.settled();
  }

  /** Resumes all channels on a connection. */
  opened(connection: Connection): void {
    for (const [channel, { order }] of this.#subscribed) this.#attachment(connection, channel).join(order);
  }

  isReady(connection: Connection): boolean {
    const attachments = this.#attachments.get(connection);
    for (const channel of this.#subscribed.keys()) if (!attachments?.get(channel)?.settled) return false;
    return true;
  }

  discarded(connection: Connection): void {
    for (const attachment of this.#of(connection)) attachment.end();
    this.#attachments.delete(connection);
  }

  receive(frame: PlacedFrame): void {
    const { channel } = frame;
    this.#subscribed.get(channel)?.order.receive(frame);
    for (const connection of this.#events.open()) this.#attachments.get(connection)?.get(channel)?.watch();
  }

  /** Asks for what comes after the last position. */
  resync(connection: Connection, channel: string): void {
    this.#attachments.get(connection)?.get(channel)?.ask();
  }

  /** @returns whether the frame answers what a channel asked */
  answered(connection: Connection, frame: ServerFrame): boolean {
    for (const attachment of this.#of(connection)) if (attachment.answered(frame)) return true;
    return false;
  }

  /** An error that does not say what it is about may be about any. */
  failedPerhaps(connection: Connection, error: ErrorFrame): void {
    for (const attachment of this.#of(connection)) attachment.failedPerhaps(error);
  }

  close(): void {
    for (const { order } of this.#subscribed.values()) order.end();
    this.#subscribed.clear();
  }

  /** A copy, since an answer can add and remove some. */
  #of(connection: Connection): readonly Attachment[] {
    return [...(this.#attachments.get(connection)?.values() ?? [])];
  }

  #leave(channel: string): void {
    this.#subscribed.get(channel)?.order.end();
    this.#subscribed.delete(channel);
    for (const connection of this.#events.open()) this.#attachments.get(connection)?.get(channel)?.leave();
  }

  #attachment(connection: Connection, channel: string): Attachment {
    const attachments = this.#attachments.get(connection) ?? new Map<string, Attachment>();
    this.#attachments.set(connection, attachments);
    const kept = attachments.get(channel);
    if (kept) return kept;
    const attachment = new Attachment(channel, this.#options, {
      send: (frame, sent) => connection.send(frame, sent),
      nextRequest: () => this.#events.nextRequest(),
      settled: () => this.#events.settled(),
      refused: error => this.#refused(channel, error),
      unanswered: () => connection.end('no answer'),
      done: () => {
        // Not the one that took its place while this one was told of its end.
        if (attachments.get(channel) === attachment) attachments.delete(channel);
      },
    });
    attachments.set(channel, attachment);
    return attachment;
  }

  #refused(channel: string, error: ErrorFrame): void {
    const subscribed = this.#subscribed.get(channel);
    if (!subscribed) return;
    this.#leave(channel);
    subscribed.refused(error);
    this.#events.settled();
  }
}
