/** What was measured in some time: the figures that every statistic but percentiles can be told from. */
export interface StatisticSet {
  readonly sampleCount: number;
  readonly sum: number;
  readonly minimum: number;
  readonly maximum: number;
}

/** Distinct values of one aggregate up to which each is kept; beyond, percentiles are right to 3 significant digits. */
const maxDistinctValues = 2_000;
const coarseDigits = 3;

/** The samples of one metric in one span of time. */
export class Aggregate {
  #sampleCount = 0;
  #sum = 0;
  #minimum = Number.POSITIVE_INFINITY;
  #maximum = Number.NEGATIVE_INFINITY;
  /** How often each value came; undefined once samples came whose values are not known. */
  #values: Map<number, number> | undefined = new Map();
  #coarse = false;

  /** An aggregate of one value. */
  static of(value: number, count = 1): Aggregate {
    const aggregate = new Aggregate();
    aggregate.add(value, count);
    return aggregate;
  }

  get sampleCount(): number {
    return this.#sampleCount;
  }

  get set(): StatisticSet {
    return { sampleCount: this.#sampleCount, sum: this.#sum, minimum: this.#minimum, maximum: this.#maximum };
  }

  add(value: number, count = 1): void {
    this.#extend({ sampleCount: count, sum: value * count, minimum: value, maximum: value });
    this.#remember(value, count);
  }

  /** Adds samples whose values are not known, unless they are all the same. */
  addSet(set: StatisticSet): void {
    if (set.sampleCount === 0) return;
    this.#extend(set);
    if (set.minimum === set.maximum) this.#remember(set.minimum, set.sampleCount);
    else this.#values = undefined;
  }

  merge(other: Aggregate): void {
    if (other.#sampleCount === 0) return;
    this.#extend(other.set);
    if (!other.#values) this.#values = undefined;
    else for (const [value, count] of other.#values) this.#remember(value, count);
  }

  /** The same without its values: percentiles are lost. */
  summary(): Aggregate {
    const summary = new Aggregate();
    summary.#extend(this.set);
    summary.#values = undefined;
    return summary;
  }

  /**
   * The value that `share` of the samples do not exceed (nearest rank); undefined where the values are not known
   * ("CloudWatch statistics definitions": no percentiles of statistic sets).
   * @param share from 0 to 1
   */
  percentile(share: number): number | undefined {
    if (this.#sampleCount === 0 || !this.#values) return undefined;
    const rank = share * this.#sampleCount;
    let seen = 0;
    for (const [value, count] of [...this.#values].sort(([a], [b]) => a - b)) {
      seen += count;
      if (seen >= rank) return value;
    }
    return this.#maximum;
  }

  #extend({ sampleCount, sum, minimum, maximum }: StatisticSet): void {
    this.#sampleCount += sampleCount;
    this.#sum += sum;
    this.#minimum = Math.min(this.#minimum, minimum);
    this.#maximum = Math.max(this.#maximum, maximum);
  }

  #remember(value: number, count: number): void {
    if (!this.#values) return;
    if (!this.#coarse && this.#values.size >= maxDistinctValues) {
      const fine = this.#values;
      this.#values = new Map();
      this.#coarse = true;
      for (const [each, times] of fine) this.#remember(each, times);
    }
    const key = this.#coarse ? Number(value.toPrecision(coarseDigits)) : value;
    this.#values.set(key, (this.#values.get(key) ?? 0) + count);
  }
}
