import { Closed, OutcomeUnknown, Refused } from './errors.ts';
import { type Cursor, maxFrameBytes } from './frames.ts';
import type { Requests } from './requests.ts';

/** Below the 5 minutes for which the service knows a publication again (`docs/protocol.md`), with room for the way there. */
export const outcomeUnknownMs = 4 * 60_000;

export interface Accepted {
  /** The message's place in its channel. */
  readonly cursor: Cursor;
}

interface Waiting {
  start(): void;
  reject(error: Error): void;
}

/**
 * Publishes in the order of the calls: in each channel the next goes out when the one before was accepted, refused or
 * given up, because the gateway keeps frames in no order.
 */
export class Publisher {
  readonly #requests: Requests;
  readonly #nextRequest: () => number;
  /** Publications of a channel that wait, the first being under way. */
  readonly #queues = new Map<string, Waiting[]>();

  constructor(requests: Requests, nextRequest: () => number) {
    this.#requests = requests;
    this.#nextRequest = nextRequest;
  }

  /**
   * @throws Refused, OutcomeUnknown or Closed, by rejecting; TypeError where the data is not JSON
   */
  publish(channel: string, id: string, data: unknown): Promise<Accepted> {
    return new Promise((resolve, reject) => {
      if (data === undefined) throw new TypeError('undefined is not JSON');
      // As it is now: the same goes out again however the application changes the object.
      const kept: unknown = JSON.parse(JSON.stringify(data));
      const frame = { action: 'publish', channel, id, data: kept, request: this.#nextRequest() } as const;
      // The service would close the connection, and every following one on which it is tried again.
      if (new TextEncoder().encode(JSON.stringify(frame)).length > maxFrameBytes) {
        throw new Refused('message_too_large', channel, `a frame has at most ${maxFrameBytes} bytes`);
      }
      const next = () => this.#next(channel);
      const start = () =>
        this.#requests.ask({
          frame,
          patienceMs: outcomeUnknownMs,
          patienceFrom: 'sent',
          answered(answer) {
            if (answer.type !== 'accepted') return false;
            resolve({ cursor: answer.cursor });
            next();
            return true;
          },
          refused(error) {
            reject(new Refused(error.code, channel, error.message));
            next();
          },
          givenUp(reason) {
            reject(reason === 'closed' ? new Closed() : new OutcomeUnknown(id, channel));
            next();
          },
        });
      const queue = this.#queues.get(channel);
      if (queue) queue.push({ start, reject });
      else {
        this.#queues.set(channel, [{ start, reject }]);
        start();
      }
    });
  }

  /** Gives up what waits. What is under way is given up with the requests. */
  close(): void {
    const queues = [...this.#queues.values()];
    this.#queues.clear();
    for (const [, ...waiting] of queues) for (const { reject } of waiting) reject(new Closed());
  }

  #next(channel: string): void {
    const queue = this.#queues.get(channel);
    queue?.shift();
    if (queue?.[0]) queue[0].start();
    else this.#queues.delete(channel);
  }
}
