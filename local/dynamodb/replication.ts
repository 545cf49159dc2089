import type { Log } from '../aws/service.ts';
import type { Clock } from '../clock.ts';
import { type FaultSource, noFaults } from '../faults/points.ts';
import type { Dynalite, Json } from './dynalite.ts';

export interface ReplicationOptions {
  readonly primary: Pick<Dynalite, 'runTrusted'>;
  readonly replica: Pick<Dynalite, 'runTrusted'>;
  /** Longest time, in milliseconds, that a write takes to show on the replica; each one's is random. */
  readonly lagMs: number;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly clock: Clock;
  readonly faults?: FaultSource;
}

/** `again`: the item was written once more while it was being copied. */
interface PendingCopy {
  /** Undefined while the copy is being made. */
  cancel: (() => void) | undefined;
  again: boolean;
}

/**
 * Brings each written item to the replica after a lag. What is copied is the primary's item at that time, one copy of a
 * key after the other, so the replica never goes back in time.
 */
export class Replication {
  readonly #options: ReplicationOptions;
  readonly #pending = new Map<string, PendingCopy>();
  readonly #copies = new Set<Promise<void>>();
  #closed = false;

  constructor(options: ReplicationOptions) {
    this.#options = options;
  }

  /** An item was written on the primary. */
  written(table: string, key: Json): void {
    const id = JSON.stringify([table, key]);
    const pending = this.#pending.get(id);
    if (!pending) this.#schedule(id, table, key);
    else if (pending.cancel === undefined) pending.again = true;
  }

  /** Drops what is not copied yet; a replica is filled anew at every start. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { cancel } of this.#pending.values()) cancel?.();
    this.#pending.clear();
    await Promise.allSettled(this.#copies);
  }

  #schedule(id: string, table: string, key: Json): void {
    if (this.#closed) return;
    const { lagMs, random, log, clock, faults = noFaults } = this.#options;
    const pending: PendingCopy = { cancel: undefined, again: false };
    const fault = faults.draw('replication', () => ({ table }));
    const begin = () => {
      pending.cancel?.();
      pending.cancel = undefined;
      fault?.ended.removeEventListener('abort', begin);
      if (this.#closed) return;
      const copy = this.#copy(table, key)
        .catch(error =>
          log('error', 'dynamodb', 'an item could not be copied to the replica', { table, error: String(error) }),
        )
        .finally(() => {
          this.#copies.delete(copy);
          this.#pending.delete(id);
          if (pending.again) this.#schedule(id, table, key);
        });
      this.#copies.add(copy);
    };
    pending.cancel = clock.schedule(fault?.lagMs ?? lagMs * random(), begin);
    // What is late because of a fault shows when it ends.
    fault?.ended.addEventListener('abort', begin, { once: true });
    this.#pending.set(id, pending);
  }

  async #copy(table: string, key: Json): Promise<void> {
    const { primary, replica } = this.#options;
    const { Item } = await primary.runTrusted('GetItem', { TableName: table, Key: key });
    if (Item) await replica.runTrusted('PutItem', { TableName: table, Item });
    else await replica.runTrusted('DeleteItem', { TableName: table, Key: key });
  }
}
