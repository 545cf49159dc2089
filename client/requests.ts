import { type Backoff, fullJitter } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { ClientFrame, ErrorFrame, ServerFrame } from './frames.ts';

export interface RequestOptions {
  readonly clock: Clock;
  readonly backoff: Backoff;
  /** A request that is not answered for so long is sent again, in milliseconds. */
  readonly resendMs: number;
}

export interface Request {
  readonly frame: ClientFrame & { readonly request: number };
  /** How long it is tried, in milliseconds. */
  readonly patienceMs: number;
  /** From when: when it was asked, or from when it was sent, however long that takes. */
  readonly patienceFrom: 'asked' | 'sent';
  /** @returns whether this is the answer it waits for */
  answered(frame: ServerFrame): boolean;
  refused(error: ErrorFrame): void;
  /** @param reason whether its time was up, or the socket was closed, before or after it was sent */
  givenUp(reason: 'expired' | 'closed' | 'closed_after_sending'): void;
}

interface Pending {
  readonly request: Request;
  deadline: number;
  sent: boolean;
  failures: number;
  cancelResend: () => void;
  cancelDeadline: () => void;
}

const nothing = () => {};

/**
 * Requests that are sent, on one connection after the other, until they are answered or their time is up. They must
 * bear being handled twice.
 */
export class Requests {
  readonly #options: RequestOptions;
  readonly #pending = new Map<number, Pending>();
  #send: ((frame: ClientFrame, sent: () => void) => void) | undefined;

  constructor(options: RequestOptions) {
    this.#options = options;
  }

  ask(request: Request): void {
    const pending: Pending = {
      request,
      deadline: Number.POSITIVE_INFINITY,
      sent: false,
      failures: 0,
      cancelResend: nothing,
      cancelDeadline: nothing,
    };
    this.#pending.set(request.frame.request, pending);
    if (request.patienceFrom === 'asked') this.#startPatience(pending);
    this.#attempt(pending);
  }

  /** From now on requests go this way; what is pending is sent again. */
  connected(send: (frame: ClientFrame, sent: () => void) => void): void {
    this.#send = send;
    for (const pending of [...this.#pending.values()]) this.#attempt(pending);
  }

  disconnected(): void {
    this.#send = undefined;
    for (const { cancelResend } of this.#pending.values()) cancelResend();
  }

  /** @returns whether the frame is about a request made here */
  answered(frame: ServerFrame): boolean {
    const pending =
      'request' in frame && typeof frame.request === 'number' ? this.#pending.get(frame.request) : undefined;
    if (!pending) return false;
    if (frame.type === 'error') this.#failed(pending, frame);
    else if (pending.request.answered(frame)) this.#forget(pending);
    return true;
  }

  /** An error that does not say what it is about may be about any. */
  failedPerhaps(error: ErrorFrame): void {
    for (const pending of this.#pending.values()) if (pending.sent) this.#failed(pending, error);
  }

  close(): void {
    this.#send = undefined;
    for (const pending of this.#pending.values()) {
      this.#forget(pending);
      pending.request.givenUp(pending.sent ? 'closed_after_sending' : 'closed');
    }
  }

  #attempt(pending: Pending): void {
    pending.cancelResend();
    // Timers stand still while a machine sleeps, the service's deduplication does not.
    if (this.#options.clock.now() >= pending.deadline) {
      this.#expire(pending);
      return;
    }
    if (!this.#send) return;
    if (!pending.sent) {
      pending.sent = true;
      if (pending.request.patienceFrom === 'sent') this.#startPatience(pending);
    }
    const send = this.#send;
    send(pending.request.frame, () => {
      if (this.#send !== send || this.#pending.get(pending.request.frame.request) !== pending) return;
      pending.cancelResend();
      pending.cancelResend = this.#options.clock.after(this.#options.resendMs, () => this.#attempt(pending));
    });
  }

  #startPatience(pending: Pending): void {
    const { clock } = this.#options;
    pending.deadline = clock.now() + pending.request.patienceMs;
    pending.cancelDeadline = clock.after(pending.request.patienceMs, () => this.#expire(pending));
  }

  #failed(pending: Pending, error: ErrorFrame): void {
    switch (error.code) {
      case 'token_expired':
      case 'connection_gone':
        // Goes out again on the next connection.
        pending.cancelResend();
        return;
      case 'rate_limited':
      case 'unavailable':
      case 'internal': {
        const { clock, backoff } = this.#options;
        pending.cancelResend();
        const wait = (error.retryAfterMs ?? 0) + fullJitter(pending.failures++, backoff, clock);
        pending.cancelResend = clock.after(wait, () => this.#attempt(pending));
        return;
      }
      default:
        this.#forget(pending);
        pending.request.refused(error);
    }
  }

  #expire(pending: Pending): void {
    this.#forget(pending);
    pending.request.givenUp('expired');
  }

  #forget(pending: Pending): void {
    pending.cancelResend();
    pending.cancelDeadline();
    this.#pending.delete(pending.request.frame.request);
  }
}
