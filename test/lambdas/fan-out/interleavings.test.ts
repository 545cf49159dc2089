import fc from 'fast-check';
import { answer } from '../../../lambdas/message/answer.ts';
import type { PostFailure } from '../../../lambdas/shared/callback.ts';
import { type Control, defaultControl } from '../../../lambdas/shared/control.ts';
import { ItemRefused } from '../../../lambdas/shared/message-log.ts';
import { forget } from '../../../lambdas/shared/presence.ts';
import { cursorOf, origin } from '../../../lambdas/shared/protocol.ts';
import { everything } from '../../../lambdas/shared/rights.ts';
import { InMemoryService, messagesIn, type Step, type View } from '../in-memory.ts';
import { channel, fanOut, received } from './consumer.ts';

/**
 * Workers take batches from the two FIFO queues: each gets the first messages of a group that are not deleted. A group is
 * locked while a batch of it is out, unless that batch's visibility ends early or its worker crashes.
 */
interface Receive {
  /** Messages that this batch has at most. */
  readonly size: number;
  /** Operation before which its worker stops for good; none where it does not. */
  readonly crashBefore: number | undefined;
  /** Whether others may take the same messages while it is being worked on. */
  readonly zombie: boolean;
}

interface Run {
  readonly messages: readonly ('small' | 'large' | 'refused')[];
  readonly publications: readonly Receive[];
  readonly tasks: readonly Receive[];
  /** Whose post fails, at which of all posts. */
  readonly failedPosts: readonly number[];
  /** Shards at first, and what they are raised to meanwhile. */
  readonly shards: number;
  readonly raisedTo: number;
  /** How many of the messages are logged and not posted. */
  readonly flushed: number;
}

const receive = fc.record({
  size: fc.integer({ min: 1, max: 4 }),
  crashBefore: fc.option(fc.nat(14), { nil: undefined }),
  zombie: fc.boolean(),
});
const run: fc.Arbitrary<Run> = fc.record({
  messages: fc.array(fc.constantFrom('small', 'small', 'large', 'refused'), { minLength: 1, maxLength: 5 }),
  publications: fc.array(receive, { minLength: 2, maxLength: 7 }),
  tasks: fc.array(receive, { maxLength: 6 }),
  failedPosts: fc.array(fc.nat(20), { maxLength: 2 }),
  shards: fc.constantFrom(1, 1, 2, 3),
  raisedTo: fc.integer({ min: 1, max: 4 }),
  flushed: fc.constantFrom(0, 0, 2, 5),
});

const throttled: PostFailure = { failed: 'throttled', detail: 'status 429' };

type Sent = { readonly type: string; readonly cursor?: string; readonly previous?: string | null };

/**
 * A client: drops what it has, and fetches what it misses where it is told to, or sees that something is missing.
 * @param position what it has already
 */
class Client {
  readonly seen: string[] = [];
  /** Where it saw by itself that something is missing. */
  readonly gaps: string[] = [];
  readonly #service: InMemoryService;
  #last: string;

  constructor(service: InMemoryService, position: string) {
    this.#service = service;
    this.#last = position;
  }

  receive(frame: string): void {
    for (const { type, cursor, previous } of messagesIn([frame]) as readonly Sent[]) {
      if (type === 'resync') this.#fetch();
      else if (cursor !== undefined && cursor > this.#last) {
        if ((previous ?? origin) !== this.#last) {
          this.gaps.push(`${cursor} after ${this.#last}, not ${previous}`);
          this.#fetch();
        }
        if (cursor > this.#last) this.#take(cursor);
      }
    }
  }

  #fetch(): void {
    for (const { cursor } of this.#service.messagesOf(channel)) if (cursor > this.#last) this.#take(cursor);
  }

  #take(cursor: string): void {
    this.seen.push(cursor);
    this.#last = cursor;
  }
}

/** Steps that go on when the scheduler says, and never again from the given one on. */
function stepping(scheduler: fc.Scheduler, crashBefore: number | undefined) {
  let crash = () => {};
  const crashed = new Promise<'crashed'>(resolve => {
    crash = () => resolve('crashed');
  });
  let operations = 0;
  const step: Step = async operation => {
    await scheduler.schedule(Promise.resolve(), operation);
    if (operations === crashBefore) crash();
    operations += 1;
    if (crashBefore !== undefined && operations > crashBefore) await new Promise(() => {});
  };
  return { step, crashed };
}

/** Who receives from the groups of a queue, and who must wait. */
function consumers<Entry extends { readonly sequenceNumber: string }>(
  scheduler: fc.Scheduler,
  queue: {
    readonly groups: ReadonlyMap<string, readonly Entry[]>;
    delete(group: string, done: readonly string[]): void;
  },
  handle: (batch: readonly Entry[], step: Step) => Promise<number>,
) {
  const locked = new Map<string, number>();
  const lock = (group: string, difference: number) => locked.set(group, (locked.get(group) ?? 0) + difference);
  const take = async (group: string, { size, crashBefore, zombie }: Receive): Promise<void> => {
    const batch = (queue.groups.get(group) ?? []).slice(0, size);
    if (batch.length === 0) return;
    const { step, crashed } = stepping(scheduler, crashBefore);
    if (!zombie) lock(group, 1);
    const outcome = await Promise.race([crashed, handle(batch, step)]);
    if (!zombie) lock(group, -1);
    if (outcome !== 'crashed')
      queue.delete(
        group,
        batch.slice(0, outcome).map(({ sequenceNumber }) => sequenceNumber),
      );
  };
  const waiting = () => [...queue.groups].filter(([, entries]) => entries.length > 0).map(([group]) => group);
  return {
    async work(receives: Receive[]): Promise<void> {
      for (let next = receives.shift(); next; next = receives.shift()) {
        await scheduler.schedule(Promise.resolve(), 'receive');
        const group = waiting().find(group => !locked.get(group));
        if (group !== undefined) await take(group, next);
        else if (waiting().length > 0) receives.push(next);
      }
    },
    /** Gives out what is left until it is done. @returns whether there was any */
    async drain(): Promise<boolean> {
      const groups = waiting();
      for (const group of groups) await take(group, { size: 10, crashBefore: undefined, zombie: false });
      return groups.length > 0;
    },
  };
}

const end = 1_000;

async function play(scheduler: fc.Scheduler, run: Run) {
  const service = new InMemoryService();
  service.heads.set(channel, { cursor: null, shardCount: run.shards });
  for (const id of ['stays', 'leaves', 'comes']) service.open(id);
  // In the last shard, which is the first where there is one.
  for (const id of ['stays', 'leaves']) {
    service.connections.get(id)?.channels.set(channel, run.shards - 1);
    service.subscribersOf(channel, run.shards - 1).add(id);
  }
  service.onAppend = entry => {
    if ('data' in entry && entry.data === 'refused') throw new ItemRefused(new Error('too large'));
  };
  const stays = new Client(service, origin);
  let posts = 0;
  service.onPost = (connectionId, frame) => {
    for (const { cursor } of messagesIn([frame])) {
      if (cursor === undefined) continue;
      // Whoever subscribes by now must find in the head and the log what others are told.
      expect((service.headOf(channel).cursor ?? '') >= cursor).toBe(true);
      expect(service.messagesOf(channel).some(entry => entry.cursor === cursor)).toBe(true);
    }
    posts += 1;
    if (run.failedPosts.includes(posts)) return throttled;
    if (connectionId === 'stays') stays.receive(frame);
    return undefined;
  };

  const accepted: string[] = [];
  for (const [n, kind] of run.messages.entries()) {
    service.now = n < run.flushed ? end - 1 : end + 1;
    const data = kind === 'large' ? 'x'.repeat(20_000) : kind;
    const sequenceNumber = service.enqueue({ channel, id: `m${n}`, data, publishedAt: service.now }, `d${n}`);
    accepted.push(cursorOf(sequenceNumber));
  }
  service.now = end + 2;

  const changes = { flush: run.flushed > 0 ? { until: end } : null, shardSize: 2 };
  const publications = consumers(scheduler, service.publications, (batch, step) =>
    fanOut(service, step, changes).deliver(...batch.map(received)),
  );
  const tasks = consumers(scheduler, service.shardTasks, async (batch, step) => {
    for (const task of batch) await fanOut(service, step, changes).serve(task);
    return batch.length;
  });

  const clients: View = service.view(operation => scheduler.schedule(Promise.resolve(), operation));
  const control: Control = defaultControl;
  const comes = answer(
    { connectionId: 'comes', session: { rights: everything } },
    JSON.stringify({ action: 'subscribe', channel }),
    {
      ...clients,
      rate: () => 'taken',
      now: () => 0,
      limits: { maxMessageBytes: 100_000, maxChannelsPerConnection: 5 },
      heartbeat: { intervalMs: 30_000, graceMs: 10_000 },
      shardSize: 2,
      control: { read: async () => control },
      throttle: { admit: async () => {} },
      noteBeat: async () => true,
      refused: (_, refusal, cause) => {
        throw cause ?? refusal;
      },
    },
  );
  const leaves = (async () => {
    await scheduler.schedule(Promise.resolve(), 'leaves');
    const socket = service.sockets.get('leaves');
    if (socket) socket.open = false;
    await forget('leaves', clients.presence);
  })();
  const grows = clients.log.raiseShards(channel, run.raisedTo);

  const publicationReceives = [...run.publications];
  const taskReceives = [...run.tasks];
  const [reply] = await scheduler.waitFor(
    Promise.all([
      comes,
      leaves,
      grows,
      publications.work(publicationReceives),
      publications.work(publicationReceives),
      tasks.work(taskReceives),
      tasks.work(taskReceives),
    ]),
  );
  const drain = async () => {
    while ((await publications.drain()) || (await tasks.drain()));
  };
  await scheduler.waitFor(drain());
  return { service, accepted, reply, stays };
}

test('each message is logged once, in order and linked, and each subscriber that stays sees it once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), run, async (scheduler, run) => {
      const { service, accepted, reply, stays } = await play(scheduler, run);
      const log = service.messagesOf(channel);
      expect(log.map(({ cursor }) => cursor)).toEqual(accepted);
      expect(log.map(({ previous }) => previous)).toEqual([null, ...accepted.slice(0, -1)]);
      expect(log.map(entry => 'undeliverable' in entry)).toEqual(run.messages.map(kind => kind === 'refused'));
      expect(service.headOf(channel).cursor).toBe(accepted.at(-1));
      const refused = run.messages.filter(kind => kind === 'refused').length;
      expect(new Set(service.deadLetters.map(({ body }) => body)).size).toBe(refused);

      expect(stays.seen).toEqual(accepted.slice(0, stays.seen.length));
      if (run.flushed === 0) expect(stays.gaps).toEqual([]);
      if (service.sockets.get('stays')?.open) expect(stays.seen).toEqual(accepted);

      if (reply.type !== 'subscribed') throw new Error(JSON.stringify(reply));
      const comes = new Client(service, reply.cursor);
      for (const frame of service.sockets.get('comes')?.frames ?? []) comes.receive(frame);
      if (run.flushed === 0) expect(comes.gaps).toEqual([]);
      if (service.sockets.get('comes')?.open)
        expect(comes.seen).toEqual(accepted.filter(cursor => cursor > reply.cursor));

      expect(service.connections.has('leaves')).toBe(false);
      for (let shard = 0; shard < service.headOf(channel).shardCount; shard += 1)
        expect(service.subscribersOf(channel, shard).has('leaves')).toBe(false);
    }),
    { numRuns: 300 },
  );
});
