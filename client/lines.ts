import { type Backoff, fullJitter } from './backoff.ts';
import type { Clock } from './clock.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { ConnectionLost, type SteadySocketError } from './errors.ts';
import { plannedClose, type ServerFrame } from './frames.ts';

/** `waiting` is for the next attempt; `closed` is for good. */
export type State = 'connecting' | 'open' | 'waiting' | 'closed';

export interface LinesOptions extends Omit<ConnectionOptions, 'token'> {
  readonly token: (failures: number) => Promise<string> | string;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly replaceAfterMs: readonly [from: number, to: number];
}

export interface LinesEvents {
  /** It can be used. */
  opened(connection: Connection): void;
  /** Whether everything was resumed on it that the one before it carries. */
  isReady(connection: Connection): boolean;
  /** Requests go over it from now on, or over none. */
  chosen(connection: Connection | undefined): void;
  /** Nothing is sent or heard on it any more. */
  discarded(connection: Connection): void;
  frame(connection: Connection, frame: ServerFrame): void;
  state(state: State): void;
  error(error: SteadySocketError): void;
}

/** A connection is replaced before the token of it ends, this much of what is left of its time before that. */
const tokenMargin = [0.1, 0.25] as const;
/** A token that is about to end is tried all the same, and not every moment. */
const minReplaceMs = 10_000;

interface Line {
  readonly connection: Connection;
  open: boolean;
  /** When it was opened, for its replacement. */
  cancelReplacement: () => void;
}

/** Keeps one connection open, and a second one while it takes the place of the first. */
export class Lines {
  readonly #options: LinesOptions;
  readonly #events: LinesEvents;
  /** What requests go over. */
  #line: Line | undefined;
  /** What becomes the line, or replaces it once it has resumed all channels. */
  #next: Line | undefined;
  #cancelRetry: (() => void) | undefined;
  #failures = 0;
  /** Attempts in a row that came to no connection. */
  #unopened = 0;
  #state: State = 'connecting';

  constructor(options: LinesOptions, events: LinesEvents) {
    this.#options = options;
    this.#events = events;
  }

  get state(): State {
    return this.#state;
  }

  /** What can be used, the one that requests go over first. */
  get open(): readonly Connection[] {
    const open: Connection[] = [];
    for (const line of [this.#line, this.#next]) if (line?.open) open.push(line.connection);
    return open;
  }

  /** Opens a connection, which replaces the one that is open when it is ready. */
  connect(): void {
    if (this.#next || this.#cancelRetry || this.#state === 'closed') return;
    const options = { ...this.#options, token: () => this.#options.token(this.#unopened) };
    const line: Line = {
      connection: new Connection(options, {
        opened: () => {
          line.open = true;
          this.#unopened = 0;
          this.#events.opened(line.connection);
          if (this.#line) this.replaceIfReady();
          else this.#promote();
        },
        frame: frame => this.#events.frame(line.connection, frame),
        unreadable: error => this.#events.error(error),
        ended: (reason, cause) => this.#ended(line, reason, cause),
      }),
      open: false,
      cancelReplacement: () => {},
    };
    this.#next = line;
    this.#tellState();
  }

  /** To be called when the service has done something on a connection: if it is the newest, the next failure is a new one. */
  worked(connection: Connection): void {
    if (connection === (this.#next ?? this.#line)?.connection && !this.#cancelRetry) this.#failures = 0;
  }

  /** Overlap: the old connection delivers until the new one has brought every channel to the present. */
  replaceIfReady(): void {
    if (this.#next?.open && this.#events.isReady(this.#next.connection)) this.#promote();
  }

  close(): void {
    this.#cancelRetry?.();
    for (const line of [this.#line, this.#next]) if (line) this.#discard(line);
    this.#line = undefined;
    this.#next = undefined;
    this.#setState('closed');
  }

  /** Closes a connection as planned, and opens another after a while where it was the one in use. */
  leave(connection: Connection): void {
    const line = [this.#line, this.#next].find(candidate => candidate?.connection === connection);
    if (line) this.#gone(line, plannedClose);
  }

  #promote(): void {
    const line = this.#next;
    if (!line) return;
    const old = this.#line;
    this.#line = line;
    this.#next = undefined;
    line.cancelReplacement = this.#options.clock.after(this.#lifeMs(line.connection), () => this.connect());
    this.#events.chosen(line.connection);
    if (old) this.#discard(old, plannedClose);
    this.#tellState();
  }

  #lifeMs({ tokenExpiresAt }: Connection): number {
    const { clock, replaceAfterMs } = this.#options;
    const between = ([from, to]: readonly [number, number]) => from + clock.random() * (to - from);
    const lifeMs = between(replaceAfterMs);
    const leftMs = (tokenExpiresAt ?? 0) - clock.now();
    // No time left: it was accepted all the same, so the clock is wrong here.
    if (leftMs <= 0) return lifeMs;
    return Math.min(lifeMs, Math.max(minReplaceMs, leftMs * (1 - between(tokenMargin))));
  }

  #discard(line: Line, code?: number): void {
    line.cancelReplacement();
    this.#events.discarded(line.connection);
    line.connection.close(code);
  }

  #ended(line: Line, reason: string, cause: unknown): void {
    if (!line.open) this.#unopened++;
    this.#gone(line);
    this.#events.error(new ConnectionLost(reason, { cause }));
  }

  #gone(line: Line, code?: number): void {
    this.#discard(line, code);
    if (line === this.#next) {
      this.#next = undefined;
      this.#retry();
    } else if (line === this.#line) {
      this.#line = undefined;
      this.#events.chosen(undefined);
      if (this.#next?.open) this.#promote();
      else this.#retry();
      this.#tellState();
    }
  }

  /** Opens after a while, unless something is under way. */
  #retry(): void {
    if (this.#next || this.#cancelRetry || this.#state === 'closed') return;
    const { clock, backoff } = this.#options;
    this.#cancelRetry = clock.after(fullJitter(this.#failures++, backoff, clock), () => {
      this.#cancelRetry = undefined;
      this.connect();
    });
    this.#tellState();
  }

  #tellState(): void {
    if (this.#state === 'closed') return;
    this.#setState(this.#line ? 'open' : this.#next ? 'connecting' : 'waiting');
  }

  #setState(state: State): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#events.state(state);
  }
}
