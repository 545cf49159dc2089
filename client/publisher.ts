import type { Clock } from './clock.ts';
import { Closed, OutcomeUnknown, Refused, Superseded } from './errors.ts';
import { type ClientFrame, type Cursor, maxFrameBytes, type Part } from './frames.ts';
import { cut } from './parts.ts';
import type { Request, Requests } from './requests.ts';

/** Below the 5 minutes for which the service knows a publication again (`docs/protocol.md`), with room for the way there. */
export const outcomeUnknownMs = 4 * 60_000;

export interface Accepted {
  /** The message's place in its channel; of one in parts, that of the last. */
  readonly cursor: Cursor;
}

export interface PublishOptions {
  /** Unique among the application's messages of the channel; a random one if not given. */
  readonly id?: string;
  /** Whether a newer one of the channel with this mark takes its place as long as it could not be sent. */
  readonly latestOnly?: boolean;
}

/** One message on its way, as one frame or as several. */
interface Publication {
  readonly channel: string;
  readonly id: string;
  readonly latestOnly: boolean;
  /** Its frames, without their request numbers. */
  readonly frames: readonly { readonly data: unknown; readonly part?: Part }[];
  /** Frames that were accepted. */
  accepted: number;
  /** When the first was sent, epoch milliseconds. */
  sentAt: number | undefined;
  request: Request | undefined;
  readonly resolve: (accepted: Accepted) => void;
  readonly reject: (error: Error) => void;
}

function newId(): string {
  // Not `randomUUID`, which pages served without TLS do not have.
  return [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');
}

/** The longest that the number of a request is written. */
const widestRequest = Number.MAX_SAFE_INTEGER;

/** @throws TypeError where it is not JSON */
function framesOf(channel: string, id: string, data: unknown): Publication['frames'] {
  const text: string | undefined = JSON.stringify(data);
  if (text === undefined) throw new TypeError('not JSON');
  // Read back, because the same must go out again however the application changes the object.
  const frame = { action: 'publish', channel, id, data: JSON.parse(text), request: widestRequest };
  const fits = new TextEncoder().encode(JSON.stringify(frame)).length <= maxFrameBytes;
  // The service would close the connection, and every following one on which it is tried again.
  return fits ? [{ data: frame.data }] : cut(text, channel, id);
}

/**
 * Publishes in the order of the calls: in each channel the next frame goes out when the one before was accepted, refused
 * or given up, because the gateway keeps frames in no order.
 */
export class Publisher {
  readonly #requests: Requests;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #nextRequest: () => number;
  /** Publications of a channel that are not over, the first being under way. */
  readonly #queues = new Map<string, Publication[]>();

  constructor(requests: Requests, clock: Pick<Clock, 'now'>, nextRequest: () => number) {
    this.#requests = requests;
    this.#clock = clock;
    this.#nextRequest = nextRequest;
  }

  /**
   * @throws Refused, OutcomeUnknown, Superseded or Closed, by rejecting; TypeError where the data is not JSON
   */
  publish(channel: string, data: unknown, { id = newId(), latestOnly = false }: PublishOptions): Promise<Accepted> {
    return new Promise((resolve, reject) => {
      const frames = framesOf(channel, id, data);
      const publication: Publication = {
        ...{ channel, id, latestOnly, frames, resolve, reject },
        accepted: 0,
        sentAt: undefined,
        request: undefined,
      };
      const queue = this.#queues.get(channel) ?? [];
      this.#queues.set(channel, queue);
      const waitMs = latestOnly ? this.#supersede(queue) : undefined;
      queue.push(publication);
      const [first] = queue;
      if (first && (waitMs !== undefined || queue.length === 1)) this.#start(first, waitMs);
    });
  }

  /** Gives up what waits. What is under way is given up with the requests. */
  close(): void {
    const queues = [...this.#queues.values()];
    this.#queues.clear();
    for (const [, ...waiting] of queues) for (const { reject } of waiting) reject(new Closed());
  }

  /**
   * Drops what a new publication with `latestOnly` takes the place of.
   * @returns where that was under way, how long the next one has to wait, in milliseconds
   */
  #supersede(queue: Publication[]): number | undefined {
    const drop = (index: number) => {
      const [dropped] = queue.splice(index, 1);
      dropped?.reject(new Superseded(dropped.id, dropped.channel));
    };
    const waiting = queue.findIndex(({ latestOnly }, index) => index > 0 && latestOnly);
    if (waiting > 0) drop(waiting);
    const [first] = queue;
    // Of one whose first part was accepted the rest must follow.
    if (!first?.latestOnly || !first.request || first.accepted > 0) return undefined;
    const waitMs = this.#requests.withdraw(first.request);
    if (waitMs !== undefined) drop(0);
    return waitMs;
  }

  /** Sends the next frame of what is first in its channel. */
  #start(publication: Publication, waitMs?: number): void {
    const { channel, id, frames, accepted, sentAt } = publication;
    const frame = frames[accepted];
    if (!frame) return;
    const request: ClientFrame = { action: 'publish', channel, id, ...frame, request: this.#nextRequest() };
    publication.request = {
      frame: request,
      // All parts within the time of one message: subscribers wait no longer for the rest of it.
      patienceMs: sentAt === undefined ? outcomeUnknownMs : sentAt + outcomeUnknownMs - this.#clock.now(),
      patienceFrom: sentAt === undefined ? 'sent' : 'asked',
      sent: () => {
        publication.sentAt ??= this.#clock.now();
      },
      answered: answer => {
        if (answer.type !== 'accepted') return false;
        publication.accepted++;
        if (publication.accepted < frames.length) this.#start(publication);
        else this.#end(publication, () => publication.resolve({ cursor: answer.cursor }));
        return true;
      },
      refused: error =>
        this.#end(publication, () => publication.reject(new Refused(error.code, channel, error.message))),
      givenUp: reason =>
        this.#end(publication, () =>
          publication.reject(
            reason === 'closed' && sentAt === undefined ? new Closed() : new OutcomeUnknown(id, channel),
          ),
        ),
    };
    this.#requests.ask(publication.request, waitMs);
  }

  #end(publication: Publication, settle: () => void): void {
    settle();
    const queue = this.#queues.get(publication.channel);
    queue?.shift();
    if (queue?.[0]) this.#start(queue[0]);
    else this.#queues.delete(publication.channel);
  }
}
