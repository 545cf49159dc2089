import type { Clock } from '../../client/index.ts';
import type { Random } from './random.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

const isBefore = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Virtual time: what is due next happens next, and all that follows from it by promises, before time goes on. */
export class Timeline {
  readonly #heap: Event[] = [];
  #now: number;
  #order = 0;

  /** @param now epoch milliseconds */
  constructor(now: number) {
    this.#now = now;
  }

  /** Epoch milliseconds, whole ones. */
  now(): number {
    return Math.floor(this.#now);
  }

  /** @returns what takes it back */
  after(ms: number, run: () => void): () => void {
    this.#order += 1;
    const event: Event = { at: this.#now + Math.max(0, ms), order: this.#order, run, cancelled: false };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  wait(ms: number): Promise<void> {
    return new Promise(resolve => this.after(ms, resolve));
  }

  clock(random: Random): Clock {
    return { now: () => this.now(), after: (ms, run) => this.after(ms, run), random };
  }

  /** @param until ends it early */
  async advance(ms: number, until: () => boolean = () => false): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (let next = this.#heap[0]; next && next.at <= end && !until(); next = this.#heap[0]) {
      this.#pop();
      if (next.cancelled) continue;
      this.#now = next.at;
      next.run();
      await settled();
    }
    if (!until()) this.#now = Math.max(this.#now, end);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Event;
      if (!isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      const below = heap[child] as Event;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

/** A tick runs when no promise is left that can settle; nothing here waits for anything outside of this thread. */
const settled = (): Promise<void> => new Promise(resolve => process.nextTick(resolve));
