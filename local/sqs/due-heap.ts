interface Entry<T> {
  readonly at: number;
  readonly value: T;
}

/** Binary heap of values by due time, earliest first. */
export class DueHeap<T> {
  readonly #entries: Entry<T>[] = [];

  /** Earliest due time in epoch milliseconds, or undefined when empty. */
  get nextAt(): number | undefined {
    return this.#entries[0]?.at;
  }

  push(at: number, value: T): void {
    const entries = this.#entries;
    const entry = { at, value };
    let index = entries.length;
    entries.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = entries[parentIndex] as Entry<T>;
      if (parent.at <= at) break;
      entries[index] = parent;
      index = parentIndex;
    }
    entries[index] = entry;
  }

  /** Takes the earliest value out if it is due at `now`. */
  popDue(now: number): Entry<T> | undefined {
    const entries = this.#entries;
    const top = entries[0];
    if (!top || top.at > now) return undefined;
    const last = entries.pop() as Entry<T>;
    if (entries.length > 0) this.#sink(last);
    return top;
  }

  #sink(entry: Entry<T>): void {
    const entries = this.#entries;
    const { length } = entries;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= length) break;
      const right = childIndex + 1;
      if (right < length && (entries[right] as Entry<T>).at < (entries[childIndex] as Entry<T>).at) childIndex = right;
      const child = entries[childIndex] as Entry<T>;
      if (child.at >= entry.at) break;
      entries[index] = child;
      index = childIndex;
    }
    entries[index] = entry;
  }
}
