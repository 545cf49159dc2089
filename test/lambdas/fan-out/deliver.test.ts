import fc from 'fast-check';
import {
  type DeliverDependencies,
  type Delivery,
  deliver,
  SystemicPostFailure,
} from '../../../lambdas/fan-out/deliver.ts';
import { answer } from '../../../lambdas/message/answer.ts';
import type { PostResult } from '../../../lambdas/shared/callback.ts';
import { forget } from '../../../lambdas/shared/presence.ts';
import { cursorOf } from '../../../lambdas/shared/protocol.ts';
import { everything } from '../../../lambdas/shared/rights.ts';
import { InMemoryService, immediately, messagesIn, type Step, type View } from '../in-memory.ts';

const channel = 'room:1';
const delivery = (n: number, changes: Partial<Delivery> = {}): Delivery => ({
  channel,
  cursor: cursorOf(String(n)),
  id: `m${n}`,
  data: { n },
  publishedAt: 1_700_000_000_000 + n,
  ...changes,
});

/** The messages that frames carry, in order. */
const idsIn = (frames: readonly string[]): readonly string[] => messagesIn(frames).map(({ id }) => id);

interface Closed {
  readonly connectionId: string;
  readonly reason: string;
}
function fanOut(service: InMemoryService, step: Step = immediately) {
  const closed: Closed[] = [];
  const view = service.view(step);
  const dependencies: DeliverDependencies = {
    ...view,
    parallelism: 3,
    postFailed: (connectionId, reason) => closed.push({ connectionId, reason }),
  };
  return { closed, deliver: (...deliveries: Delivery[]) => deliver(channel, deliveries, dependencies) };
}

function subscribed(...connectionIds: string[]): InMemoryService {
  const service = new InMemoryService();
  for (const connectionId of connectionIds) {
    service.open(connectionId);
    service.subscribe(connectionId, channel);
  }
  return service;
}
const framesTo = (service: InMemoryService, connectionId: string) => service.sockets.get(connectionId)?.frames ?? [];

describe('delivering', () => {
  test('logs each message after the one before it, moves the head, and posts to the subscribers', async () => {
    const service = subscribed('a', 'b');
    service.open('elsewhere');
    const { deliver } = fanOut(service);
    await deliver(delivery(5), delivery(9));
    await deliver(delivery(12));
    const chain = service
      .messagesOf(channel)
      .map(({ cursor, previous }) => [Number(cursor), previous && Number(previous)]);
    expect(chain).toEqual([
      [5, null],
      [9, 5],
      [12, 9],
    ]);
    expect(service.headOf(channel).cursor).toBe(cursorOf('12'));
    for (const connectionId of ['a', 'b']) {
      expect(messagesIn(framesTo(service, connectionId))).toEqual(
        service.messagesOf(channel).map(message => ({ type: 'message', ...message })),
      );
    }
    expect(framesTo(service, 'elsewhere')).toEqual([]);
  });

  test('logs before it posts, and reads the subscribers after the head is moved', async () => {
    const operations: string[] = [];
    const { deliver } = fanOut(subscribed('a'), async operation => void operations.push(operation));
    await deliver(delivery(1), delivery(2));
    expect(operations.slice(-5)).toEqual([
      'log.append',
      'log.append',
      'log.moveHead',
      'subscriptions.subscribers',
      'callback.post',
    ]);
  });

  test('posts to every shard', async () => {
    const service = subscribed('a');
    service.heads.set(channel, { cursor: null, shardCount: 3 });
    service.open('c');
    service.subscribersOf(channel, 2).add('c');
    await fanOut(service).deliver(delivery(1));
    expect(idsIn(framesTo(service, 'a'))).toEqual(['m1']);
    expect(idsIn(framesTo(service, 'c'))).toEqual(['m1']);
  });

  test('again logs nothing twice, whatever the batch is now, and posts what the log has', async () => {
    const service = subscribed('a');
    const { deliver } = fanOut(service);
    await deliver(delivery(1), delivery(2));
    await deliver(delivery(2, { data: 'changed' }), delivery(3));
    await deliver(delivery(1));
    expect(service.messagesOf(channel).map(({ id, data }) => [id, data])).toEqual([
      ['m1', { n: 1 }],
      ['m2', { n: 2 }],
      ['m3', { n: 3 }],
    ]);
    expect(idsIn(framesTo(service, 'a'))).toEqual(['m1', 'm2', 'm2', 'm3', 'm1']);
    expect(service.headOf(channel).cursor).toBe(cursorOf('3'));
  });

  test('goes on from the head where the log has expired', async () => {
    const service = subscribed('a');
    service.heads.set(channel, { cursor: cursorOf('7'), shardCount: 1 });
    await fanOut(service).deliver(delivery(9));
    expect(service.messagesOf(channel)).toMatchObject([{ cursor: cursorOf('9'), previous: cursorOf('7') }]);
  });

  test('goes on from the log where the head was left behind', async () => {
    const service = subscribed('a');
    await service.view().log.append({ ...delivery(7), previous: null });
    await fanOut(service).deliver(delivery(9));
    expect(service.messagesOf(channel).at(-1)).toMatchObject({ cursor: cursorOf('9'), previous: cursorOf('7') });
  });

  test('nothing does nothing', async () => {
    const service = subscribed('a');
    await fanOut(service).deliver();
    expect(framesTo(service, 'a')).toEqual([]);
    expect(service.headOf(channel).cursor).toBeNull();
  });
});

describe('a post that fails', () => {
  const failing = (service: InMemoryService, result: PostResult, ...connectionIds: string[]) => {
    service.onPost = connectionId => (connectionIds.includes(connectionId) ? result : undefined);
    return service;
  };
  const openSockets = (service: InMemoryService) =>
    [...service.sockets].filter(([, { open }]) => open).map(([id]) => id);
  const many = (count: number) => Array.from({ length: count }, (_, n) => `c${n}`);

  test('because the connection is gone removes all that is known of it', async () => {
    const service = subscribed('a', 'b');
    service.subscribe('a', 'room:2');
    const socket = service.sockets.get('a');
    if (socket) socket.open = false;
    const { deliver, closed } = fanOut(service);
    await deliver(delivery(1));
    expect([...service.connections.keys()]).toEqual(['b']);
    expect(service.subscribersOf(channel, 0)).toEqual(new Set(['b']));
    expect(service.subscribersOf('room:2', 0).size).toBe(0);
    expect(service.connectionCount).toBe(1);
    expect(idsIn(framesTo(service, 'b'))).toEqual(['m1']);
    expect(closed).toEqual([]);
  });

  test('because of a subscription written after its connection was removed removes that', async () => {
    const service = subscribed('a');
    service.subscribersOf(channel, 0).add('late');
    await fanOut(service).deliver(delivery(1));
    expect(service.subscribersOf(channel, 0)).toEqual(new Set(['a']));
    expect(service.connectionCount).toBe(1);
  });

  test('gets no later frame of the batch posted, and the connection closed', async () => {
    const service = subscribed('a', 'b');
    let posts = 0;
    service.onPost = connectionId => {
      if (connectionId !== 'a') return undefined;
      posts += 1;
      return posts === 2 ? { failed: 'status 429' } : undefined;
    };
    const large = { data: 'x'.repeat(20_000) };
    const { deliver, closed } = fanOut(service);
    await deliver(delivery(1, large), delivery(2, large), delivery(3, large));
    expect(idsIn(framesTo(service, 'a'))).toEqual(['m1']);
    expect(idsIn(framesTo(service, 'b'))).toEqual(['m1', 'm2', 'm3']);
    expect(closed).toEqual([{ connectionId: 'a', reason: 'status 429' }]);
    expect(openSockets(service)).toEqual(['b']);
  });

  test.each([
    [5, 5, 5],
    [5, 100, 5],
    [6, 30, 6],
    [6, 29, 0],
    [20, 100, 20],
    [21, 100, 0],
    [100, 100, 0],
  ])('at %d of %d connections closes %d', async (failed, connections, closes) => {
    const service = failing(subscribed(...many(connections)), { failed: 'status 429' }, ...many(failed));
    const { deliver, closed } = fanOut(service);
    const delivered = deliver(delivery(1));
    if (closes === failed) await delivered;
    else {
      await expect(delivered).rejects.toThrow(SystemicPostFailure);
      await expect(delivered).rejects.toThrow(
        `${failed} of ${connections} posts failed, the first because of status 429`,
      );
    }
    expect(closed).toHaveLength(closes);
    expect(openSockets(service)).toHaveLength(connections - closes);
    for (const id of many(connections).slice(failed)) expect(idsIn(framesTo(service, id))).toEqual(['m1']);
  });

  test('and cannot be closed either has the batch come again, after the others were closed', async () => {
    const service = failing(subscribed(...many(4)), { failed: 'timeout' }, 'c0', 'c1', 'c2');
    service.onClose = id => {
      if (id === 'c1') throw new Error('answered 500');
    };
    await expect(fanOut(service).deliver(delivery(1))).rejects.toMatchObject({
      message: '1 of 3 connections not served',
      cause: new Error('answered 500'),
    });
    expect(openSockets(service)).toEqual(['c1', 'c3']);
  });

  test('and cannot be cleaned up keeps nothing from the others', async () => {
    const service = subscribed(...many(12));
    const socket = service.sockets.get('c0');
    if (socket) socket.open = false;
    const { deliver } = fanOut(service, async operation => {
      if (operation === 'subscriptions.remove') throw new Error('throttled');
    });
    await expect(deliver(delivery(1))).rejects.toMatchObject({ cause: new Error('throttled') });
    for (const id of many(12).slice(1)) expect(idsIn(framesTo(service, id))).toEqual(['m1']);
  });
});

/**
 * Two workers take batches of one channel from a FIFO queue: each gets the first messages that are not deleted. A group
 * is locked while a batch of it is out, unless that batch's visibility ends early or its worker crashes.
 */
describe('whatever interleaves and crashes', () => {
  interface Receive {
    /** Messages that this batch has at most. */
    readonly size: number;
    /** Operation before which its worker stops for good; none where it does not. */
    readonly crashBefore: number | undefined;
    /** Whether others may take the same messages while it is being worked on. */
    readonly zombie: boolean;
  }
  interface Run {
    readonly messages: number;
    /** Large ones have frames of their own. */
    readonly large: boolean;
    readonly receives: readonly Receive[];
    /** Whose post fails, at which of all posts. */
    readonly failedPosts: readonly number[];
  }
  const run: fc.Arbitrary<Run> = fc.record({
    messages: fc.integer({ min: 1, max: 5 }),
    large: fc.boolean(),
    receives: fc.array(
      fc.record({
        size: fc.integer({ min: 1, max: 4 }),
        crashBefore: fc.option(fc.nat(14), { nil: undefined }),
        zombie: fc.boolean(),
      }),
      { minLength: 2, maxLength: 7 },
    ),
    failedPosts: fc.array(fc.nat(20), { maxLength: 2 }),
  });

  /** A client: drops what it has, and counts as a gap what does not follow. `undefined` until it is subscribed. */
  function seenBy(
    frames: readonly string[],
    position: string | null,
  ): { readonly seen: string[]; readonly gaps: string[] } {
    const seen: string[] = [];
    const gaps: string[] = [];
    let last = position;
    for (const { cursor, previous } of messagesIn(frames)) {
      if (last !== null && cursor <= last) continue;
      if (previous !== last) gaps.push(`${cursor} after ${last}, not ${previous}`);
      seen.push(cursor);
      last = cursor;
    }
    return { seen, gaps };
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

  async function play(scheduler: fc.Scheduler, { messages, large, receives, failedPosts }: Run) {
    const service = subscribed('stays', 'leaves');
    service.open('comes');
    let posts = 0;
    service.onPost = (_, frame) => {
      for (const { cursor } of messagesIn([frame])) {
        // Whoever subscribes by now must find in the head and the log what others are told.
        expect((service.headOf(channel).cursor ?? '') >= cursor).toBe(true);
        expect(service.messagesOf(channel).some(message => message.cursor === cursor)).toBe(true);
      }
      posts += 1;
      return failedPosts.includes(posts) ? { failed: 'status 429' } : undefined;
    };
    for (let n = 0; n < messages; n += 1) {
      const data = large ? 'x'.repeat(20_000) : n;
      service.enqueue({ channel, id: `m${n}`, data, publishedAt: n }, `d${n}`);
    }
    const accepted = (service.queued.get(channel) ?? []).map(({ sequenceNumber }) => cursorOf(sequenceNumber));

    let locked = 0;
    const left = [...receives];
    const receive = async ({ size, crashBefore, zombie }: Receive): Promise<void> => {
      const batch = (service.queued.get(channel) ?? []).slice(0, size);
      if (batch.length === 0) return;
      const { step, crashed } = stepping(scheduler, crashBefore);
      if (!zombie) locked += 1;
      const deliveries = batch.map(({ publication, sequenceNumber }) => ({
        ...publication,
        cursor: cursorOf(sequenceNumber),
      }));
      const outcome = await Promise.race([crashed, fanOut(service, step).deliver(...deliveries)]);
      if (!zombie) locked -= 1;
      if (outcome !== 'crashed')
        service.dequeue(
          channel,
          batch.map(({ sequenceNumber }) => sequenceNumber),
        );
    };
    const worker = async (): Promise<void> => {
      for (let next = left.shift(); next; next = left.shift()) {
        await scheduler.schedule(Promise.resolve(), 'receive');
        if (locked > 0) left.push(next);
        else await receive(next);
      }
    };

    const clients: View = service.view(operation => scheduler.schedule(Promise.resolve(), operation));
    const comes = answer(
      { connectionId: 'comes', session: { rights: everything } },
      JSON.stringify({ action: 'subscribe', channel }),
      {
        ...clients,
        rate: () => 'taken',
        now: () => 0,
        limits: { maxMessageBytes: 100_000, maxChannelsPerConnection: 5 },
        heartbeat: { intervalMs: 30_000, graceMs: 10_000 },
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

    const [reply] = await scheduler.waitFor(Promise.all([comes, leaves, worker(), worker()]));
    // The queue gives out what is left until it is done.
    await scheduler.waitFor(receive({ size: messages, crashBefore: undefined, zombie: false }));
    return { service, accepted, reply };
  }

  test('each message is logged once, in order and linked, and each subscriber that stays sees it once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), run, async (scheduler, run) => {
        const { service, accepted, reply } = await play(scheduler, run);
        const log = service.messagesOf(channel);
        expect(log.map(({ cursor }) => cursor)).toEqual(accepted);
        expect(log.map(({ previous }) => previous)).toEqual([null, ...accepted.slice(0, -1)]);
        expect(service.headOf(channel).cursor).toBe(accepted.at(-1));

        const { seen, gaps } = seenBy(framesTo(service, 'stays'), null);
        expect(gaps).toEqual([]);
        expect(seen).toEqual(accepted.slice(0, seen.length));
        if (service.sockets.get('stays')?.open) expect(seen).toEqual(accepted);

        if (reply.type !== 'subscribed') throw new Error(JSON.stringify(reply));
        const position = accepted.includes(reply.cursor) ? reply.cursor : null;
        const since = seenBy(framesTo(service, 'comes'), position);
        expect(since.gaps).toEqual([]);
        if (service.sockets.get('comes')?.open)
          expect(since.seen).toEqual(accepted.filter(cursor => position === null || cursor > position));

        expect(service.connections.has('leaves')).toBe(false);
        expect(service.subscribersOf(channel, 0).has('leaves')).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
