import { Attachment } from './attachment.ts';
import { type Backoff, fullJitter } from './backoff.ts';
import { ChannelOrder, type Loss } from './channel-order.ts';
import { type Clock, systemClock } from './clock.ts';
import { Connection, type WebSocketConstructor } from './connection.ts';
import { Closed, ConnectionLost, Refused, type SteadySocketError, Unanswered } from './errors.ts';
import type { Cursor, ErrorFrame, Message, MessageFrame, Presence, ServerFrame } from './frames.ts';
import { type Accepted, Publisher } from './publisher.ts';
import { Requests } from './requests.ts';

/** `waiting` is for the next attempt; `closed` is for good. */
export type State = 'connecting' | 'open' | 'waiting' | 'closed';

export interface SteadySocketEvents {
  state: State;
  /** Nothing here needs handling: the socket goes on by itself. For logs and for telling the user. */
  error: SteadySocketError;
}

export interface SteadySocketOptions {
  /** `wss://…`, the environment's address. */
  readonly url: string;
  /** Called for each connection attempt: it must not return a token that has expired. */
  readonly token: () => Promise<string> | string;
  /** Name and version of the application, as `my-app/1.4.0`. */
  readonly client?: string;
  /** The service's `Heartbeat interval`, in milliseconds. */
  readonly heartbeatIntervalMs: number;
  /** Silence after a heartbeat that ends the connection, in milliseconds; 10,000 if not given. */
  readonly heartbeatTimeoutMs?: number;
  /** For the token and the handshake together, in milliseconds; 15,000 if not given. */
  readonly connectTimeoutMs?: number;
  /** Frames sent a second at most; 15 if not given, below the lowest rate of a service by default (20). */
  readonly framesPerSecond?: number;
  /** Waits before reconnecting, with full jitter; up to 1 s at first and 30 s at most if not given. */
  readonly backoff?: Backoff;
  /** How long a gap in a channel may close by itself, in milliseconds; 1,000 if not given. */
  readonly gapMs?: number;
  /** When a connection is replaced, in milliseconds from its opening: spread between the two. 75 to 115 min if not given. */
  readonly replaceAfterMs?: readonly [from: number, to: number];
  /** Over how long clients that are told to reconnect spread, in milliseconds; 30,000 if not given. */
  readonly noticeSpreadMs?: number;
  /** The global one if not given. */
  readonly WebSocket?: WebSocketConstructor;
  readonly clock?: Clock;
}

export interface SubscribeOptions {
  /** Position to go on from, as kept from `Subscription.cursor`; without, from now on. */
  readonly since?: Cursor;
  /** Called for each message of the channel, once, in order. */
  readonly onMessage: (message: Message) => void;
  /** Called where messages are lost to this client: fetch the state anew. Delivery goes on from `resumesAt`. */
  readonly onLost?: (loss: Loss) => void;
  /** Called where the service refuses the channel; the subscription is over. Without, it is an `error` event. */
  readonly onRefused?: (error: Refused) => void;
}

export interface Subscription {
  readonly channel: string;
  /** All up to here was delivered: keep it to go on with `since` later. Undefined until the service has answered. */
  readonly cursor: Cursor | undefined;
  /** Nothing is delivered from here on. */
  unsubscribe(): void;
}

/** A connection and what it carries. Two live at a time while one replaces the other. */
interface Line {
  readonly connection: Connection;
  readonly attachments: Map<string, Attachment>;
  open: boolean;
  /** When it was opened, for its replacement. */
  cancelReplacement: () => void;
}

/** API Gateway answers within 29 s ("Quotas for configuring and running a WebSocket API": integration timeout), or never. */
const answerTimeoutMs = 30_000;
/** No answer to a publication by then is likely to be lost with its frame; it is sent again. */
const resendMs = 10_000;
const presencePatienceMs = 30_000;
/** API Gateway ends a connection after 2 h; clients that connected together leave spread over 40 min. */
const replaceAfterMs = [75 * 60_000, 115 * 60_000] as const;

const globalWebSocket = (): WebSocketConstructor => {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
  if (!WebSocket) throw new TypeError('no global WebSocket here: give one as an option');
  return WebSocket;
};

function newId(): string {
  // Not `randomUUID`, which pages served without TLS do not have.
  return [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');
}

/** What an application's callback throws is the application's: it ends up where uncaught errors do, and stops nothing here. */
function call(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** A WebSocket that comes back, and brings what was missed with it. Connects at once. */
export class SteadySocket {
  readonly #options: Required<Omit<SteadySocketOptions, 'client'>>;
  readonly #listeners = { state: new Set<(event: State) => void>(), error: new Set<(e: SteadySocketError) => void>() };
  readonly #orders = new Map<string, { readonly order: ChannelOrder; refused(error: Refused): void }>();
  readonly #requests: Requests;
  readonly #publisher: Publisher;
  /** What requests go over. */
  #line: Line | undefined;
  /** What becomes the line, or replaces it once it has resumed all channels. */
  #next: Line | undefined;
  #cancelRetry: (() => void) | undefined;
  #cancelNotice: (() => void) | undefined;
  #failures = 0;
  #lastRequest = 0;
  #state: State = 'connecting';

  /** @throws TypeError where the URL is none, or there is no WebSocket */
  constructor(options: SteadySocketOptions) {
    const { client, ...given } = options;
    const url = new URL(options.url);
    if (client !== undefined) url.searchParams.set('client', client);
    this.#options = {
      heartbeatTimeoutMs: 10_000,
      connectTimeoutMs: 15_000,
      framesPerSecond: 15,
      backoff: { baseMs: 1_000, capMs: 30_000 },
      gapMs: 1_000,
      replaceAfterMs,
      noticeSpreadMs: 30_000,
      clock: systemClock,
      ...given,
      WebSocket: given.WebSocket ?? globalWebSocket(),
      url: url.href,
    };
    const { clock, backoff } = this.#options;
    this.#requests = new Requests({ clock, backoff, resendMs });
    this.#publisher = new Publisher(this.#requests, () => this.#nextRequest());
    this.#open();
  }

  get state(): State {
    return this.#state;
  }

  /** @returns what ends the listening */
  on<Name extends keyof SteadySocketEvents>(
    name: Name,
    listener: (event: SteadySocketEvents[Name]) => void,
  ): () => void {
    const listeners = this.#listeners[name] as Set<typeof listener>;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * Every message of the channel from `since`, or from now on, exactly once and in order; or `onLost` says that some
   * cannot be had.
   * @throws Closed; Error where the channel is subscribed already
   */
  subscribe(channel: string, { since, onMessage, onLost, onRefused }: SubscribeOptions): Subscription {
    if (this.#state === 'closed') throw new Closed();
    if (this.#orders.has(channel)) throw new Error(`${channel} is subscribed already`);
    const order = new ChannelOrder(channel, since, {
      message: message => call(() => onMessage(message)),
      lost: loss => call(() => onLost?.(loss)),
    });
    const refused = (error: Refused) => (onRefused ? call(() => onRefused(error)) : this.#emit('error', error));
    this.#orders.set(channel, { order, refused });
    for (const line of this.#openLines()) this.#attachment(line, channel).join(order);
    return {
      channel,
      get cursor() {
        return order.cursor;
      },
      unsubscribe: () => {
        if (this.#orders.get(channel)?.order !== order) return;
        this.#orders.delete(channel);
        order.end();
        for (const line of this.#openLines()) line.attachments.get(channel)?.leave();
        this.#replaceIfResumed();
      },
    };
  }

  /**
   * Publishes a JSON value; in the order of the calls within a channel. It is kept while there is no connection.
   * @param options.id unique among the application's messages of the channel; a random one if not given
   * @returns (rejecting) Refused; OutcomeUnknown 4 minutes after it was first sent; Closed; TypeError where it is not JSON
   */
  publish(channel: string, data: unknown, options: { readonly id?: string } = {}): Promise<Accepted> {
    if (this.#state === 'closed') return Promise.reject(new Closed());
    return this.#publisher.publish(channel, options.id ?? newId(), data);
  }

  /**
   * Who is subscribed now.
   * @returns (rejecting) Refused, Unanswered after 30 s, Closed
   */
  presence(channel: string): Promise<Presence> {
    if (this.#state === 'closed') return Promise.reject(new Closed());
    return new Promise((resolve, reject) => {
      this.#requests.ask({
        frame: { action: 'presence', channel, request: this.#nextRequest() },
        patienceMs: presencePatienceMs,
        patienceFrom: 'asked',
        answered(frame) {
          if (frame.type !== 'presence') return false;
          resolve({ members: frame.members, more: frame.more ?? false });
          return true;
        },
        refused: error => reject(new Refused(error.code, channel, error.message)),
        givenUp: reason => reject(reason === 'expired' ? new Unanswered() : new Closed()),
      });
    });
  }

  /** Ends it for good. What was published and not accepted is rejected, as OutcomeUnknown if it was sent. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#cancelRetry?.();
    this.#cancelNotice?.();
    for (const line of [this.#line, this.#next]) if (line) this.#discard(line);
    this.#line = undefined;
    this.#next = undefined;
    for (const { order } of this.#orders.values()) order.end();
    this.#orders.clear();
    this.#setState('closed');
    this.#publisher.close();
    this.#requests.close();
  }

  #open(): void {
    if (this.#next || this.#cancelRetry || this.#state === 'closed') return;
    const line: Line = {
      connection: new Connection(this.#options, {
        opened: () => this.#opened(line),
        frame: frame => this.#received(line, frame),
        unreadable: error => this.#emit('error', error),
        ended: (reason, cause) => this.#ended(line, reason, cause),
      }),
      attachments: new Map(),
      open: false,
      cancelReplacement: () => {},
    };
    this.#next = line;
    this.#tellState();
  }

  #opened(line: Line): void {
    line.open = true;
    for (const [channel, { order }] of this.#orders) this.#attachment(line, channel).join(order);
    if (this.#line) this.#replaceIfResumed();
    else this.#promote();
  }

  /** Overlap: the old connection delivers until the new one has brought every channel to the present. */
  #replaceIfResumed(): void {
    if (!this.#next?.open) return;
    for (const channel of this.#orders.keys()) if (!this.#next.attachments.get(channel)?.settled) return;
    this.#promote();
  }

  #promote(): void {
    const line = this.#next;
    if (!line) return;
    const old = this.#line;
    this.#line = line;
    this.#next = undefined;
    const { clock, replaceAfterMs } = this.#options;
    const [from, to] = replaceAfterMs;
    line.cancelReplacement = clock.after(from + clock.random() * (to - from), () => this.#open());
    this.#requests.connected((frame, sent) => line.connection.send(frame, sent));
    if (old) this.#discard(old);
    this.#tellState();
  }

  #discard(line: Line): void {
    line.cancelReplacement();
    for (const attachment of line.attachments.values()) attachment.end();
    line.connection.close();
  }

  #ended(line: Line, reason: string, cause: unknown): void {
    this.#discard(line);
    if (line === this.#next) {
      this.#next = undefined;
      this.#retry();
    } else if (line === this.#line) {
      this.#line = undefined;
      this.#requests.disconnected();
      if (this.#next?.open) this.#promote();
      else this.#retry();
      this.#tellState();
    }
    this.#emit('error', new ConnectionLost(reason, { cause }));
  }

  /** Opens after a while, unless something is under way. */
  #retry(): void {
    if (this.#next || this.#cancelRetry || this.#state === 'closed') return;
    const { clock, backoff } = this.#options;
    this.#cancelRetry = clock.after(fullJitter(this.#failures++, backoff, clock), () => {
      this.#cancelRetry = undefined;
      this.#open();
    });
    this.#tellState();
  }

  #received(line: Line, frame: ServerFrame): void {
    switch (frame.type) {
      case 'message':
        this.#deliver(frame);
        return;
      case 'messages':
        for (const message of frame.messages) this.#deliver(message);
        return;
      case 'error':
        this.#failed(line, frame);
        return;
      case 'resync':
        line.attachments.get(frame.channel)?.ask();
        return;
      case 'notice':
        this.#noticed(frame.notice);
        return;
      default:
        // The newest connection works: the next failure is a new one.
        if (line === (this.#next ?? this.#line) && !this.#cancelRetry) this.#failures = 0;
        this.#answered(line, frame);
    }
  }

  #deliver(message: MessageFrame): void {
    this.#orders.get(message.channel)?.order.receive(message);
    for (const line of this.#openLines()) line.attachments.get(message.channel)?.watch();
  }

  #answered(line: Line, frame: ServerFrame): boolean {
    if (this.#requests.answered(frame)) return true;
    for (const attachment of line.attachments.values()) if (attachment.answered(frame)) return true;
    return false;
  }

  #failed(line: Line, error: ErrorFrame): void {
    if (error.code === 'token_expired' || error.code === 'connection_gone') {
      line.connection.end(error.code);
      return;
    }
    if (error.request !== undefined) this.#answered(line, error);
    else {
      this.#requests.failedPerhaps(error);
      for (const attachment of line.attachments.values()) attachment.failedPerhaps(error);
    }
  }

  #noticed(notice: string): void {
    // Unknown notices are for clients to come.
    if (notice !== 'reconnect' && notice !== 'server_shutdown' && notice !== 'refresh') return;
    if (this.#cancelNotice) return;
    const { clock, noticeSpreadMs } = this.#options;
    this.#cancelNotice = clock.after(clock.random() * noticeSpreadMs, () => {
      this.#cancelNotice = undefined;
      this.#open();
    });
  }

  #attachment(line: Line, channel: string): Attachment {
    const kept = line.attachments.get(channel);
    if (kept) return kept;
    const { clock, backoff, gapMs } = this.#options;
    const attachment = new Attachment(
      channel,
      { clock, backoff, gapMs, answerTimeoutMs },
      {
        send: (frame, sent) => line.connection.send(frame, sent),
        nextRequest: () => this.#nextRequest(),
        settled: () => this.#replaceIfResumed(),
        refused: error => this.#refused(channel, error),
        unanswered: () => line.connection.end('no answer'),
        done: () => {
          // Not the one that took its place while this one was told of its end.
          if (line.attachments.get(channel) === attachment) line.attachments.delete(channel);
        },
      },
    );
    line.attachments.set(channel, attachment);
    return attachment;
  }

  #refused(channel: string, error: ErrorFrame): void {
    const subscribed = this.#orders.get(channel);
    if (!subscribed) return;
    this.#orders.delete(channel);
    subscribed.order.end();
    for (const line of this.#openLines()) line.attachments.get(channel)?.leave();
    subscribed.refused(new Refused(error.code, channel, error.message));
    this.#replaceIfResumed();
  }

  #openLines(): Line[] {
    return [this.#line, this.#next].filter(line => line?.open) as Line[];
  }

  #nextRequest(): number {
    return ++this.#lastRequest;
  }

  #tellState(): void {
    if (this.#state === 'closed') return;
    this.#setState(this.#line ? 'open' : this.#next ? 'connecting' : 'waiting');
  }

  #setState(state: State): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#emit('state', state);
  }

  #emit<Name extends keyof SteadySocketEvents>(name: Name, event: SteadySocketEvents[Name]): void {
    const listeners = this.#listeners[name] as Set<(event: SteadySocketEvents[Name]) => void>;
    for (const listener of [...listeners]) call(() => listener(event));
  }
}
