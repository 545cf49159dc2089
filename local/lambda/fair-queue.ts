/**
 * Lets those who wait take turns: one of each key, then the next of each. On AWS nobody waits for another's invocations,
 * since each gets an environment of its own; where they must share a few, one client's thousands must not hold up the rest.
 */
export class FairQueue<T> {
  readonly #lines = new Map<string, T[]>();

  push(key: string, waiting: T): void {
    const line = this.#lines.get(key);
    if (line) line.push(waiting);
    else this.#lines.set(key, [waiting]);
  }

  /** The next whose turn it is; undefined where nobody waits. */
  shift(): T | undefined {
    const next = this.#lines.entries().next();
    if (next.done) return undefined;
    const [key, line] = next.value;
    const first = line.shift();
    // To the end, where it has more: a Map keeps the order in which keys came.
    this.#lines.delete(key);
    if (line.length > 0) this.#lines.set(key, line);
    return first;
  }
}
