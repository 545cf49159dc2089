import type { Clock } from './clock.ts';
import { UnreadableFrame } from './errors.ts';
import { type ClientFrame, readFrame, type ServerFrame, subprotocol } from './frames.ts';
import { tokenExpiry } from './token-expiry.ts';

/** What this library uses of a WebSocket: the browser's, Node's, and that of the package `ws` have it. */
export interface WebSocketLike {
  addEventListener(type: 'open' | 'close' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  send(text: string): void;
  close(code?: number): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface ConnectionOptions {
  readonly url: string;
  readonly token: () => Promise<string> | string;
  readonly WebSocket: WebSocketConstructor;
  readonly clock: Clock;
  /** Between two heartbeats, in milliseconds. */
  readonly heartbeatIntervalMs: number;
  /** A heartbeat after which nothing is heard for so long has lost its connection, in milliseconds. */
  readonly heartbeatTimeoutMs: number;
  /** For the token and the handshake together, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** More frames than this are held back for the next second. */
  readonly framesPerSecond: number;
}

export interface ConnectionEvents {
  opened(): void;
  frame(frame: ServerFrame): void;
  unreadable(error: UnreadableFrame): void;
  /** Once, whoever ended it, except by `close`. `cause` is what `token` threw. */
  ended(reason: string, cause?: unknown): void;
}

/** One WebSocket from the token to its end. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #waiting: { readonly text: string; sent(): void }[] = [];
  readonly #cancel = new Map<'connect' | 'heartbeat' | 'silence' | 'pace', () => void>();
  #socket: WebSocketLike | undefined;
  #tokenExpiresAt: number | undefined;
  #allowance: number;
  #allowanceAt = 0;
  #ended = false;

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#allowance = options.framesPerSecond;
    this.#after('connect', options.connectTimeoutMs, () => this.end('not connected in time'));
    // `Promise.resolve().then`, so that a token that throws at once ends it as one that rejects does.
    Promise.resolve()
      .then(options.token)
      .then(
        token => this.#connect(token),
        (cause: unknown) => this.end('no token', cause),
      );
  }

  /** Epoch milliseconds; undefined before there is a token, and where it does not say. */
  get tokenExpiresAt(): number | undefined {
    return this.#tokenExpiresAt;
  }

  /**
   * Sends when the rate allows it, in order. What is not sent when the connection ends is gone.
   * @param sent called when it is: with many channels to resume, that can be seconds later
   */
  send(frame: ClientFrame, sent: () => void): void {
    if (this.#ended) return;
    this.#waiting.push({ text: JSON.stringify(frame), sent });
    this.#drain();
  }

  /** Closes it because it is of no use any more, and tells. */
  end(reason: string, cause?: unknown): void {
    if (this.#ended) return;
    this.close();
    this.#events.ended(reason, cause);
  }

  /**
   * Closes it. Nothing of it is heard again, also if the network keeps the socket from closing.
   * @param code tells the service why, where it is to know
   */
  close(code?: number): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const cancel of this.#cancel.values()) cancel();
    this.#socket?.close(code);
  }

  #connect(token: string): void {
    if (this.#ended) return;
    this.#tokenExpiresAt = tokenExpiry(token);
    let socket: WebSocketLike;
    try {
      socket = new this.#options.WebSocket(this.#options.url, [subprotocol, `bearer.${token}`]);
    } catch (cause) {
      // A URL or token that no WebSocket takes.
      this.end('no WebSocket', cause);
      return;
    }
    this.#socket = socket;
    socket.addEventListener('open', () => {
      if (this.#ended) return;
      this.#cancel.get('connect')?.();
      this.#beatLater();
      this.#events.opened();
    });
    socket.addEventListener('message', ({ data }) => {
      if (!this.#ended) this.#heard(data);
    });
    socket.addEventListener('close', () => this.end('closed'));
    // Tells nothing, and the close follows; without a listener some implementations throw.
    socket.addEventListener('error', () => {});
  }

  #heard(data: unknown): void {
    this.#cancel.get('silence')?.();
    this.#cancel.delete('silence');
    let frame: ServerFrame;
    try {
      frame = readFrame(String(data));
    } catch {
      this.#events.unreadable(new UnreadableFrame('the server sent what is no frame'));
      return;
    }
    this.#events.frame(frame);
  }

  #beatLater(): void {
    this.#after('heartbeat', this.#options.heartbeatIntervalMs, () => {
      this.#socket?.send(JSON.stringify({ action: 'heartbeat' } satisfies ClientFrame));
      if (!this.#cancel.has('silence')) {
        this.#after('silence', this.#options.heartbeatTimeoutMs, () => this.end('silent'));
      }
      this.#beatLater();
    });
  }

  #drain(): void {
    const { clock, framesPerSecond } = this.#options;
    const now = clock.now();
    const elapsedMs = Math.max(0, now - this.#allowanceAt);
    this.#allowance = Math.min(framesPerSecond, this.#allowance + (elapsedMs * framesPerSecond) / 1000);
    this.#allowanceAt = now;
    while (this.#allowance >= 1) {
      const next = this.#waiting.shift();
      if (!next) break;
      this.#allowance--;
      this.#socket?.send(next.text);
      next.sent();
    }
    if (this.#waiting.length > 0) {
      this.#after('pace', Math.ceil(((1 - this.#allowance) * 1000) / framesPerSecond), () => this.#drain());
    }
  }

  #after(name: 'connect' | 'heartbeat' | 'silence' | 'pace', ms: number, run: () => void): void {
    this.#cancel.get(name)?.();
    const cancel = this.#options.clock.after(ms, () => {
      this.#cancel.delete(name);
      run();
    });
    this.#cancel.set(name, cancel);
  }
}
