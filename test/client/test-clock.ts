import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../client/index.ts';

/** Time that stands still until a test moves it, and chance that repeats. */
export class TestClock implements Clock {
  readonly random: () => number;
  #now = Date.UTC(2030, 0, 1);
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  constructor(random: () => number = () => 0.5) {
    this.random = random;
  }

  now(): number {
    return this.#now;
  }

  get timers(): number {
    return this.#timers.size;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Runs what is due, and what follows from it by promises, in order of time. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      let due: { readonly at: number; readonly run: () => void } | undefined;
      for (const timer of this.#timers) if (timer.at <= end && (!due || timer.at < due.at)) due = timer;
      if (!due) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
      await settle();
    }
    this.#now = end;
  }

  /** As when a machine sleeps: time passes, no timer runs. */
  sleep(ms: number): void {
    this.#now += ms;
  }
}

/** Lets promises that can settle do so: a macrotask comes after all microtasks. */
const settle = () => setImmediate();
