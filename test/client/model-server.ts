import { origin, type Part } from '../../client/frames.ts';
import type { WebSocketConstructor, WebSocketLike } from '../../client/index.ts';
import type { TestClock } from './test-clock.ts';

export interface Faults {
  /** Chance of what is sent either way to be lost, 0 to 1. */
  readonly loss: number;
  /** Chance of what the server sends to come twice. */
  readonly duplication: number;
  /** Chance of a frame to be answered by an error. */
  readonly errors: number;
  /** Frames take up to this, each on its own, in milliseconds: so they overtake each other. */
  readonly delayMs: number;
}

export interface Logged {
  readonly cursor: string;
  readonly previous: string | null;
  readonly id: string;
  readonly data: unknown;
  readonly part: Part | undefined;
}

type Listener = (event: { readonly data: unknown }) => void;
type Frame = { action: string; channel: string; since?: string; request?: number } & Partial<
  Pick<Logged, 'id' | 'data' | 'part'>
>;

const pageSize = 3;
const quiet: Faults = { loss: 0, duplication: 0, errors: 0, delayMs: 0 };

/** What the protocol promises, in a few lines: a log of one channel, and connections that lose, repeat and reorder. */
export class ModelServer {
  faults: Faults;
  /** All that was ever accepted. */
  readonly history: Logged[] = [];
  /** What subscriptions without `since` were told to begin after. */
  readonly beginnings = new Set<string>();
  readonly tokens: string[] = [];
  readonly WebSocket: WebSocketConstructor;
  readonly #clock: TestClock;
  readonly #random: () => number;
  readonly #channel: string;
  readonly #connections = new Set<ModelConnection>();
  readonly #accepted = new Map<string, string>();
  #expired = 0;

  constructor(channel: string, clock: TestClock, random: () => number, faults: Faults) {
    this.#channel = channel;
    this.#clock = clock;
    this.#random = random;
    this.faults = faults;
    const accept = (connection: ModelConnection, protocols: readonly string[]) => {
      this.tokens.push(String(protocols[1]));
      this.#connections.add(connection);
      this.#later(() => connection.open());
    };
    const server = this;
    this.WebSocket = class extends ModelConnection {
      constructor(_url: string, protocols: string[]) {
        super(
          (connection, text) => server.#taken(connection, JSON.parse(text)),
          connection => server.#later(() => server.#connections.delete(connection)),
        );
        accept(this, protocols);
      }
    };
  }

  get connections(): number {
    return this.#connections.size;
  }

  get head(): string {
    return this.history.at(-1)?.cursor ?? origin;
  }

  /** The last cursor that the log does not hold any more. */
  get expiredTo(): string {
    return this.history[this.#expired - 1]?.cursor ?? origin;
  }

  calm(): void {
    this.faults = quiet;
  }

  /** Appends, and sends it to whom is subscribed by then. */
  publish(id: string, data: unknown = null, part?: Part): string {
    const identity = `${id}/${part?.offset}`;
    const known = this.#accepted.get(identity);
    if (known !== undefined) return known;
    // Any gap, as with sequence numbers.
    const cursor = String(BigInt(this.head) + 1n + BigInt(Math.floor(this.#random() * 100))).padStart(39, '0');
    const message = { cursor, previous: this.history.at(-1)?.cursor ?? null, id, data, part };
    this.history.push(message);
    this.#accepted.set(identity, cursor);
    this.#later(() => {
      for (const connection of this.#connections) {
        if (connection.subscribed) this.#send(connection, this.#message(message));
      }
    });
    return cursor;
  }

  /** Ends the oldest half of what the log holds. */
  expire(): void {
    this.#expired += Math.ceil((this.history.length - this.#expired) / 2);
  }

  kill(): void {
    for (const connection of this.#connections) this.#end(connection);
  }

  /** Connections that look alive and carry nothing any more. */
  stall(): void {
    for (const connection of this.#connections) connection.stalled = true;
    this.#connections.clear();
  }

  tell(frame: object): void {
    for (const connection of this.#connections) this.#send(connection, frame);
  }

  #end(connection: ModelConnection): void {
    this.#connections.delete(connection);
    connection.shut();
  }

  #message({ part, ...message }: Logged, replay = false): object {
    return {
      type: 'message',
      channel: this.#channel,
      ...message,
      ...(part && { part: { ...part, of: message.id } }),
      publishedAt: 0,
      ...(replay && { replay }),
    };
  }

  #taken(connection: ModelConnection, frame: Frame): void {
    // Once at most: WebSockets repeat nothing, and the gateway tries no frame again.
    if (this.#random() < this.faults.loss) return;
    this.#later(() => {
      if (this.#connections.has(connection)) this.#answer(connection, frame);
    });
  }

  #answer(connection: ModelConnection, frame: Frame): void {
    const { request, channel } = frame;
    if (this.#random() < this.faults.errors) {
      const code = ['unavailable', 'internal', 'rate_limited', 'connection_gone', 'token_expired'][
        Math.floor(this.#random() * 6)
      ];
      const error = code
        ? { type: 'error', code, message: '', request, retryAfterMs: 1_000 }
        : { message: 'Internal server error', connectionId: 'c', requestId: 'r' };
      // What was answered so may have been done all the same.
      if (this.#random() < 0.5) this.#perform(connection, frame);
      this.#send(connection, error);
      return;
    }
    const answer = this.#perform(connection, frame);
    this.#send(connection, { ...answer, channel, ...(request !== undefined && { request }) });
  }

  #perform(connection: ModelConnection, { action, since, id, data, part }: Frame): object {
    switch (action) {
      case 'subscribe':
        connection.subscribed = true;
        return this.#resume(connection, since);
      case 'unsubscribe':
        connection.subscribed = false;
        return { type: 'unsubscribed' };
      case 'publish':
        return { type: 'accepted', id, cursor: this.publish(String(id), data, part) };
      default:
        return { type: 'heartbeat' };
    }
  }

  #resume(connection: ModelConnection, since: string | undefined): object {
    if (since === undefined) {
      this.beginnings.add(this.head);
      return { type: 'subscribed', cursor: this.head, recovered: true };
    }
    const missed = this.history.slice(this.#expired).filter(({ cursor }) => cursor > since);
    const known = missed[0] ? (missed[0].previous ?? origin) === since : since === this.head;
    if (!known) return { type: 'subscribed', cursor: this.head, recovered: false };
    const page = missed.slice(0, pageSize);
    for (const message of page) this.#send(connection, this.#message(message, true));
    const more = missed.length > page.length;
    return { type: 'subscribed', cursor: page.at(-1)?.cursor ?? since, recovered: true, ...(more && { more }) };
  }

  /** A post: it may be lost, or come again because its consumer was run again. */
  #send(connection: ModelConnection, frame: object): void {
    const deliver = () => connection.receive(JSON.stringify(frame));
    if (this.#random() < this.faults.loss) return;
    this.#later(deliver);
    if (this.#random() < this.faults.duplication) this.#later(deliver);
  }

  #later(run: () => void): void {
    this.#clock.after(1 + this.#random() * this.faults.delayMs, run);
  }
}

class ModelConnection implements WebSocketLike {
  subscribed = false;
  stalled = false;
  #closed = false;
  readonly #listeners = new Map<string, Listener[]>();
  readonly #sent: (connection: ModelConnection, text: string) => void;
  readonly #left: (connection: ModelConnection) => void;

  constructor(sent: (connection: ModelConnection, text: string) => void, left: (connection: ModelConnection) => void) {
    this.#sent = sent;
    this.#left = left;
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(text: string): void {
    if (!this.stalled && !this.#closed) this.#sent(this, text);
  }

  close(): void {
    this.#closed = true;
    this.#left(this);
  }

  open(): void {
    this.#tell('open');
  }

  receive(text: string): void {
    this.#tell('message', text);
  }

  shut(): void {
    this.#tell('close');
    this.#closed = true;
  }

  #tell(type: string, data?: string): void {
    if (this.#closed || this.stalled) return;
    for (const listener of this.#listeners.get(type) ?? []) listener({ data });
  }
}
