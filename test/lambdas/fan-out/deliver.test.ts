import { postBudget } from '../../../lambdas/fan-out/budget.ts';
import { OutOfTime, SystemicPostFailure } from '../../../lambdas/fan-out/post-to-subscribers.ts';
import type { PostFailure, PostResult } from '../../../lambdas/shared/callback.ts';
import { ItemRefused } from '../../../lambdas/shared/message-log.ts';
import { cursorOf } from '../../../lambdas/shared/protocol.ts';
import { type InMemoryService, immediately, messagesIn } from '../in-memory.ts';
import { channel, delivery, fanOut, idsIn, subscribed, unreadable } from './consumer.ts';

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

  test('again logs nothing twice, whatever the batch is now, and posts what the log has', async () => {
    const service = subscribed('a');
    const { deliver } = fanOut(service);
    await deliver(delivery(1), delivery(2));
    await deliver(delivery(2, { data: 'changed' }), delivery(3));
    await deliver(delivery(1));
    expect(service.messagesOf(channel)).toMatchObject([1, 2, 3].map(n => ({ id: `m${n}`, data: { n } })));
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
    const { cursor, publication } = delivery(7);
    if (publication) await service.view().log.append({ ...publication, cursor, previous: null });
    await fanOut(service).deliver(delivery(9));
    expect(service.messagesOf(channel).at(-1)).toMatchObject({ cursor: cursorOf('9'), previous: cursorOf('7') });
  });

  test.each([1, 2])('tells subscribers to ask where the log has lost what comes again: %i shards', async shardCount => {
    const service = subscribed('a');
    const { deliver, serveShards } = fanOut(service);
    await deliver(delivery(1), delivery(2));
    const { log } = service.view();
    await log.raiseShards(channel, shardCount);
    service.messages.set(channel, service.messagesOf(channel).slice(1));
    framesTo(service, 'a').length = 0;
    expect(await deliver(delivery(1), delivery(2))).toBe(2);
    await serveShards();
    expect(framesTo(service, 'a').map(frame => JSON.parse(frame))).toEqual([{ type: 'resync', channel }]);
  });

  test('nothing does nothing', async () => {
    const service = subscribed('a');
    await fanOut(service).deliver();
    expect(framesTo(service, 'a')).toEqual([]);
    expect(service.headOf(channel).cursor).toBeNull();
  });
});

const throttled: PostFailure = { failed: 'throttled', detail: 'status 429' };

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
    const { deliver, failures } = fanOut(service);
    await deliver(delivery(1));
    expect([...service.connections.keys()]).toEqual(['b']);
    expect(service.subscribersOf(channel, 0)).toEqual(new Set(['b']));
    expect(service.subscribersOf('room:2', 0).size).toBe(0);
    expect(service.connectionCount).toBe(1);
    expect(idsIn(framesTo(service, 'b'))).toEqual(['m1']);
    expect(failures).toEqual([]);
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
      return posts === 2 ? throttled : undefined;
    };
    const large = { data: 'x'.repeat(20_000) };
    const { deliver, closed } = fanOut(service);
    await deliver(delivery(1, large), delivery(2, large), delivery(3, large));
    expect(idsIn(framesTo(service, 'a'))).toEqual(['m1']);
    expect(idsIn(framesTo(service, 'b'))).toEqual(['m1', 'm2', 'm3']);
    expect(closed).toEqual([{ connectionId: 'a', failure: throttled }]);
    expect(service.connections.get('a')).toMatchObject({ ending: { reason: 'server' } });
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
    const service = failing(subscribed(...many(connections)), throttled, ...many(failed));
    const { deliver, failures, closed } = fanOut(service);
    const delivered = deliver(delivery(1));
    if (closes === failed) await delivered;
    else {
      await expect(delivered).rejects.toThrow(SystemicPostFailure);
      await expect(delivered).rejects.toThrow(
        `${failed} of ${connections} posts failed, the first because of status 429`,
      );
    }
    expect(failures).toHaveLength(failed);
    expect(closed).toHaveLength(closes);
    expect(openSockets(service)).toHaveLength(connections - closes);
    for (const id of many(connections).slice(failed)) expect(idsIn(framesTo(service, id))).toEqual(['m1']);
  });

  test('and whose connection cannot be closed either leaves a mark for its next heartbeat', async () => {
    const service = failing(subscribed(...many(4)), { failed: 'timeout', detail: 'no answer' }, 'c0', 'c1', 'c2');
    const refused: string[] = [];
    service.onClose = id => {
      if (id === 'c1') throw new Error('answered 500');
    };
    const closeFailed = (connectionId: string) => void refused.push(connectionId);
    expect(await fanOut(service, immediately, { closeFailed }).deliver(delivery(1))).toBe(1);
    expect(openSockets(service)).toEqual(['c1', 'c3']);
    expect(refused).toEqual(['c1']);
    expect(service.connections.get('c1')?.resync).toEqual(new Set([channel]));
    expect(service.connections.get('c0')?.resync).toBeUndefined();
  });

  test('and can be neither closed nor marked has the batch come again, after the others were closed', async () => {
    const service = failing(subscribed(...many(4)), { failed: 'timeout', detail: 'no answer' }, 'c0', 'c1', 'c2');
    service.onClose = id => {
      if (id === 'c1') throw new Error('answered 500');
    };
    const { deliver } = fanOut(service, async operation => {
      if (operation === 'connections.markResync') throw new Error('throttled');
    });
    await expect(deliver(delivery(1))).rejects.toMatchObject({
      message: '1 of 3 connections not served',
      cause: new Error('throttled'),
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

describe('a large channel', () => {
  /** With three shards, and a subscriber in each. */
  function large(): InMemoryService {
    const service = subscribed('s0');
    service.heads.set(channel, { cursor: null, shardCount: 3 });
    for (const shard of [1, 2]) {
      service.open(`s${shard}`);
      service.connections.get(`s${shard}`)?.channels.set(channel, shard);
      service.subscribersOf(channel, shard).add(`s${shard}`);
    }
    return service;
  }

  test('is logged, and handed on to each shard, which serves its own', async () => {
    const service = large();
    const { deliver, serveShards, delivered } = fanOut(service);
    expect(await deliver(delivery(1), delivery(2))).toBe(2);
    expect(service.messagesOf(channel)).toHaveLength(2);
    for (const id of ['s0', 's1', 's2']) expect(framesTo(service, id)).toEqual([]);
    expect([...service.shardTasks.groups.keys()]).toEqual([`${channel}#0`, `${channel}#1`, `${channel}#2`]);
    await serveShards();
    for (const id of ['s0', 's1', 's2']) expect(idsIn(framesTo(service, id))).toEqual(['m1', 'm2']);
    expect(delivered).toEqual(Array.from({ length: 3 }, () => ({ ids: ['m1', 'm2'], recipients: 1 })));
  });

  test('that fits one shard is posted at once, without a second queue', async () => {
    const service = subscribed('a');
    await fanOut(service).deliver(delivery(1));
    expect(idsIn(framesTo(service, 'a'))).toEqual(['m1']);
    expect(service.shardTasks.groups.size).toBe(0);
  });

  test('gets the next message when every shard took the one before', async () => {
    const service = large();
    const big = { data: 'x'.repeat(20_000) };
    let sends = 0;
    const { deliver } = fanOut(service, async operation => {
      if (operation !== 'fanOut.sendTasks') return;
      sends += 1;
      if (sends === 2) throw new Error('SQS is down');
    });
    await expect(deliver(delivery(1, big), delivery(2, big))).rejects.toThrow('SQS is down');
    expect([...service.shardTasks.groups.keys()]).toEqual([`${channel}#0`]);
    await deliver(delivery(1, big), delivery(2, big));
    for (const tasks of service.shardTasks.groups.values())
      expect(tasks.map(({ task }) => Number(task.entries?.to))).toEqual([1, 2]);
  });

  test('that waited for longer than the log keeps messages has its subscribers fetch what there is', async () => {
    const service = large();
    const { deliver, serveShards } = fanOut(service);
    await deliver(delivery(1), delivery(2));
    service.messages.set(channel, service.messagesOf(channel).slice(1));
    await serveShards();
    for (const id of ['s0', 's1', 's2'])
      expect(framesTo(service, id)).toEqual([`{"type":"resync","channel":"${channel}"}`]);
  });

  test('one becomes when its shard is full: new subscribers go elsewhere', async () => {
    const service = subscribed('a', 'b', 'c');
    const { deliver } = fanOut(service, immediately, { shardSize: 3 });
    await deliver(delivery(1));
    expect(service.headOf(channel)).toMatchObject({ shardCount: 2, fullShards: [0] });
    for (const id of ['a', 'b', 'c']) expect(idsIn(framesTo(service, id))).toEqual(['m1']);
  });

  test.each([
    [1, 2],
    [8, 8],
  ])('has at least %d shards where the control record says so, from the beginning', async (minimumShards, shards) => {
    const service = subscribed('a', 'b', 'c');
    await fanOut(service, immediately, { shardSize: 3, minimumShards }).deliver(delivery(1));
    expect(service.headOf(channel).shardCount).toBe(shards);
  });

  test('is spread further when the control record asks for more, and a small one is not', async () => {
    const service = large();
    await fanOut(service, immediately, { minimumShards: 5 }).deliver(delivery(1));
    expect(service.headOf(channel).shardCount).toBe(5);
    const small = subscribed('a');
    await fanOut(small, immediately, { minimumShards: 5 }).deliver(delivery(1));
    expect(small.headOf(channel).shardCount).toBe(1);
  });

  test('doubles its shards when all are full, and fills one again that has lost half', async () => {
    const service = large();
    for (const shard of [0, 1, 2])
      for (const n of [1, 2]) {
        service.open(`t${shard}${n}`);
        service.subscribersOf(channel, shard).add(`t${shard}${n}`);
      }
    const { deliver, serveShards } = fanOut(service, immediately, { shardSize: 3 });
    await deliver(delivery(1));
    await serveShards();
    expect(service.headOf(channel)).toMatchObject({ shardCount: 6, fullShards: [0, 1, 2] });
    for (const n of [1, 2]) service.subscribersOf(channel, 1).delete(`t1${n}`);
    await deliver(delivery(2));
    await serveShards();
    expect(service.headOf(channel)).toMatchObject({ shardCount: 6, fullShards: [0, 2] });
  });
});

describe('what can never be delivered', () => {
  const undeliverable = (n: number, previous: number | null) => ({
    type: 'undeliverable',
    channel,
    cursor: cursorOf(String(n)),
    previous: previous === null ? null : cursorOf(String(previous)),
  });

  test('has its place in the log and at the subscribers, and is put away', async () => {
    const service = subscribed('a');
    const { deliver } = fanOut(service);
    expect(await deliver(unreadable(1), delivery(2), unreadable(3), delivery(4))).toBe(4);
    expect(messagesIn(framesTo(service, 'a'))).toMatchObject([
      undeliverable(1, null),
      { id: 'm2', previous: cursorOf('1') },
      undeliverable(3, 2),
      { id: 'm4', previous: cursorOf('3') },
    ]);
    expect(service.deadLetters).toEqual(
      Array.from({ length: 2 }, () => ({ channel, body: '{', reason: 'unreadable' })),
    );
  });

  test('because the store refuses it is put away as it came', async () => {
    const service = subscribed('a');
    service.onAppend = entry => {
      if ('data' in entry) throw new ItemRefused(new Error('Item size has exceeded the maximum allowed size'));
    };
    const refused = delivery(1);
    await fanOut(service).deliver(refused);
    expect(messagesIn(framesTo(service, 'a'))).toEqual([undeliverable(1, null)]);
    expect(service.deadLetters).toEqual([{ channel, body: refused.body, reason: 'refused' }]);
  });

  test('is not taken for that where the store refuses everything: the channel waits', async () => {
    const service = subscribed('a');
    service.onAppend = () => {
      throw new ItemRefused(new Error('no such table'));
    };
    await expect(fanOut(service).deliver(delivery(1))).rejects.toThrow('no such table');
    expect(service.deadLetters).toEqual([]);
    expect(service.messagesOf(channel)).toEqual([]);
  });

  test('is put away again after a crash between the log and the dead letters', async () => {
    const service = subscribed('a');
    const { deliver } = fanOut(service, async operation => {
      if (operation === 'fanOut.deadLetter') throw new Error('SQS is down');
    });
    await expect(deliver(unreadable(1))).rejects.toThrow('SQS is down');
    expect(await fanOut(service).deliver(unreadable(1))).toBe(1);
    expect(service.deadLetters).toHaveLength(1);
    expect(service.messagesOf(channel)).toHaveLength(1);
  });
});

describe('while a backlog is flushed', () => {
  const until = delivery(100).sentAt;
  const at = (service: InMemoryService, now: number) => {
    service.now = now;
    return fanOut(service, immediately, { flush: { until } });
  };

  test('what was accepted by then is logged and not posted, and a marker queued once', async () => {
    const service = subscribed('a');
    const { deliver } = at(service, until + 1);
    expect(await deliver(delivery(1), delivery(2))).toBe(2);
    expect(await deliver(delivery(100))).toBe(1);
    expect(service.headOf(channel).cursor).toBe(cursorOf('100'));
    expect(framesTo(service, 'a')).toEqual([]);
    expect(service.queued.get(channel)).toMatchObject([{ publication: { channel, resync: true } }]);
  });

  test('the marker has the subscribers fetch what was not posted', async () => {
    const service = subscribed('a');
    expect(await at(service, until + 1).deliver(delivery(1), { channel, resync: true })).toBe(2);
    expect(framesTo(service, 'a')).toEqual([`{"type":"resync","channel":"${channel}"}`]);
  });

  test('what comes after is posted', async () => {
    const service = subscribed('a');
    await at(service, until + 1).deliver(delivery(101));
    expect(idsIn(framesTo(service, 'a'))).toEqual(['m101']);
  });

  test('what came into the queue after the end is posted, however early it was accepted: it is behind the marker', async () => {
    const service = subscribed('a');
    await at(service, until + 9).deliver({ ...delivery(99), sentAt: until + 1 });
    expect(idsIn(framesTo(service, 'a'))).toEqual(['m99']);
  });

  test('nothing is held back before its end', async () => {
    const service = subscribed('a');
    await at(service, until).deliver(delivery(1));
    expect(idsIn(framesTo(service, 'a'))).toEqual(['m1']);
  });

  test('the tasks of shards that wait already are dropped, and their subscribers told once', async () => {
    const service = subscribed('a');
    service.heads.set(channel, { cursor: null, shardCount: 2 });
    service.now = delivery(50).sentAt;
    const big = { data: 'x'.repeat(20_000) };
    await fanOut(service).deliver(delivery(1, big), delivery(2, big));
    await at(service, until + 1).serveShards();
    expect(framesTo(service, 'a')).toEqual([]);
    await at(service, until + 1).serveShards();
    expect(framesTo(service, 'a')).toEqual([`{"type":"resync","channel":"${channel}"}`]);
    expect([...service.shardTasks.groups.values()].flat()).toEqual([]);
  });
});

describe('an invocation that has not enough time', () => {
  const big = { data: 'x'.repeat(20_000) };

  test('does as many frames as it can, and leaves the rest to another', async () => {
    const service = subscribed('a', 'b');
    const budget = postBudget(5, Number.POSITIVE_INFINITY, () => 0);
    expect(
      await fanOut(service, immediately, { budget }).deliver(delivery(1, big), delivery(2, big), delivery(3, big)),
    ).toBe(2);
    for (const id of ['a', 'b']) expect(idsIn(framesTo(service, id))).toEqual(['m1', 'm2']);
    expect(service.messagesOf(channel)).toHaveLength(3);
  });

  test('begins with one frame in any case, however many subscribers there are', async () => {
    const service = subscribed('a', 'b', 'c');
    const budget = postBudget(1, Number.POSITIVE_INFINITY, () => 0);
    const { deliver } = fanOut(service, immediately, { budget });
    expect(await deliver(delivery(1))).toBe(1);
    expect(await deliver(delivery(2))).toBe(0);
  });

  test('stops where its time is over, closes nobody, and does all again', async () => {
    const service = subscribed('a', 'b', 'c', 'd');
    let posts = 0;
    service.onPost = () => {
      posts += 1;
      return posts === 1 ? throttled : undefined;
    };
    const budget = postBudget(100, 5, () => (posts < 2 ? 0 : 5));
    const { deliver } = fanOut(service, immediately, { budget, parallelism: 1 });
    await expect(deliver(delivery(1))).rejects.toThrow(OutOfTime);
    expect(posts).toBe(2);
    expect([...service.sockets.values()].every(({ open }) => open)).toBe(true);
  });
});
