import type { SQSBatchResponse } from 'aws-lambda';
import type { OrderedQueue, Queued } from '../lambdas/in-memory.ts';
import { Invocation } from './invocation.ts';
import { between, integer, shuffled } from './random.ts';
import { InjectedFault, type World } from './world.ts';

/** The function's timeout and the queue's visibility, six times that as in the template; shorter here, which changes nothing. */
const timeoutMs = 5_000;
const visibilityMs = 6 * timeoutMs;
/** "Amazon SQS event source": records of a batch. */
const maxBatch = 10;

interface Receipt {
  /** Which receive this is of the message. */
  readonly receive: number;
  readonly visibleAt: number;
}

export interface Consumer {
  readonly invocation: Invocation;
  readonly deadline: number;
  /** Makes received messages visible again after so many seconds. @throws Error where they were received again since */
  changeVisibility(seconds: number, receiptHandles: readonly string[]): Promise<void>;
}

export interface EventSourceOptions<Entry extends Queued> {
  readonly name: string;
  readonly queue: OrderedQueue<Entry>;
  readonly bodyOf: (entry: Entry) => string;
  /** Invocations at once. */
  readonly concurrency: number;
  readonly handle: (event: unknown, consumer: Consumer) => Promise<SQSBatchResponse>;
}

/**
 * A FIFO queue with the function that reads it. A group is given out in order, and no more of it while some is; batches have
 * any boundaries and mix groups; what is not deleted when its visibility ends is given out again, also while the first
 * consumer goes on.
 */
export class EventSource<Entry extends Queued> {
  readonly #world: World;
  readonly #options: EventSourceOptions<Entry>;
  readonly #receipts = new Map<string, Receipt>();
  #running = 0;
  #pausedUntil = 0;

  constructor(world: World, options: EventSourceOptions<Entry>) {
    this.#world = world;
    this.#options = options;
  }

  get isEmpty(): boolean {
    return [...this.#options.queue.groups.values()].every(entries => entries.length === 0);
  }

  /** Receives nothing for so long, so that a backlog grows. */
  pause(ms: number): void {
    this.#pausedUntil = this.#world.now() + ms;
    this.#world.timeline.after(ms, () => this.poll());
  }

  /** To be called when there may be something to receive. */
  poll(): void {
    this.#world.timeline.after(this.#world.latency(), () => this.#receive());
  }

  #isVisible = ({ sequenceNumber }: Entry): boolean =>
    (this.#receipts.get(sequenceNumber)?.visibleAt ?? 0) <= this.#world.now();

  #receive(): void {
    const { concurrency, queue, bodyOf, name } = this.#options;
    if (this.#running >= concurrency || this.#world.now() < this.#pausedUntil) return;
    const { chance, faults } = this.#world;
    const free = [...queue.groups].filter(([, entries]) => entries.length > 0 && entries.every(this.#isVisible));
    let left = integer(chance, 1, maxBatch);
    const isZombie = faults.happens('zombie');
    const visibleAt = this.#world.now() + (isZombie ? between(chance, 5, 1_500) : visibilityMs);
    const Records: object[] = [];
    for (const [group, entries] of shuffled(chance, free)) {
      const taken = entries.slice(0, integer(chance, 0, left));
      left -= taken.length;
      for (const entry of taken) {
        const { sequenceNumber, sentAt } = entry;
        const receive = (this.#receipts.get(sequenceNumber)?.receive ?? 0) + 1;
        if (receive > 1) this.#world.count('redelivery');
        this.#receipts.set(sequenceNumber, { receive, visibleAt });
        Records.push({
          messageId: sequenceNumber,
          receiptHandle: `${sequenceNumber} ${receive}`,
          body: bodyOf(entry),
          eventSourceARN: name,
          attributes: {
            SequenceNumber: sequenceNumber,
            MessageGroupId: group,
            ApproximateReceiveCount: String(receive),
            SentTimestamp: String(sentAt),
          },
        });
      }
    }
    if (Records.length === 0) {
      if (free.length > 0) this.poll();
      return;
    }
    this.#world.count('receive');
    // Others may have come meanwhile, or there may be other groups.
    this.poll();
    this.#world.timeline.after(visibleAt - this.#world.now(), () => this.poll());
    this.#invoke(Records);
    if (faults.happens('doubled')) this.#invoke(Records);
  }

  async #invoke(Records: readonly object[]): Promise<void> {
    const world = this.#world;
    const { name, handle } = this.#options;
    this.#running += 1;
    const invocation = new Invocation(world, name, timeoutMs);
    world.tell(
      () => `${name} receives ${Records.map(record => (record as { messageId: string }).messageId.slice(-5))}`,
    );
    const consumer: Consumer = {
      invocation,
      deadline: world.now() + timeoutMs,
      changeVisibility: async (seconds, receiptHandles) => {
        await invocation.step(`${name}.changeVisibility`);
        for (const handle of receiptHandles) this.#changeVisibility(handle, seconds);
      },
    };
    let outcome: { readonly answer: SQSBatchResponse } | 'ended' | undefined;
    try {
      outcome = await invocation.run(() => handle({ Records }, consumer));
    } catch (error) {
      world.violate(`${name} threw ${(error as Error).stack}`);
    }
    this.#running -= 1;
    if (typeof outcome === 'object') {
      const failed = new Set(outcome.answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      const { deletes = failed => !failed } = world.mutation;
      for (const { messageId, receiptHandle, attributes } of Records as readonly {
        readonly messageId: string;
        readonly receiptHandle: string;
        readonly attributes: { readonly MessageGroupId: string };
      }[])
        if (deletes(failed.has(messageId))) this.#delete(attributes.MessageGroupId, messageId, receiptHandle);
    }
    this.poll();
  }

  #isCurrent(receiptHandle: string): boolean {
    const [sequenceNumber = '', receive] = receiptHandle.split(' ');
    const receipt = this.#receipts.get(sequenceNumber);
    return receipt?.receive === Number(receive) && receipt.visibleAt > this.#world.now();
  }

  /** "DeleteMessage": of a FIFO queue not after the visibility timeout. */
  #delete(group: string, sequenceNumber: string, receiptHandle: string): void {
    if (!this.#isCurrent(receiptHandle)) {
      this.#world.count('delivery after its visibility');
      return;
    }
    this.#options.queue.delete(group, [sequenceNumber]);
    this.#receipts.delete(sequenceNumber);
  }

  #changeVisibility(receiptHandle: string, seconds: number): void {
    if (!this.#isCurrent(receiptHandle)) throw new InjectedFault('the receipt handle has expired');
    const [sequenceNumber = '', receive] = receiptHandle.split(' ');
    const visibleAt = this.#world.now() + seconds * 1000;
    this.#receipts.set(sequenceNumber, { receive: Number(receive), visibleAt });
    this.#world.timeline.after(seconds * 1000, () => this.poll());
  }
}
