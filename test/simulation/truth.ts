import type { LogEntry } from '../../lambdas/shared/message-log.ts';
import { cursorOf, origin } from '../../lambdas/shared/protocol.ts';
import type { QueuedPublication } from '../lambdas/in-memory.ts';
import type { World } from './world.ts';

/** A message that the store refuses. */
export const refusedData = 'refused';

interface Accepted {
  readonly cursor: string;
  readonly id: string;
  readonly isRefused: boolean;
  /** When it came into the log, epoch milliseconds. */
  appendedAt: number | undefined;
}

/** What was accepted, in its order: what the log must hold, and every subscriber see. */
export class Truth {
  readonly #world: World;
  readonly #channels = new Map<string, Accepted[]>();
  readonly #ids = new Set<string>();
  readonly #lastOf = new Map<string, number>();
  readonly retentionMs: number;

  constructor(world: World, retentionMs: number) {
    this.#world = world;
    this.retentionMs = retentionMs;
  }

  of(channel: string): readonly Accepted[] {
    const accepted = this.#channels.get(channel) ?? [];
    this.#channels.set(channel, accepted);
    return accepted;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  last(channel: string): string {
    return this.of(channel).at(-1)?.cursor ?? origin;
  }

  /** −1 for the position before the first; undefined where there is no such message. */
  indexOf(channel: string, cursor: string): number | undefined {
    if (cursor === origin) return -1;
    const index = this.of(channel).findIndex(accepted => accepted.cursor === cursor);
    return index < 0 ? undefined : index;
  }

  isExpired({ appendedAt }: Accepted): boolean {
    return appendedAt !== undefined && appendedAt + this.retentionMs <= this.#world.now();
  }

  isExpiredAt(channel: string, cursor: string): boolean {
    return this.of(channel).some(accepted => accepted.cursor === cursor && this.isExpired(accepted));
  }

  /** The queue took it. Its id is the publisher, and which of its messages of the channel it is. */
  accept({ publication, sequenceNumber }: QueuedPublication): void {
    if ('resync' in publication) {
      this.#world.count('flush marker');
      return;
    }
    const { channel, id, data } = publication;
    const accepted = this.of(channel) as Accepted[];
    accepted.push({ cursor: cursorOf(sequenceNumber), id, isRefused: data === refusedData, appendedAt: undefined });
    this.#world.count('message accepted');
    this.#world.tell(() => `accepted ${id} at ${sequenceNumber.slice(-5)}`);
    if (this.#ids.has(id)) this.#world.violate(`${id} is accepted twice`);
    this.#ids.add(id);
    const [publisher, number] = id.split('#');
    const last = this.#lastOf.get(`${publisher} ${channel}`) ?? -1;
    if (Number(number) <= last) this.#world.violate(`${id} comes after ${publisher}#${last}`);
    this.#lastOf.set(`${publisher} ${channel}`, Number(number));
  }

  /**
   * The store is about to append it: the log is a list without a gap, linked by `previous`. What has expired before its
   * consumer was done can come again, in its old place.
   */
  append(entry: LogEntry): void {
    const { channel, cursor, previous } = entry;
    const all = this.of(channel);
    const next = all.find(accepted => accepted.appendedAt === undefined);
    const place = all.find(accepted => accepted.cursor === cursor);
    const before = place && all[all.indexOf(place) - 1]?.cursor;
    const told = `the log of ${channel} takes ${cursor.slice(-5)} after ${previous?.slice(-5)}`;
    if (!place || (place !== next && !this.isExpired(place)))
      this.#world.violate(`${told}, and the next one is ${next?.cursor.slice(-5) ?? 'none'}`);
    else if ((before ?? null) !== previous) this.#world.violate(`${told}, and not after ${before?.slice(-5)}`);
    else if ('undeliverable' in entry !== place.isRefused) this.#world.violate(`${told} as what it is not`);
    else place.appendedAt = this.#world.now();
  }
}
