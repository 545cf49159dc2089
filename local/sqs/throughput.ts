import { AwsError } from '../aws/service.ts';

/** The API actions that SQS counts; a batch is one call of its action. */
export type CountedAction = 'SendMessage' | 'ReceiveMessage' | 'DeleteMessage' | 'ChangeMessageVisibility';

/**
 * "Amazon SQS message quotas": 300 calls per second and action for a FIFO queue without high throughput, and for each
 * partition of one with it. Only AWS knows which groups share a partition; here each group counts for itself.
 */
const callsPerSecond = 300;

/**
 * Calls per second and action that a queue with high throughput takes: "Amazon SQS message quotas", transaction
 * throughput limits of non-batching API calls.
 */
export function highThroughputCallsPerSecond(region: string): number {
  if (['us-east-1', 'us-west-2', 'eu-west-1'].includes(region)) return 70_000;
  if (['us-east-2', 'eu-central-1'].includes(region)) return 19_000;
  if (['ap-south-1', 'ap-southeast-1', 'ap-southeast-2', 'ap-northeast-1'].includes(region)) return 9_000;
  if (['eu-west-2', 'sa-east-1'].includes(region)) return 4_500;
  return 2_400;
}

/** Counts calls of one second at a time, by key. */
class SecondCounter {
  #second = Number.NaN;
  readonly #counts = new Map<string, number>();

  count(key: string, now: number): number {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#counts.clear();
    }
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return count;
  }
}

/** The throughput quotas of one FIFO queue. Standard queues have practically none. */
export class FifoThroughput {
  readonly #highThroughput: number | undefined;
  readonly #counter = new SecondCounter();

  /** @param highThroughput calls per second and action, or undefined for a queue without high throughput. */
  constructor(highThroughput: number | undefined) {
    this.#highThroughput = highThroughput;
  }

  /**
   * Counts one call that concerns messages of `groups` (none for a receive).
   * @throws AwsError `ThrottlingException`, as "Troubleshoot FIFO throttling issues in Amazon SQS" has it.
   */
  admit(action: CountedAction, groups: Iterable<string>, now: number): void {
    this.#check(action, this.#highThroughput ?? callsPerSecond, now);
    if (this.#highThroughput === undefined) return;
    for (const group of new Set(groups)) this.#check(`${action}/${group}`, callsPerSecond, now);
  }

  #check(key: string, limit: number, now: number): void {
    if (this.#counter.count(key, now) > limit)
      throw new AwsError('ThrottlingException', `Rate exceeded: ${limit} calls per second of ${key.split('/')[0]}`);
  }
}
