import { type Random, randomOf } from './random.ts';

/**
 * What can go wrong, and how often it does at most: the chance at each opportunity, which the comment names. A history has
 * some of them, at a share of this.
 */
export const faultChances = {
  /** Before each call of an invocation: the rest of it never runs. */
  crash: 0.04,
  /** Each call to the store or the queue: it is refused. */
  refusedCall: 0.03,
  /** Each call to the store or the queue: it is done, and its answer lost. */
  lostAnswer: 0.03,
  /** Each call takes seconds. */
  slowCall: 0.02,
  /** Each receive: its visibility ends while the consumer works. */
  zombie: 0.3,
  /** Each receive: two invocations are given the same messages at once. */
  doubled: 0.15,
  /** Each receive: there is little time. */
  shortOfTime: 0.25,
  /** Each eventually consistent read: the control record, the indexes. */
  staleRead: 0.5,
  /** Each post: the gateway refuses it because of the rate, … */
  postThrottled: 0.05,
  /** … fails, … */
  postFailed: 0.04,
  /** … or does not answer in time, and may have delivered it. */
  postTimeout: 0.03,
  /** Each post: it is said to be delivered, and is lost. */
  lostPost: 0.06,
  /** Each frame to a client is overtaken by later ones. */
  latePost: 0.15,
  /** Each DELETE of a connection is refused. */
  refusedClose: 0.4,
  /** Each frame of a client is overtaken by later ones. */
  lateFrame: 0.15,
  /** Each frame of a client is lost. */
  lostFrame: 0.05,
  /** Each answer to a frame of a client is lost. */
  lostReply: 0.06,
  /** Each frame of a client is refused because of the rate. */
  rateLimited: 0.04,
  /** Each `$disconnect` comes up to minutes late. */
  lateDisconnect: 0.5,
  /** Each `$disconnect` never comes. */
  lostDisconnect: 0.3,
  /** Each handshake fails. */
  refusedConnect: 0.15,
  /** Some times in a history: a socket is cut, … */
  cut: 1,
  /** … cut so that one side does not notice, … */
  halfOpen: 1,
  /** … the gateway refuses all posts for a while, … */
  outage: 1,
  /** … a consumer dies, and its queue is not read for longer than the log keeps messages, … */
  stall: 1,
  /** … an application begins anew from the position that it kept, … */
  restart: 1,
  /** … it leaves a channel, and comes back, … */
  leave: 1,
  /** … clients are told to connect anew, … */
  replaced: 1,
  /** … an operator has the silent closed, … */
  evicted: 1,
  /** … the backlog is flushed, … */
  flush: 1,
  /** … everybody is drained, … */
  drain: 1,
  /** … heartbeats are not written for a while, … */
  degraded: 1,
  /** … channels are spread over more shards. */
  moreShards: 1,
  /** Each publication is one that the store refuses. */
  refusedItem: 0.15,
  /** The log expires within minutes, a few visibilities; a service's does so after ten minutes at least. */
  expiry: 1,
} as const;

export type Fault = keyof typeof faultChances;
export const allFaults = Object.keys(faultChances) as Fault[];

/** Those that happen at times of their own, not at an opportunity. */
export const timedFaults = [
  'cut',
  'halfOpen',
  'outage',
  'stall',
  'restart',
  'leave',
  'replaced',
  'evicted',
  'flush',
  'drain',
  'degraded',
  'moreShards',
] as const satisfies readonly Fault[];

/** Decides at each opportunity whether a fault happens, and numbers those that do, so that single ones can be left out. */
export class Faults {
  readonly counts = new Map<Fault, number>();
  readonly #rates: Readonly<Partial<Record<Fault, number>>>;
  readonly #without: ReadonlySet<number>;
  readonly #streams: ReadonlyMap<Fault, Random>;
  #number = 0;
  #over = false;

  /** @param rates share of the most that there can be, 0 to 1 */
  constructor(seed: number, rates: Readonly<Partial<Record<Fault, number>>>, without: readonly number[]) {
    this.#rates = rates;
    this.#without = new Set(without);
    this.#streams = new Map(allFaults.map(fault => [fault, randomOf(seed, fault)]));
  }

  /** How many there were, those included that were left out. */
  get number(): number {
    return this.#number;
  }

  /** From now on nothing goes wrong. */
  end(): void {
    this.#over = true;
  }

  get over(): boolean {
    return this.#over;
  }

  happens(fault: Fault): boolean {
    const rate = this.#rates[fault] ?? 0;
    if (this.#over || rate === 0) return false;
    const stream = this.#streams.get(fault) as Random;
    return stream() < rate * faultChances[fault] && this.take(fault);
  }

  /** Numbers a fault that is due. @returns false where it is to be left out */
  take(fault: Fault): boolean {
    const number = this.#number;
    this.#number += 1;
    if (this.#without.has(number)) return false;
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
    return true;
  }
}
