import { answer, type MessageDependencies, type Sender } from '../../../lambdas/message/answer.ts';
import type { FrameVerdict } from '../../../lambdas/message/frame-rate.ts';
import { type Control, defaultControl } from '../../../lambdas/shared/control.ts';
import { encodeFrame, origin, Refusal } from '../../../lambdas/shared/protocol.ts';
import { everything } from '../../../lambdas/shared/rights.ts';
import { beatNotes } from '../../../lambdas/shared/unwritten-beats.ts';
import { InMemoryService, immediately, type Step } from '../in-memory.ts';

const now = 1_700_000_000_000;
const rights = { read: ['room:*'], write: ['room:lobby', 'room:large'] };
const alice: Sender = { connectionId: 'a=', session: { user: 'alice', rights } };

interface Reported {
  readonly connectionId: string;
  readonly refusal: Refusal;
  readonly cause: unknown;
}

function messages(changes: Partial<MessageDependencies> = {}, step: Step = immediately) {
  const service = new InMemoryService();
  service.open('a=', { user: 'alice', connectedAt: now - 5 });
  const reported: Reported[] = [];
  const { presence, log, queue, callback, unwritten } = service.view(step);
  const dependencies: MessageDependencies = {
    presence,
    log,
    queue,
    callback,
    rate: () => 'taken',
    now: () => now,
    limits: { maxMessageBytes: 100, maxChannelsPerConnection: 2 },
    heartbeat: { intervalMs: 30_000, graceMs: 10_000 },
    shardSize: 3,
    control: { read: async () => defaultControl },
    throttle: { admit: async () => {} },
    noteBeat: beatNotes(unwritten, () => {}),
    unwritten,
    refused: ({ connectionId }, refusal, cause) => reported.push({ connectionId, refusal, cause }),
    ...changes,
  };
  return {
    service,
    reported,
    send: (frame: object | string, sender: Sender = alice) =>
      answer(sender, typeof frame === 'string' ? frame : JSON.stringify(frame), dependencies),
  };
}

describe('subscribe', () => {
  test('writes the subscription and tells the position', async () => {
    const { service, send, reported } = messages();
    expect(await send({ action: 'subscribe', channel: 'room:1', request: 1 })).toEqual({
      type: 'subscribed',
      channel: 'room:1',
      cursor: origin,
      recovered: true,
      request: 1,
    });
    expect(service.subscribersOf('room:1', 0)).toEqual(new Set(['a=']));
    expect(service.connections.get('a=')?.channels).toEqual(new Map([['room:1', 0]]));
    expect(reported).toEqual([]);
  });

  test('has recovered where nothing came after `since`, and not otherwise', async () => {
    const { service, send } = messages();
    const cursor = origin.replace(/0$/, '5');
    service.heads.set('room:1', { cursor, shardCount: 1 });
    const subscribe = (since?: string) => send({ action: 'subscribe', channel: 'room:1', since });
    expect(await subscribe()).toMatchObject({ cursor, recovered: true });
    expect(await subscribe(cursor)).toMatchObject({ cursor, recovered: true });
    expect(await subscribe(origin)).toMatchObject({ cursor, recovered: false });
  });

  test('reads the position only after the subscription is written', async () => {
    const operations: string[] = [];
    const { send } = messages({}, async operation => void operations.push(operation));
    await send({ action: 'subscribe', channel: 'room:1' });
    expect(operations.slice(-2)).toEqual(['subscriptions.add', 'log.head']);
  });

  test('goes to the shard of the connection', async () => {
    const { service, send } = messages();
    service.heads.set('room:1', { cursor: null, shardCount: 8 });
    await send({ action: 'subscribe', channel: 'room:1' });
    const shard = service.connections.get('a=')?.channels.get('room:1') ?? -1;
    expect(service.subscribersOf('room:1', shard)).toEqual(new Set(['a=']));
    // Shards that were added meanwhile do not move it: it would be subscribed twice.
    service.heads.set('room:1', { cursor: null, shardCount: 64 });
    await send({ action: 'subscribe', channel: 'room:1' });
    expect(service.connections.get('a=')?.channels).toEqual(new Map([['room:1', shard]]));
    await send({ action: 'unsubscribe', channel: 'room:1' });
    expect(service.subscribersOf('room:1', shard)).toEqual(new Set());
  });

  test('to a channel that nobody publishes to spreads it when it becomes large', async () => {
    const service = new InMemoryService();
    const { send } = messages({ ...service.view(), limits: { maxMessageBytes: 100, maxChannelsPerConnection: 2 } });
    for (let n = 0; n < 400; n += 1) {
      service.open(`c${n}`);
      await send({ action: 'subscribe', channel: 'room:1' }, { ...alice, connectionId: `c${n}` });
    }
    const { shardCount, fullShards } = service.headOf('room:1');
    expect(shardCount).toBeGreaterThan(2);
    expect(fullShards).toContain(0);
    const sizes = Array.from({ length: shardCount }, (_, shard) => service.subscribersOf('room:1', shard).size);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(400);
    // One subscription in 32 counts its shard.
    expect(Math.max(...sizes)).toBeLessThan(150);
  });
});

test('unsubscribe ends it, and is answered where there was none', async () => {
  const { service, send } = messages();
  service.subscribe('a=', 'room:1');
  for (let n = 0; n < 2; n += 1) {
    expect(await send({ action: 'unsubscribe', channel: 'room:1', request: 'r' })).toEqual({
      type: 'unsubscribed',
      channel: 'room:1',
      request: 'r',
    });
  }
  expect(service.subscribersOf('room:1', 0).size).toBe(0);
  expect(service.connections.get('a=')?.channels.size).toBe(0);
});

describe('publish', () => {
  const frame = { action: 'publish', channel: 'room:lobby', id: 'm1', data: { hi: 1 } };

  test('queues the message and tells its cursor', async () => {
    const { service, send } = messages();
    const reply = await send({ ...frame, request: 9 });
    const [queued] = service.queued.get('room:lobby') ?? [];
    expect(reply).toEqual({
      type: 'accepted',
      id: 'm1',
      cursor: queued?.sequenceNumber.padStart(39, '0'),
      request: 9,
    });
    expect(queued?.publication).toEqual({ channel: 'room:lobby', id: 'm1', data: { hi: 1 }, publishedAt: now });
  });

  test('a repetition is accepted once for each user', async () => {
    const { service, send } = messages();
    await send(frame);
    await send(frame, { ...alice, connectionId: 'later=' });
    expect(service.queued.get('room:lobby')).toHaveLength(1);
    await send(frame, { ...alice, session: { ...alice.session, user: 'bob' } });
    expect(service.queued.get('room:lobby')).toHaveLength(2);
  });

  test('anonymous clients are told apart by their connection', async () => {
    const { service, send } = messages();
    for (const connectionId of ['x=', 'y=', 'x=']) await send(frame, { connectionId, session: { rights: everything } });
    expect(service.queued.get('room:lobby')).toHaveLength(2);
  });
});

describe('heartbeat', () => {
  test('moves the time', async () => {
    const { service, send } = messages();
    expect(await send({ action: 'heartbeat', request: 1 })).toEqual({ type: 'heartbeat', request: 1 });
    expect(service.connections.get('a=')).toMatchObject({ lastSeenAt: now });
  });

  test('is answered where half an interval has not passed', async () => {
    const { service, send } = messages();
    service.open('a=', { lastSeenAt: now - 14_999 });
    expect(await send({ action: 'heartbeat' })).toEqual({ type: 'heartbeat' });
    expect(service.connections.get('a=')).toMatchObject({ lastSeenAt: now - 14_999 });
  });
});

describe('a heartbeat of a connection that misses messages', () => {
  test('is answered with the channel, until it has subscribed again', async () => {
    const { service, send } = messages();
    service.subscribe('a=', 'room:1');
    await service.view().presence.connections.markResync('a=', 'room:1');
    for (const request of [1, 2])
      expect(await send({ action: 'heartbeat', request })).toEqual({ type: 'resync', channel: 'room:1', request });
    await send({ action: 'subscribe', channel: 'room:1' });
    expect(await send({ action: 'heartbeat' })).toEqual({ type: 'heartbeat' });
  });
});

describe('presence', () => {
  test('tells who is subscribed and not silent, oldest first, and nothing more of them', async () => {
    const { service, send } = messages();
    service.open('b=', {
      user: 'bob',
      connectedAt: now - 9,
      clientVersion: 'app/2',
      lastSeenAt: now - 55_000,
      ip: '192.0.2.7',
    });
    service.open('c=', { user: 'carol', lastSeenAt: now - 55_001 });
    service.open('d=', { connectedAt: now - 7 });
    service.open('e=', { user: 'elsewhere' });
    for (const id of ['a=', 'b=', 'c=', 'd=', 'removed=']) service.subscribe(id, 'room:1');
    expect(await send({ action: 'presence', channel: 'room:1', request: 2 })).toEqual({
      type: 'presence',
      channel: 'room:1',
      members: [
        { user: 'bob', connectedAt: now - 9, clientVersion: 'app/2' },
        { connectedAt: now - 7 },
        { user: 'alice', connectedAt: now - 5 },
      ],
      request: 2,
    });
  });

  test('reads every shard', async () => {
    const { service, send } = messages();
    service.heads.set('room:1', { cursor: null, shardCount: 3 });
    for (const shard of [0, 1, 2]) {
      service.open(`${shard}=`, { user: `u${shard}`, connectedAt: now });
      service.subscribersOf('room:1', shard).add(`${shard}=`);
    }
    expect(await send({ action: 'presence', channel: 'room:1' })).toMatchObject({
      members: [{ user: 'u0' }, { user: 'u1' }, { user: 'u2' }],
    });
  });

  test('hides who must have been disconnected by the gateway', async () => {
    const { service, send } = messages();
    service.open('ghost=', { user: 'ghost', connectedAt: now - 2 * 3_600_000 - 60_001 });
    service.subscribe('ghost=', 'room:1');
    expect(await send({ action: 'presence', channel: 'room:1' })).toMatchObject({ members: [] });
  });

  test.each([
    [300, 'a', 300, undefined],
    [301, 'a', 300, true],
    [300, '語', undefined, true],
    [300, '\u0001', undefined, true],
  ])('%d members named %j make a frame that fits', async (members, character, told, more) => {
    const { service, send } = messages();
    for (let n = 0; n < members; n += 1) {
      service.open(`m${n}`, { user: character.repeat(256), connectedAt: now, clientVersion: 'v'.repeat(64) });
      service.subscribe(`m${n}`, 'room:1');
    }
    const frame = await send({ action: 'presence', channel: 'room:1', request: '\u0001'.repeat(128) });
    if (frame.type !== 'presence') throw new Error(frame.type);
    expect(Buffer.byteLength(encodeFrame(frame))).toBeLessThanOrEqual(131_072);
    expect(frame.more).toBe(more);
    if (told === undefined) expect(frame.members.length).toBeGreaterThan(50);
    else expect(frame.members).toHaveLength(told);
  });
});

test('a ping is answered', async () => {
  expect(await messages().send({ type: 'ping' })).toEqual({ type: 'pong' });
});

describe('a refusal', () => {
  const asItIs = () => {};
  const removed = (service: InMemoryService) => void service.connections.delete('a=');
  const full = (service: InMemoryService) => {
    service.subscribe('a=', 'room:1');
    service.subscribe('a=', 'room:2');
  };
  test.each<[string, object | string, (service: InMemoryService) => void]>([
    ['bad_json', '{', asItIs],
    ['unknown_action', { action: 'shout' }, asItIs],
    ['bad_frame', { action: 'subscribe', channel: 5 }, asItIs],
    ['forbidden_channel', { action: 'subscribe', channel: 'secret' }, asItIs],
    ['forbidden_channel', { action: 'presence', channel: 'secret' }, asItIs],
    ['forbidden_channel', { action: 'publish', channel: 'room:1', id: 'm1', data: 1 }, asItIs],
    ['message_too_large', { action: 'publish', channel: 'room:lobby', id: 'm1', data: 'x'.repeat(99) }, asItIs],
    ['too_many_channels', { action: 'subscribe', channel: 'room:3' }, full],
    ['connection_gone', { action: 'subscribe', channel: 'room:1' }, removed],
    ['connection_gone', { action: 'heartbeat' }, removed],
  ])('%s %j is told, with what it answers, and reported once', async (code, frame, prepare) => {
    const { service, send, reported } = messages();
    prepare(service);
    const given = typeof frame === 'string' ? frame : { ...frame, request: 'r1' };
    const reply = await send(given);
    expect(reply).toMatchObject({ type: 'error', code, message: expect.stringMatching(/./) });
    if (typeof given !== 'string') {
      expect(reply).toMatchObject({ request: 'r1', ...('id' in given && { id: 'm1' }) });
    }
    expect(reported).toEqual([{ connectionId: 'a=', refusal: expect.objectContaining({ code }), cause: undefined }]);
    expect([...service.queued.values()].flat()).toEqual([]);
    if (code !== 'too_many_channels')
      expect([...service.subscriptions.values()].every(set => set.size === 0)).toBe(true);
  });

  test('of an expired token meets every frame, from that moment', async () => {
    const { send } = messages();
    const until = (tokenExpiresAt: number): Sender => ({ ...alice, session: { ...alice.session, tokenExpiresAt } });
    expect(await send({ action: 'heartbeat' }, until(now + 1))).toEqual({ type: 'heartbeat' });
    expect(await send({ action: 'heartbeat', request: 4 }, until(now))).toMatchObject({
      code: 'token_expired',
      request: 4,
    });
    const publish = { action: 'publish', channel: 'room:lobby', id: 'm1', data: 1 };
    expect(await send(publish, until(now - 1))).toMatchObject({ code: 'token_expired', id: 'm1' });
  });

  test('of a queue that fails keeps the id and says when to try again', async () => {
    const failure = new Error('secret ARN');
    const { send, reported } = messages({ queue: { send: () => Promise.reject(failure) } });
    const reply = await send({ action: 'publish', channel: 'room:lobby', id: 'm1', data: 1 });
    expect(reply).toMatchObject({ type: 'error', code: 'unavailable', id: 'm1', retryAfterMs: 1_000 });
    expect(JSON.stringify(reply)).not.toContain('secret');
    expect(reported).toMatchObject([{ refusal: { code: 'unavailable' }, cause: failure }]);
  });
});

describe('frames over the rate', () => {
  const at = (verdict: FrameVerdict, step?: Step) => messages({ rate: () => verdict }, step);
  const publish = { action: 'publish', channel: 'room:lobby', id: 'm1', data: 1, request: 5 };

  test('are refused unread, with what they are', async () => {
    const { service, send, reported } = at('refused');
    const refusal = { type: 'error', code: 'rate_limited', retryAfterMs: 1_000 };
    expect(await send(publish)).toMatchObject({ ...refusal, id: 'm1', request: 5 });
    expect(await send('{')).toMatchObject(refusal);
    expect(service.queued.size).toBe(0);
    expect(service.sockets.get('a=')?.open).toBe(true);
    expect(reported).toHaveLength(2);
  });

  test('that go on end the connection', async () => {
    const { service, send } = at('flooding');
    expect(await send(publish)).toMatchObject({ type: 'error', code: 'rate_limited' });
    expect(service.sockets.get('a=')?.open).toBe(false);
    expect(await send(publish)).toMatchObject({ type: 'error', code: 'rate_limited' });
  });

  test('are judged by connection and time', async () => {
    const rate = jest.fn<FrameVerdict, [string, number]>(() => 'taken');
    await messages({ rate }).send({ type: 'ping' });
    expect(rate.mock.calls).toEqual([['a=', now]]);
  });
});

test.each([
  ['subscribe', 'log.head'],
  ['subscribe', 'connections.addChannel'],
  ['subscribe', 'subscriptions.add'],
  ['unsubscribe', 'connections.removeChannel'],
  ['presence', 'subscriptions.subscribers'],
  ['presence', 'connections.get'],
])(
  'where %s meets a failing %s it is an internal error, reported once with its cause, told without',
  async (action, failing) => {
    const failure = new Error('token eyJhbGciOi and table ARN');
    const { send, reported } = messages({}, async operation => {
      if (operation === failing) throw failure;
    });
    expect(await send({ action, channel: 'room:1', request: 3 })).toEqual({
      type: 'error',
      code: 'internal',
      message: 'the frame could not be handled',
      request: 3,
      retryAfterMs: 1_000,
    });
    expect(reported).toEqual([
      { connectionId: 'a=', refusal: expect.objectContaining({ code: 'internal' }), cause: failure },
    ]);
  },
);

describe('by the control record', () => {
  const control = (changes: Partial<Control>) => ({ read: async () => ({ ...defaultControl, ...changes }) });

  test('degraded presence answers heartbeats without a write, and refuses to tell who is there', async () => {
    const operations: string[] = [];
    const { send } = messages(
      { control: control({ presence: 'degraded' }) },
      async operation => void operations.push(operation),
    );
    for (let request = 1; request < 4; request += 1)
      expect(await send({ action: 'heartbeat', request })).toEqual({ type: 'heartbeat', request });
    expect(await send({ action: 'presence', channel: 'room:1' })).toMatchObject({ code: 'presence_degraded' });
    // One trace for all of them.
    expect(operations).toEqual(['unwritten.extend']);
    // Everything else works.
    expect(await send({ action: 'subscribe', channel: 'room:1' })).toMatchObject({ type: 'subscribed' });
  });

  test('a heartbeat of which no trace can be left is written', async () => {
    const { service, send } = messages({ control: control({ presence: 'degraded' }) }, async operation => {
      if (operation === 'unwritten.extend') throw new Error('store sick');
    });
    expect(await send({ action: 'heartbeat' })).toEqual({ type: 'heartbeat' });
    expect(service.connections.get('a=')).toMatchObject({ lastSeenAt: now });
  });

  test('who is there is not told until heartbeats have been written for as long as silence is judged by', async () => {
    const { service, send } = messages();
    const ask = () => send({ action: 'presence', channel: 'room:1' });
    service.unwrittenUntil = now - 54_000;
    expect(await ask()).toMatchObject({ code: 'presence_degraded', retryAfterMs: 1_000 });
    service.unwrittenUntil = now - 55_000;
    expect(await ask()).toMatchObject({ type: 'presence' });
  });

  test('a throttled publication is refused with the time to wait; parts after the first one are not asked for', async () => {
    const asked: unknown[] = [];
    const throttle = {
      admit: async (...turn: unknown[]) => {
        asked.push(turn);
        throw new Refusal('throttled', 'one message in 100 ms', 42);
      },
    };
    const { service, send } = messages({ throttle });
    const frame = { action: 'publish', channel: 'room:lobby', id: 'm1', data: 'piece' };
    expect(await send(frame)).toMatchObject({ type: 'error', code: 'throttled', id: 'm1', retryAfterMs: 42 });
    expect(await send({ ...frame, part: { offset: 0, bytes: 10 } })).toMatchObject({ code: 'throttled' });
    expect(asked).toEqual([
      ['alice', 'room:lobby', now],
      ['alice', 'room:lobby', now],
    ]);
    expect(service.queued.get('room:lobby')).toBeUndefined();
    expect(await send({ ...frame, id: 'm2', part: { offset: 5, bytes: 10 } })).toMatchObject({ type: 'accepted' });
    expect(asked).toHaveLength(2);
  });
});
