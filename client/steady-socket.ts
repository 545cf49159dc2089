import type { Undeliverable } from './assembler.ts';
import type { Backoff } from './backoff.ts';
import { pageClock } from './browser-clock.ts';
import { ChannelOrder, type Loss } from './channel-order.ts';
import { Channels } from './channels.ts';
import type { Clock } from './clock.ts';
import type { Connection, WebSocketConstructor } from './connection.ts';
import { Closed, MessagesLost, MessageUndeliverable, Refused, type SteadySocketError, Unanswered } from './errors.ts';
import type { Cursor, ErrorFrame, Message, Notice, Presence, ServerFrame } from './frames.ts';
import { LatestOrder } from './latest-order.ts';
import { Lines, type State } from './lines.ts';
import { Notices } from './notices.ts';
import { type Accepted, Publisher, type PublishOptions } from './publisher.ts';
import { Requests } from './requests.ts';

export interface SteadySocketEvents {
  state: State;
  /** Nothing here needs handling: the socket goes on by itself. For logs and for telling the user. */
  error: SteadySocketError;
  /** The service asks all clients to fetch their state anew, each at a moment of its own. */
  refresh: undefined;
  /** What the service tells all clients, when it comes: for telling the user. */
  notice: Notice;
}

export interface SteadySocketOptions {
  /** `wss://…`, the environment's address. */
  readonly url: string;
  /**
   * Called for each connection attempt: it must not return a token that has expired.
   * @param failures attempts in a row that came to no connection. A refused token looks like any other failure in
   *   browsers: give a new one, not one that was kept, where this is not 0.
   */
  readonly token: (failures: number) => Promise<string> | string;
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
  /**
   * When a connection is replaced, in milliseconds from its opening: spread between the two. 75 to 115 min if not given;
   * before the token ends in any case.
   */
  readonly replaceAfterMs?: readonly [from: number, to: number];
  /** Over how long clients spread that are told to do something, where they are not told that too; in milliseconds, 30,000 if not given. */
  readonly noticeSpreadMs?: number;
  /** The global one if not given. */
  readonly WebSocket?: WebSocketConstructor;
  /** Where time comes from. If not given, a Worker in pages, since browsers slow the timers of hidden ones; `systemClock` does without. */
  readonly clock?: Clock;
}

export interface SubscribeOptions {
  /** Position to go on from, as kept from `Subscription.cursor`; without, from now on. */
  readonly since?: Cursor | undefined;
  /**
   * Whether the newest message is enough: older ones that did not come are skipped, without being lost. After a
   * reconnect the newest comes, if it is new.
   */
  readonly latestOnly?: boolean;
  /** Called for each message of the channel, once, in order. */
  readonly onMessage: (message: Message) => void;
  /** Called where messages are lost to this client: fetch the state anew. Delivery goes on from `resumesAt`. Without, it is an `error` event. */
  readonly onLost?: (loss: Loss) => void;
  /** Called where a message cannot be had; those after it can. Without, it is an `error` event. */
  readonly onUndeliverable?: (undeliverable: Undeliverable) => void;
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
  readonly #clock: Clock;
  readonly #listeners = {
    state: new Set<(event: State) => void>(),
    error: new Set<(event: SteadySocketError) => void>(),
    refresh: new Set<(event: undefined) => void>(),
    notice: new Set<(event: Notice) => void>(),
  };
  readonly #lines: Lines;
  readonly #channels: Channels;
  readonly #notices: Notices<Connection>;
  readonly #requests: Requests;
  readonly #publisher: Publisher;
  #lastRequest = 0;

  /** @throws TypeError where the URL is none, or there is no WebSocket */
  constructor({ client, ...given }: SteadySocketOptions) {
    const url = new URL(given.url);
    if (client !== undefined) url.searchParams.set('client', client);
    const options = {
      heartbeatTimeoutMs: 10_000,
      connectTimeoutMs: 15_000,
      framesPerSecond: 15,
      backoff: { baseMs: 1_000, capMs: 30_000 },
      gapMs: 1_000,
      replaceAfterMs,
      noticeSpreadMs: 30_000,
      ...given,
      clock: given.clock ?? pageClock(),
      WebSocket: given.WebSocket ?? globalWebSocket(),
      url: url.href,
    };
    const { clock, backoff, gapMs, noticeSpreadMs } = options;
    const nextRequest = () => ++this.#lastRequest;
    this.#clock = clock;
    this.#requests = new Requests({ clock, backoff, resendMs });
    this.#publisher = new Publisher(this.#requests, clock, nextRequest);
    this.#lines = new Lines(options, {
      opened: connection => this.#channels.opened(connection),
      isReady: connection => this.#channels.isReady(connection),
      chosen: connection => {
        if (connection) this.#requests.connected((frame, sent) => connection.send(frame, sent));
        else this.#requests.disconnected();
      },
      discarded: connection => {
        this.#channels.discarded(connection);
        this.#notices.discarded(connection);
      },
      frame: (connection, frame) => this.#received(connection, frame),
      state: state => this.#emit('state', state),
      error: error => this.#emit('error', error),
    });
    this.#channels = new Channels(
      { clock, backoff, gapMs, answerTimeoutMs },
      { nextRequest, open: () => this.#lines.open, settled: () => this.#lines.replaceIfReady() },
    );
    this.#notices = new Notices(clock, noticeSpreadMs, {
      replace: () => this.#lines.connect(),
      leave: connection => this.#lines.leave(connection),
      refresh: () => this.#emit('refresh', undefined),
    });
    this.#lines.connect();
  }

  get state(): State {
    return this.#lines.state;
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
   * Every message of the channel from `since`, or from now on, exactly once and in order; or `onLost` and
   * `onUndeliverable` say that some cannot be had. With `latestOnly` the newest ones, in order.
   * @throws Closed; Error where the channel is subscribed already
   */
  subscribe(channel: string, options: SubscribeOptions): Subscription {
    if (this.state === 'closed') throw new Closed();
    if (this.#channels.has(channel)) throw new Error(`${channel} is subscribed already`);
    const { since, latestOnly, onMessage, onLost, onUndeliverable, onRefused } = options;
    /** What nobody was there to be told of is not lost without a word. */
    const tell = <T>(callback: ((event: T) => void) | undefined, event: T, error: () => SteadySocketError) =>
      callback ? call(() => callback(event)) : this.#emit('error', error());
    const message = (message: Message) => call(() => onMessage(message));
    const order = latestOnly
      ? new LatestOrder(since, this.#clock, message)
      : new ChannelOrder(channel, since, this.#clock, {
          message,
          lost: loss => tell(onLost, loss, () => new MessagesLost(loss)),
          undeliverable: undeliverable =>
            tell(onUndeliverable, undeliverable, () => new MessageUndeliverable(undeliverable)),
        });
    this.#channels.subscribe(channel, order, ({ code, message }) => {
      const refused = new Refused(code, channel, message);
      tell(onRefused, refused, () => refused);
    });
    return {
      channel,
      get cursor() {
        return order.kept;
      },
      unsubscribe: () => this.#channels.unsubscribe(channel, order),
    };
  }

  /**
   * Publishes a JSON value; in the order of the calls within a channel, in parts where it is large. It is kept while
   * there is no connection.
   * @returns (rejecting) Refused; OutcomeUnknown 4 minutes after it was first sent; Superseded with `latestOnly`; Closed;
   *   TypeError where it is not JSON
   */
  publish(channel: string, data: unknown, options: PublishOptions = {}): Promise<Accepted> {
    if (this.state === 'closed') return Promise.reject(new Closed());
    return this.#publisher.publish(channel, data, options);
  }

  /**
   * Who is subscribed now.
   * @returns (rejecting) Refused, Unanswered after 30 s, Closed
   */
  presence(channel: string): Promise<Presence> {
    if (this.state === 'closed') return Promise.reject(new Closed());
    return new Promise((resolve, reject) => {
      this.#requests.ask({
        frame: { action: 'presence', channel, request: ++this.#lastRequest },
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
    if (this.state === 'closed') return;
    this.#notices.close();
    this.#channels.close();
    this.#lines.close();
    this.#publisher.close();
    this.#requests.close();
  }

  #received(connection: Connection, frame: ServerFrame): void {
    switch (frame.type) {
      case 'message':
      case 'undeliverable':
        this.#channels.receive(frame);
        return;
      case 'messages':
        for (const message of frame.messages) this.#channels.receive(message);
        return;
      case 'error':
        this.#failed(connection, frame);
        return;
      case 'resync':
        this.#channels.resync(connection, frame.channel);
        return;
      case 'notice':
        this.#notices.received(frame.notice, frame.withinMs, connection);
        this.#emit('notice', frame);
        return;
      default:
        this.#lines.worked(connection);
        this.#answered(connection, frame);
    }
  }

  #answered(connection: Connection, frame: ServerFrame): void {
    if (!this.#requests.answered(frame)) this.#channels.answered(connection, frame);
  }

  #failed(connection: Connection, error: ErrorFrame): void {
    if (error.code === 'token_expired' || error.code === 'connection_gone') connection.end(error.code);
    else if (error.request !== undefined) this.#answered(connection, error);
    else {
      this.#requests.failedPerhaps(error);
      this.#channels.failedPerhaps(connection, error);
    }
  }

  #emit<Name extends keyof SteadySocketEvents>(name: Name, event: SteadySocketEvents[Name]): void {
    const listeners = this.#listeners[name] as Set<(event: SteadySocketEvents[Name]) => void>;
    for (const listener of [...listeners]) call(() => listener(event));
  }
}
