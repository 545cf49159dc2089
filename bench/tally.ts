/** What one subscriber has received of a channel whose messages are numbered from 0. */
export class Tally {
  readonly #received = new Set<number>();
  #highest = -1;
  #next = 0;
  duplicates = 0;
  outOfOrder = 0;

  take(n: number): void {
    if (this.#received.has(n)) {
      this.duplicates += 1;
      return;
    }
    if (n < this.#highest) this.outOfOrder += 1;
    this.#received.add(n);
    this.#highest = Math.max(this.#highest, n);
    while (this.#received.has(this.#next)) this.#next += 1;
  }

  get received(): number {
    return this.#received.size;
  }

  /** Those among the expected that have not come. @param expected rising */
  missing(expected: readonly number[]): number[] {
    // Nothing before `next` is missing: runs are long, and this is asked at each reconnect.
    return expected.slice(firstAtOrAfter(expected, this.#next)).filter(n => !this.#received.has(n));
  }
}

function firstAtOrAfter(rising: readonly number[], n: number): number {
  let low = 0;
  let high = rising.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rising[middle] as number) < n) low = middle + 1;
    else high = middle;
  }
  return low;
}
