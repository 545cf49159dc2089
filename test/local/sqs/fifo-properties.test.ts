import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { MessageStore } from '../../../local/sqs/message-store.ts';
import { Queue, type ReceivedMessage } from '../../../local/sqs/queue.ts';
import { ManualClock } from '../manual-clock.ts';

const visibilityMs = 30_000;
const deduplicationMs = 300_000;

interface ModelMessage {
  readonly body: string;
  handle: string | undefined;
  hiddenUntil: number;
}

/** What a FIFO queue has to hold, and to hand out, after a history. */
class Model {
  readonly groups = new Map<string, ModelMessage[]>();
  readonly usedIds = new Map<string, number>();

  /** The first `max` messages at most of every group, if the group has none in flight. */
  available(now: number): Map<string, string[]> {
    const free = [...this.groups].filter(([, messages]) => messages.every(({ hiddenUntil }) => hiddenUntil <= now));
    return new Map(free.map(([group, messages]) => [group, messages.map(({ body }) => body)]));
  }

  find(group: string, body: string): ModelMessage {
    const message = this.groups.get(group)?.find(candidate => candidate.body === body);
    if (!message) throw new Error(`the queue handed out ${body}, which it must not hold`);
    return message;
  }
}

type Step =
  | { readonly kind: 'send'; readonly group: string; readonly id: string }
  | { readonly kind: 'receive'; readonly max: number }
  | { readonly kind: 'delete' | 'release'; readonly which: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'restart' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      group: fc.constantFrom('a', 'b', 'c'),
      id: fc.integer({ min: 0, max: 30 }).map(String),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('receive' as const), max: fc.integer({ min: 1, max: 10 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'release' as const), which: fc.nat(1000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 10_000, visibilityMs, 150_000) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
);

class Run {
  readonly #directory = mkdtempSync(join(tmpdir(), 'fifo-'));
  readonly #clock = new ManualClock();
  readonly #model = new Model();
  readonly #handles: { readonly handle: string; readonly group: string; readonly body: string }[] = [];
  #store = new MessageStore(this.#directory);
  #queue = this.#open();
  #sent = 0;

  #open(): Queue {
    const settings = {
      arn: 'arn:aws:sqs:eu-central-1:123456789012:q.fifo',
      fifo: true,
      contentBasedDeduplication: false,
      deduplicationScope: 'queue' as const,
      highThroughputCallsPerSecond: undefined,
      delaySeconds: 0,
      maxMessageBytes: 1_048_576,
      retentionSeconds: 1_209_600,
      receiveWaitSeconds: 0,
      visibilityTimeoutSeconds: visibilityMs / 1000,
    };
    return new Queue(settings, this.#store, this.#clock);
  }

  async take(next: Step): Promise<void> {
    switch (next.kind) {
      case 'send':
        return this.#send(next.group, next.id);
      case 'receive':
        return this.#receive(next.max);
      case 'delete':
      case 'release':
        return this.#settle(next.kind, next.which);
      case 'pass':
        return this.#clock.advance(next.ms);
      case 'restart':
        this.#queue.close();
        this.#store.close();
        this.#store = new MessageStore(this.#directory);
        this.#queue = this.#open();
    }
  }

  /** Everything that was accepted and not deleted comes out, each group in order. */
  async drain(): Promise<void> {
    this.#clock.advance(visibilityMs);
    const expected = this.#model.available(this.#clock.now());
    const seen = new Map<string, string[]>([...expected.keys()].map(group => [group, []]));
    for (;;) {
      const batch = await this.#queue.receive({ max: 10 });
      if (batch.length === 0) break;
      for (const message of batch) {
        seen.get(message.attributes.MessageGroupId ?? '')?.push(message.body);
        this.#queue.delete(message.receiptHandle);
      }
    }
    expect(seen).toEqual(expected);
    expect(this.#queue.metrics()).toMatchObject({ visible: 0, notVisible: 0, delayed: 0 });
  }

  close(): void {
    this.#store.close();
    rmSync(this.#directory, { recursive: true });
  }

  #send(group: string, id: string): void {
    const now = this.#clock.now();
    const body = `${group}-${this.#sent++}`;
    this.#queue.send({ body, groupId: group, deduplicationId: id, senderId: 's' });
    const { usedIds, groups } = this.#model;
    if ((usedIds.get(id) ?? Number.NEGATIVE_INFINITY) + deduplicationMs > now) return;
    usedIds.set(id, now);
    const messages = groups.get(group) ?? [];
    groups.set(group, messages);
    messages.push({ body, handle: undefined, hiddenUntil: 0 });
  }

  async #receive(max: number): Promise<void> {
    const now = this.#clock.now();
    const available = this.#model.available(now);
    const received = await this.#queue.receive({ max });
    const count = [...available.values()].flat().length;
    expect(received).toHaveLength(Math.min(max, count));
    const byGroup = Map.groupBy(received, ({ attributes }: ReceivedMessage) => attributes.MessageGroupId ?? '');
    for (const [group, messages] of byGroup) {
      const bodies = messages.map(({ body }) => body);
      expect(bodies).toEqual(available.get(group)?.slice(0, bodies.length));
      const numbers = messages.map(({ attributes }) => attributes.SequenceNumber ?? '');
      expect([...numbers].sort()).toEqual(numbers);
    }
    for (const { body, receiptHandle, attributes } of received) {
      const group = attributes.MessageGroupId ?? '';
      const message = this.#model.find(group, body);
      message.handle = receiptHandle;
      message.hiddenUntil = now + visibilityMs;
      this.#handles.push({ handle: receiptHandle, group, body });
    }
  }

  #settle(kind: 'delete' | 'release', which: number): void {
    const chosen = this.#handles[which % Math.max(1, this.#handles.length)];
    if (!chosen) return;
    const { handle, group, body } = chosen;
    const messages = this.#model.groups.get(group) ?? [];
    const message = messages.find(candidate => candidate.body === body);
    const act = () => (kind === 'delete' ? this.#queue.delete(handle) : this.#queue.changeVisibility(handle, 0));
    const isCurrent = message?.handle === handle && message.hiddenUntil > this.#clock.now();
    if (isCurrent) {
      act();
      if (kind === 'delete') messages.splice(messages.indexOf(message), 1);
      else message.hiddenUntil = this.#clock.now();
    } else if (message || kind === 'release') expect(act).toThrow();
    else act();
  }
}

it('keeps the order of every group, hands out one batch of a group at a time, loses and repeats nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async steps => {
      const run = new Run();
      try {
        for (const next of steps) await run.take(next);
        await run.drain();
      } finally {
        run.close();
      }
    }),
    { numRuns: 60 },
  );
});
