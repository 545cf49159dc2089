import type { Clock } from './clock.ts';

/** Notices that ask for another connection, and what is done for it. */
const replacing = { reconnect: 'replace', server_shutdown: 'leave' } as const;
const asksToReplace = (notice: string): notice is keyof typeof replacing => Object.hasOwn(replacing, notice);

export interface NoticesEvents<Source> {
  /** The connection is to be replaced now. */
  replace(source: Source): void;
  /** The connection is to be closed now, and another one opened when the service takes it. */
  leave(source: Source): void;
  /** The application is to fetch its state anew now. */
  refresh(): void;
}

/** Does what the service tells all clients to do, each at a moment of its own within the time that is given. */
export class Notices<Source> {
  readonly #clock: Clock;
  readonly #spreadMs: number;
  readonly #events: NoticesEvents<Source>;
  readonly #replacements = new Map<Source, () => void>();
  #cancelRefresh: (() => void) | undefined;

  /** @param spreadMs where a notice does not say within which time */
  constructor(clock: Clock, spreadMs: number, events: NoticesEvents<Source>) {
    this.#clock = clock;
    this.#spreadMs = spreadMs;
    this.#events = events;
  }

  /** Unknown notices are for clients to come. */
  received(notice: string, withinMs: number | undefined, source: Source): void {
    const waitMs = this.#clock.random() * (withinMs ?? this.#spreadMs);
    if (notice === 'refresh') {
      this.#cancelRefresh ??= this.#clock.after(waitMs, () => {
        this.#cancelRefresh = undefined;
        this.#events.refresh();
      });
    } else if (asksToReplace(notice) && !this.#replacements.has(source)) {
      const cancel = this.#clock.after(waitMs, () => {
        this.#replacements.delete(source);
        this.#events[replacing[notice]](source);
      });
      this.#replacements.set(source, cancel);
    }
  }

  /** There is nothing left to replace. */
  discarded(source: Source): void {
    this.#replacements.get(source)?.();
    this.#replacements.delete(source);
  }

  close(): void {
    this.#cancelRefresh?.();
  }
}
