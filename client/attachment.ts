import { type Backoff, fullJitter } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { ClientFrame, Cursor, ErrorFrame, ServerFrame, SubscribedFrame } from './frames.ts';
import type { Order } from './order.ts';

export interface AttachmentOptions {
  readonly clock: Clock;
  readonly backoff: Backoff;
  /** How long a gap may close by itself before the channel is asked for again, in milliseconds. */
  readonly gapMs: number;
  /** A subscription that is not answered for so long has lost its connection, in milliseconds. */
  readonly answerTimeoutMs: number;
}

export interface AttachmentEvents {
  /** @param sent called when it is on its way */
  send(frame: ClientFrame, sent: () => void): void;
  /** A number that no other request has. */
  nextRequest(): number;
  /** All that was missed is asked for and answered. */
  settled(): void;
  /** The service will not have it. */
  refused(error: ErrorFrame): void;
  /** The connection does not answer. */
  unanswered(): void;
  /** There is nothing left to do for the channel. */
  done(): void;
}

interface Question {
  readonly request: number;
  readonly order: Order | undefined;
  readonly since: Cursor | undefined;
  cancel: () => void;
}

/** No gap is asked about less often than this, however long it does not close. */
const maxGapMs = 30_000;

/**
 * One channel on one connection. Its requests go one by one, since the gateway keeps frames in no order: a subscription
 * that overtakes the end of the one before would be ended with it.
 */
export class Attachment {
  readonly channel: string;
  readonly #options: AttachmentOptions;
  readonly #events: AttachmentEvents;
  #order: Order | undefined;
  #question: Question | undefined;
  #askAgain = false;
  /** What was asked from when the answer said that there is more, and overtook the messages that it answers with. */
  #moreAfter: Cursor | undefined;
  #joined = false;
  #settled = false;
  #failures = 0;
  #stalls = 0;
  #cancelPause: (() => void) | undefined;
  #cancelWatch: (() => void) | undefined;

  constructor(channel: string, options: AttachmentOptions, events: AttachmentEvents) {
    this.channel = channel;
    this.#options = options;
    this.#events = events;
  }

  /** Whether nothing stands between this connection and the channel's live messages. */
  get settled(): boolean {
    return this.#settled || this.#order === undefined;
  }

  /** Subscribes, from where the order stands. */
  join(order: Order): void {
    this.#order = order;
    this.#settled = false;
    this.ask();
  }

  leave(): void {
    this.#order = undefined;
    this.#rest();
    this.ask();
  }

  /** Asks for what comes after the order's cursor, now or when what was asked before is answered. */
  ask(): void {
    if (this.#cancelPause) return;
    if (this.#question) {
      this.#askAgain = true;
      return;
    }
    this.#askAgain = false;
    this.#moreAfter = undefined;
    const { channel } = this;
    const order = this.#order;
    if (!order && !this.#joined) {
      this.#events.done();
      return;
    }
    const since = order?.cursor;
    const request = this.#events.nextRequest();
    const question: Question = { request, order, since, cancel: () => {} };
    this.#question = question;
    const sent = () => {
      if (this.#question !== question) return;
      question.cancel = this.#options.clock.after(this.#options.answerTimeoutMs, () => this.#events.unanswered());
    };
    if (!order) {
      this.#events.send({ action: 'unsubscribe', channel, request }, sent);
      return;
    }
    // Even a subscription that is refused or not answered may stand.
    this.#joined = true;
    const from = { ...(since !== undefined && { since }), ...(order.latestOnly && { latest: true as const }) };
    this.#events.send({ action: 'subscribe', channel, request, ...from }, sent);
  }

  /** @returns whether the frame answers what this has asked */
  answered(frame: ServerFrame): boolean {
    if (!this.#question || !('request' in frame) || frame.request !== this.#question.request) return false;
    const { order, since } = this.#question;
    this.#closeQuestion();
    if (frame.type === 'unsubscribed') {
      this.#joined = false;
      if (this.#order) this.ask();
      else this.#events.done();
    } else if (frame.type === 'subscribed') this.#subscribed(frame, order, since);
    else if (frame.type === 'error') this.#failed(frame, order);
    return true;
  }

  /**
   * An error that does not say what it is about may be about this. Not taken for the answer to an end of subscription,
   * which may still be handled: a new subscription must not be overtaken by it.
   */
  failedPerhaps(error: ErrorFrame): void {
    if (!this.#question?.order) return;
    const { order } = this.#question;
    this.#closeQuestion();
    this.#failed(error, order);
  }

  /** To be called after a message of the channel: asks for what is left, and again if a gap stays open. */
  watch(): void {
    const order = this.#order;
    if (this.#moreAfter !== undefined && (order?.cursor ?? '') > this.#moreAfter) {
      this.ask();
      return;
    }
    if (!order?.behind || this.#question || this.#cancelPause || this.#cancelWatch) return;
    const { clock, gapMs } = this.#options;
    const seen = order.cursor;
    this.#cancelWatch = clock.after(Math.min(gapMs * 2 ** this.#stalls, Math.max(gapMs, maxGapMs)), () => {
      this.#cancelWatch = undefined;
      if (order === this.#order && order.behind && order.cursor === seen) {
        this.#stalls++;
        this.ask();
      } else {
        this.#stalls = 0;
        this.watch();
      }
    });
  }

  /** The connection is gone: no timer stays. */
  end(): void {
    this.#closeQuestion();
    this.#rest();
  }

  #subscribed(frame: SubscribedFrame, order: Order | undefined, since: Cursor | undefined): void {
    this.#failures = 0;
    if (!order || order !== this.#order) {
      this.ask();
      return;
    }
    const left = order.subscribed(since, frame);
    // The application may have ended the subscription when it was told of a loss.
    if (order !== this.#order) {
      this.ask();
      return;
    }
    const progress = since === undefined || (order.cursor ?? since) > since;
    if (left || this.#askAgain || (frame.more && progress)) {
      this.ask();
      return;
    }
    if (frame.more) {
      this.#moreAfter = since;
      this.watch();
      return;
    }
    if (!this.#settled) {
      this.#settled = true;
      this.#events.settled();
    }
    this.watch();
  }

  #failed(error: ErrorFrame, order: Order | undefined): void {
    switch (error.code) {
      case 'token_expired':
      case 'connection_gone':
        // The connection is given up by its owner.
        return;
      case 'rate_limited':
      case 'throttled':
      case 'unavailable':
      case 'internal': {
        const { clock, backoff } = this.#options;
        const wait = (error.retryAfterMs ?? 0) + fullJitter(this.#failures++, backoff, clock);
        this.#cancelPause = clock.after(wait, () => {
          this.#cancelPause = undefined;
          this.ask();
        });
        return;
      }
      default:
        this.#joined = false;
        if (order && order === this.#order) {
          this.#order = undefined;
          this.#events.refused(error);
        }
        this.ask();
    }
  }

  #closeQuestion(): void {
    this.#question?.cancel();
    this.#question = undefined;
  }

  #rest(): void {
    this.#cancelPause?.();
    this.#cancelWatch?.();
    this.#cancelPause = undefined;
    this.#cancelWatch = undefined;
  }
}
