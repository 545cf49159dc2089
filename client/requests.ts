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
  /** Called before it goes out for the first time. */
  sent?(): void;
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
  /** Until when the service will not have it, epoch milliseconds; undefined while that is not known. */
  throttledUntil: number | undefined;
  cancelResend: () => void;
  cancelDeadline: () => void;
}

const nothing = () => {};
/** Where a throttle does not say how long it takes. */
const throttledMs = 1_000;

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

  /** @param waitMs it goes out after so long at first */
  ask(request: Request, waitMs = 0): void {
    const { clock } = this.#options;
    const pending: Pending = {
      request,
      deadline: Number.POSITIVE_INFINITY,
      sent: false,
      failures: 0,
      throttledUntil: waitMs > 0 ? clock.now() + waitMs : undefined,
      cancelResend: nothing,
      cancelDeadline: nothing,
    };
    this.#pending.set(request.frame.request, pending);
    if (request.patienceFrom === 'asked') this.#startPatience(pending);
    if (waitMs > 0) this.#attemptAfter(waitMs, pending);
    else this.#attempt(pending);
  }

  /**
   * Takes a request back that is not on its way: it was never sent, or the service would not have it yet.
   * @returns how long another in its place has to wait, in milliseconds; undefined where this one is on its way
   */
  withdraw(request: Request): number | undefined {
    const pending = this.#pending.get(request.frame.request);
    if (!pending || (pending.sent && pending.throttledUntil === undefined)) return undefined;
    this.#forget(pending);
    return Math.max(0, (pending.throttledUntil ?? 0) - this.#options.clock.now());
  }

  /** From now on requests go this way; what is pending is sent again. */
  connected(send: (frame: ClientFrame, sent: () => void) => void): void {
    this.#send = send;
    const now = this.#options.clock.now();
    for (const pending of [...this.#pending.values()]) {
      const { throttledUntil = now } = pending;
      if (throttledUntil > now) this.#attemptAfter(throttledUntil - now, pending);
      else this.#attempt(pending);
    }
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

  #attemptAfter(ms: number, pending: Pending): void {
    pending.cancelResend();
    pending.cancelResend = this.#options.clock.after(ms, () => this.#attempt(pending));
  }

  #attempt(pending: Pending): void {
    pending.cancelResend();
    // Timers stand still while a machine sleeps, the service's deduplication does not.
    if (this.#options.clock.now() >= pending.deadline) {
      this.#expire(pending);
      return;
    }
    if (!this.#send) return;
    pending.throttledUntil = undefined;
    if (!pending.sent) {
      pending.sent = true;
      pending.request.sent?.();
      if (pending.request.patienceFrom === 'sent') this.#startPatience(pending);
    }
    const send = this.#send;
    send(pending.request.frame, () => {
      if (this.#send !== send || this.#pending.get(pending.request.frame.request) !== pending) return;
      this.#attemptAfter(this.#options.resendMs, pending);
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
        this.#attemptAfter((error.retryAfterMs ?? 0) + fullJitter(pending.failures++, backoff, clock), pending);
        return;
      }
      case 'throttled': {
        // The pace is this publisher's own: there is no crowd to come apart from.
        const wait = error.retryAfterMs ?? throttledMs;
        pending.throttledUntil = this.#options.clock.now() + wait;
        this.#attemptAfter(wait, pending);
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
