import { once } from 'node:events';
import { systemClock } from '../../client/clock.ts';
import {
  Closed,
  ConnectionLost,
  type Message,
  MessagesLost,
  MessageUndeliverable,
  type Notice,
  OutcomeUnknown,
  Refused,
  type State,
  SteadySocket,
  type SteadySocketError,
  type SteadySocketOptions,
  Unanswered,
  UnreadableFrame,
} from '../../client/index.ts';
import { type Frame, type ScriptedService, startScriptedService } from './scripted-service.ts';
import { TestClock } from './test-clock.ts';

const cursor = (n: number) => String(n).padStart(39, '0');
const message = (n: number, channel = 'room:1') => ({
  type: 'message',
  channel,
  cursor: cursor(n),
  previous: n === 1 ? null : cursor(n - 1),
  id: `m${n}`,
  data: n,
  publishedAt: 0,
});

let service: ScriptedService;
let socket: SteadySocket;
/** What a frame is answered with; undefined for nothing. */
let answer: (frame: Frame) => Frame | undefined;

const served = (frame: Frame): Frame | undefined => {
  switch (frame.action) {
    case 'subscribe':
      return { type: 'subscribed', channel: frame.channel, cursor: frame.since ?? cursor(0), recovered: true };
    case 'unsubscribe':
      return { type: 'unsubscribed', channel: frame.channel };
    case 'publish':
      return { type: 'accepted', id: frame.id, cursor: cursor(1) };
    case 'presence':
      return { type: 'presence', channel: frame.channel, members: [{ user: 'bob', connectedAt: 1 }] };
    default:
      return { type: 'heartbeat' };
  }
};

beforeEach(async () => {
  answer = served;
  service = await startScriptedService(frame => answer(frame));
});
afterEach(async () => {
  socket.close();
  await service.close();
});

function connect(options: Partial<SteadySocketOptions> = {}): SteadySocket {
  socket = new SteadySocket({
    url: service.url,
    token: () => 'secret',
    heartbeatIntervalMs: 30_000,
    backoff: { baseMs: 10, capMs: 20 },
    ...options,
  });
  return socket;
}

/** What the channel delivers, to be awaited. */
function listen(channel = 'room:1', since?: string) {
  const received: Message[] = [];
  const target = new EventTarget();
  const subscription = socket.subscribe(channel, {
    ...(since !== undefined && { since }),
    onMessage: message => {
      received.push(message);
      target.dispatchEvent(new Event('message'));
    },
  });
  const until = async (count: number) => {
    while (received.length < count) await once(target, 'message');
    return received.map(({ data }) => data);
  };
  return { subscription, received, until };
}

const nextError = () => new Promise<SteadySocketError>(resolve => socket.on('error', resolve));

describe('connecting', () => {
  it('offers the subprotocol and a fresh token each time, and names the application', async () => {
    let tokens = 0;
    connect({ token: async () => `t${++tokens}`, client: 'my-app/1.4.0' });
    const first = await service.connection(1);
    expect(first.protocols).toBe('steadysocket.v1, bearer.t1');
    expect(first.url).toBe('/dev?client=my-app%2F1.4.0');
    first.kill();
    expect((await service.connection(2)).protocols).toBe('steadysocket.v1, bearer.t2');
  });

  it('tells its states and why a connection was lost', async () => {
    const states: State[] = [];
    connect();
    socket.on('state', state => states.push(state));
    const lost = nextError();
    (await service.connection(1)).kill();
    expect(await lost).toBeInstanceOf(ConnectionLost);
    await service.connection(2);
    await socket.presence('room:1');
    socket.close();
    expect(states).toEqual(['open', 'waiting', 'connecting', 'open', 'closed']);
  });

  it('tries again where there is no token, and says that it is not the first time', async () => {
    const failures: number[] = [];
    connect({
      token: count => {
        failures.push(count);
        if (failures.length < 3) throw new Error('offline');
        return 't';
      },
    });
    expect(await nextError()).toMatchObject({ message: 'no token', cause: new Error('offline') });
    await service.connection(1);
    await socket.presence('room:1');
    service.connections[0]?.kill();
    await service.connection(2);
    expect(failures).toEqual([0, 1, 2, 0]);
  });

  it('waits longer with each failure, up to the cap, and at random', async () => {
    const clock = new TestClock(() => 0.5);
    const attempts: number[] = [];
    const start = clock.now();
    connect({
      clock,
      backoff: { baseMs: 1_000, capMs: 5_000 },
      token: () => {
        attempts.push(clock.now() - start);
        throw new Error('offline');
      },
    });
    await clock.advance(12_000);
    // Waits of half of 1, 2, 4, 5, 5, … seconds.
    expect(attempts).toEqual([0, 500, 1_500, 3_500, 6_000, 8_500, 11_000]);
  });

  it('gives up a handshake that does not end', async () => {
    const clock = new TestClock();
    connect({ clock, token: () => new Promise(() => {}) });
    const lost = nextError();
    await clock.advance(15_000);
    expect(await lost).toMatchObject({ message: 'not connected in time' });
  });

  it.each(['token_expired', 'connection_gone'])('connects again on %s', async code => {
    answer = frame => (service.connections.length === 1 ? { type: 'error', code, message: '' } : served(frame));
    connect();
    await expect(socket.publish('room:1', 1)).resolves.toEqual({ cursor: cursor(1) });
    expect(service.connections).toHaveLength(2);
    await service.connections[0]?.closed();
  });

  it.each([
    'no frame',
    'null',
    '{"type":"message","channel":"room:1"}',
    '{"type":"messages","messages":[{"type":"message"}]}',
    '{"type":"messages"}',
    '{"type":"messages","messages":[null]}',
  ])('ignores and tells what is no frame: %s', async text => {
    connect();
    const error = nextError();
    (await service.connection(1)).send(text);
    expect(await error).toBeInstanceOf(UnreadableFrame);
    expect(await socket.publish('room:1', 1)).toEqual({ cursor: cursor(1) });
    expect(service.connections).toHaveLength(1);
  });
});

describe('heartbeats', () => {
  it('go out each interval, and an answer keeps the connection', async () => {
    connect({ heartbeatIntervalMs: 20, heartbeatTimeoutMs: 1_000 });
    await (await service.connection(1)).frame('heartbeat', 5);
    expect(service.connections).toHaveLength(1);
  });

  it('without an answer end the connection, and another takes its place', async () => {
    answer = frame => (frame.action === 'heartbeat' ? undefined : served(frame));
    connect({ heartbeatIntervalMs: 20, heartbeatTimeoutMs: 40 });
    const first = await service.connection(1);
    await service.connection(2);
    await first.closed();
    expect(first.frames.length).toBeGreaterThan(0);
  });
});

describe('a channel', () => {
  it('resumes from the last cursor after a loss', async () => {
    connect();
    const { until, subscription } = listen();
    const first = await service.connection(1);
    await first.frame('subscribe');
    for (const n of [1, 2]) first.send(message(n));
    await until(2);
    first.kill();
    const second = await service.connection(2);
    expect(await second.frame('subscribe')).toMatchObject({ since: cursor(2) });
    second.send({ type: 'messages', messages: [message(2), message(3), message(4)] });
    expect(await until(4)).toEqual([1, 2, 3, 4]);
    expect(subscription.cursor).toBe(cursor(4));
  });

  it('resumes from the first answer where no message came', async () => {
    answer = frame => ({ ...served(frame), cursor: cursor(7) });
    connect();
    const { subscription } = listen();
    const first = await service.connection(1);
    await first.frame('subscribe');
    await socket.presence('room:1');
    expect(subscription.cursor).toBe(cursor(7));
    first.kill();
    expect(await (await service.connection(2)).frame('subscribe')).toMatchObject({ since: cursor(7) });
  });

  it('asks again from the last good cursor where a gap does not close', async () => {
    connect({ gapMs: 20 });
    const { until, received } = listen();
    const connection = await service.connection(1);
    await connection.frame('subscribe');
    connection.send(message(1));
    connection.send(message(3));
    expect(await connection.frame('subscribe', 2)).toMatchObject({ since: cursor(1) });
    expect(received).toHaveLength(1);
    connection.send({ ...message(2), replay: true });
    expect(await until(3)).toEqual([1, 2, 3]);
  });

  it('asks page after page', async () => {
    answer = frame => {
      if (frame.action !== 'subscribe') return served(frame);
      const next = Number(frame.since) + 1;
      service.connections[0]?.send({ ...message(next), replay: true });
      return { ...served(frame), cursor: cursor(next), ...(next < 3 && { more: true }) };
    };
    connect();
    const { until } = listen('room:1', cursor(0));
    expect(await until(3)).toEqual([1, 2, 3]);
    await socket.presence('room:1');
    expect(service.connections[0]?.frames.filter(({ action }) => action === 'subscribe')).toHaveLength(3);
  });

  it('goes on where the application throws, and leaves the error to whoever handles uncaught ones', async () => {
    const thrown = jest.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => {});
    connect();
    const received: unknown[] = [];
    const done = new Promise<void>(resolve =>
      socket.subscribe('room:1', {
        onMessage: ({ data }) => {
          received.push(data);
          if (data === 1) throw new Error('of the application');
          resolve();
        },
      }),
    );
    const connection = await service.connection(1);
    await connection.frame('subscribe');
    connection.send({ type: 'messages', messages: [message(1), message(2)] });
    await done;
    expect(received).toEqual([1, 2]);
    const [rethrow] = thrown.mock.calls.map(([callback]) => callback);
    thrown.mockRestore();
    expect(rethrow).toThrow('of the application');
  });

  it('asks again on resync', async () => {
    connect();
    const { until } = listen();
    const connection = await service.connection(1);
    await connection.frame('subscribe');
    connection.send(message(1));
    await until(1);
    connection.send({ type: 'resync', channel: 'room:1' });
    expect(await connection.frame('subscribe', 2)).toMatchObject({ since: cursor(1) });
  });

  it('asks again where the service could not answer, and where the gateway answered by itself', async () => {
    const failures: Frame[] = [
      { type: 'error', code: 'unavailable', message: '', retryAfterMs: 5 },
      { message: 'Internal server error', connectionId: 'c', requestId: 'r', request: undefined },
    ];
    answer = frame => failures.shift() ?? served(frame);
    connect();
    const { until } = listen();
    const connection = await service.connection(1);
    await connection.frame('subscribe', 3);
    connection.send(message(1));
    expect(await until(1)).toEqual([1]);
  });

  it('that is refused is over, and told', async () => {
    answer = frame =>
      frame.action === 'subscribe' ? { type: 'error', code: 'forbidden_channel', message: 'no' } : served(frame);
    connect();
    const refused = await new Promise<Refused>(resolve =>
      socket.subscribe('room:1', { onMessage: () => {}, onRefused: resolve }),
    );
    expect(refused).toMatchObject({ name: 'Refused', code: 'forbidden_channel', channel: 'room:1' });
    // It may be tried again, and is then told as an event.
    const error = nextError();
    listen();
    expect(await error).toBeInstanceOf(Refused);
  });

  it('is subscribed again only when its end was answered', async () => {
    connect();
    const { subscription } = listen();
    const connection = await service.connection(1);
    await connection.frame('subscribe');
    // Its answer follows that of the subscription.
    await socket.presence('room:2');
    subscription.unsubscribe();
    const { until } = listen('room:1', cursor(0));
    await connection.frame('subscribe', 2);
    expect(connection.frames.map(({ action }) => action)).toEqual([
      'subscribe',
      'presence',
      'unsubscribe',
      'subscribe',
    ]);
    connection.send(message(1));
    expect(await until(1)).toEqual([1]);
  });

  it('delivers nothing once it is unsubscribed', async () => {
    connect();
    const first = listen('room:1');
    const second = listen('room:2');
    const connection = await service.connection(1);
    await connection.frame('subscribe', 2);
    first.subscription.unsubscribe();
    connection.send(message(1, 'room:1'));
    connection.send(message(1, 'room:2'));
    await second.until(1);
    expect(first.received).toEqual([]);
  });

  it('can be subscribed once at a time', () => {
    connect();
    listen();
    expect(() => listen()).toThrow('room:1 is subscribed already');
  });
});

describe('a planned reconnect', () => {
  it('opens the new connection, resumes on it, then closes the old one', async () => {
    let hold = false;
    let release = () => {};
    answer = frame => {
      if (!hold || frame.action !== 'subscribe') return served(frame);
      release = () => service.connections[1]?.send({ ...served(frame), request: frame.request });
      return undefined;
    };
    const clock = new TestClock(() => 0.5);
    // Heartbeats would be answered in real time, which the clock does not wait for.
    connect({ clock, heartbeatIntervalMs: 24 * 60 * 60_000 });
    const { until } = listen();
    const first = await service.connection(1);
    await first.frame('subscribe');
    await socket.presence('room:1');
    hold = true;
    await clock.advance(75 * 60_000 - 1);
    expect(service.connections).toHaveLength(1);
    // 0.5 of the way from 75 to 115 min.
    await clock.advance(20 * 60_000 + 1);
    const second = await service.connection(2);
    await second.frame('subscribe');
    first.send(message(1));
    expect(await until(1)).toEqual([1]);
    expect(first.isClosed).toBe(false);
    release();
    await first.closed();
    for (const n of [1, 2]) second.send(message(n));
    expect(await until(2)).toEqual([1, 2]);
  });

  it('leaves at server_shutdown without waiting for a connection that it would be refused', async () => {
    const errors: Error[] = [];
    connect({ clock: { ...systemClock, random: () => 0.9 }, noticeSpreadMs: 10, backoff: { baseMs: 500, capMs: 500 } });
    socket.on('error', error => errors.push(error));
    listen();
    const first = await service.connection(1);
    await first.frame('subscribe');
    first.send({ type: 'notice', notice: 'server_shutdown' });
    expect(await first.closed()).toBe(4000);
    expect(service.connections).toHaveLength(1);
    const second = await service.connection(2);
    await second.frame('subscribe');
    expect(errors).toEqual([]);
  });

  it('follows the notice reconnect', async () => {
    connect({ noticeSpreadMs: 10 });
    listen();
    const first = await service.connection(1);
    await first.frame('subscribe');
    first.send({ type: 'notice', notice: 'reconnect' });
    const second = await service.connection(2);
    // So that the service does not take it for one that has left.
    expect(await first.closed()).toBe(4000);
    expect(second.isClosed).toBe(false);
    expect(socket.state).toBe('open');
  });

  it('comes before the token ends', async () => {
    const clock = new TestClock(() => 0.5);
    const token = () => `a.${btoa(JSON.stringify({ exp: clock.now() / 1000 + 600 }))}.c`;
    connect({ clock, heartbeatIntervalMs: 24 * 60 * 60_000, token });
    const first = await service.connection(1);
    await socket.presence('room:1');
    // Between 10 and 25 % of its 10 min before.
    await clock.advance(495_000 - 1);
    expect(service.connections).toHaveLength(1);
    await clock.advance(1);
    await service.connection(2);
    await first.closed();
  });

  it('does not come every moment where the token is about to end, or by a clock that is wrong', async () => {
    for (const leftMs of [1_000, -1_000]) {
      const clock = new TestClock(() => 0.5);
      const token = () => `a.${btoa(JSON.stringify({ exp: (clock.now() + leftMs) / 1000 }))}.c`;
      const before = service.connections.length;
      connect({ clock, heartbeatIntervalMs: 24 * 60 * 60_000, token });
      await socket.presence('room:1');
      await clock.advance(9_999);
      expect(service.connections).toHaveLength(before + 1);
      socket.close();
    }
  });

  it('goes on with the new connection at once where the old one dies meanwhile', async () => {
    answer = frame => (service.connections.length === 2 && frame.action === 'subscribe' ? undefined : served(frame));
    connect({ noticeSpreadMs: 10 });
    listen();
    const first = await service.connection(1);
    await first.frame('subscribe');
    first.send({ type: 'notice', notice: 'reconnect' });
    const second = await service.connection(2);
    await second.frame('subscribe');
    first.kill();
    await expect(socket.publish('room:1', 1)).resolves.toEqual({ cursor: cursor(1) });
    await second.frame('publish');
    expect(service.connections).toHaveLength(2);
  });
});

describe('notices', () => {
  it('tell the application to refresh, at a moment of its own, and what they say', async () => {
    connect();
    const refreshed = new Promise<void>(resolve => socket.on('refresh', resolve));
    const notices: Notice[] = [];
    socket.on('notice', notice => notices.push(notice));
    const connection = await service.connection(1);
    connection.send({ type: 'notice', notice: 'system', message: 'Maintenance at 6' });
    connection.send({ type: 'notice', notice: 'refresh', withinMs: 10 });
    await refreshed;
    expect(notices).toMatchObject([{ notice: 'system', message: 'Maintenance at 6' }, { notice: 'refresh' }]);
    expect(service.connections).toHaveLength(1);
  });
});

describe('a channel of which the newest is enough', () => {
  it('asks for no more than that, and skips what did not come', async () => {
    connect();
    const received: unknown[] = [];
    const subscription = socket.subscribe('room:1', { latestOnly: true, onMessage: ({ data }) => received.push(data) });
    const first = await service.connection(1);
    expect(await first.frame('subscribe')).toMatchObject({ latest: true });
    for (const n of [1, 4, 2]) first.send(message(n));
    await socket.presence('room:1');
    first.send({ type: 'heartbeat' });
    await socket.presence('room:1');
    expect(received).toEqual([1, 4]);
    expect(subscription.cursor).toBe(cursor(4));
    first.kill();
    expect(await (await service.connection(2)).frame('subscribe')).toMatchObject({ since: cursor(4), latest: true });
  });
});

describe('what nobody listens for', () => {
  it('is an error event: a loss, and a message that cannot be had', async () => {
    answer = frame =>
      frame.action === 'subscribe' ? { ...served(frame), cursor: cursor(5), recovered: false } : served(frame);
    connect();
    const errors: SteadySocketError[] = [];
    const two = new Promise<void>(resolve =>
      socket.on('error', error => {
        errors.push(error);
        if (errors.length === 2) resolve();
      }),
    );
    listen('room:1', cursor(1));
    const connection = await service.connection(1);
    await connection.frame('subscribe');
    connection.send({ type: 'undeliverable', channel: 'room:1', cursor: cursor(6), previous: cursor(5) });
    await two;
    expect(errors[0]).toBeInstanceOf(MessagesLost);
    expect(errors[0]).toMatchObject({ loss: { channel: 'room:1', after: cursor(1), resumesAt: cursor(5) } });
    expect(errors[1]).toBeInstanceOf(MessageUndeliverable);
    expect(errors[1]).toMatchObject({ undeliverable: { cursor: cursor(6), reason: 'undeliverable' } });
  });
});

describe('publishing', () => {
  it('sends the same id again on the next connection', async () => {
    answer = frame => (service.connections.length === 1 ? undefined : served(frame));
    connect();
    const accepted = socket.publish('room:1', { n: 1 });
    const first = await service.connection(1);
    const sent = await first.frame('publish');
    first.kill();
    expect(await accepted).toEqual({ cursor: cursor(1) });
    expect(await (await service.connection(2)).frame('publish')).toEqual(sent);
  });

  it('rejects what is not JSON', async () => {
    connect();
    for (const data of [undefined, 1n, () => {}]) {
      await expect(socket.publish('room:1', data)).rejects.toThrow(TypeError);
    }
  });

  it('keeps to the frame rate', async () => {
    const clock = new TestClock();
    connect({ clock, framesPerSecond: 5 });
    await service.connection(1);
    await new Promise<void>(resolve => socket.on('state', state => state === 'open' && resolve()));
    const accepted = Array.from({ length: 7 }, (_, n) => socket.publish(`room:${n}`, n));
    await Promise.all(accepted.slice(0, 5));
    expect(service.connections[0]?.frames).toHaveLength(5);
    await clock.advance(400);
    await Promise.all(accepted);
  });
});

it('resumes more channels than the rate lets it ask for within the time of an answer', async () => {
  const clock = new TestClock();
  connect({ clock, framesPerSecond: 1, heartbeatIntervalMs: 24 * 60 * 60_000 });
  await new Promise<void>(resolve => socket.on('state', state => state === 'open' && resolve()));
  for (let n = 0; n < 40; n++) listen(`room:${n}`);
  const connection = await service.connection(1);
  for (let n = 1; n <= 40; n++) {
    await connection.frame('subscribe', n);
    await clock.advance(1_000);
  }
  expect(service.connections).toHaveLength(1);
  expect(new Set(connection.frames.map(({ channel }) => channel)).size).toBe(40);
});

describe('presence', () => {
  it('tells the members', async () => {
    connect();
    expect(await socket.presence('room:1')).toEqual({ members: [{ user: 'bob', connectedAt: 1 }], more: false });
  });

  it('is given up after 30 s', async () => {
    const clock = new TestClock();
    connect({ clock, token: () => new Promise(() => {}) });
    const refused = expect(socket.presence('room:1')).rejects.toThrow(Unanswered);
    await clock.advance(30_000);
    await refused;
  });
});

describe('close', () => {
  it('rejects what was sent as unknown, the rest as closed, and everything after', async () => {
    answer = () => undefined;
    connect();
    const [sent, waiting, presence] = [
      socket.publish('room:1', 1, { id: 'm1' }),
      socket.publish('room:1', 2),
      socket.presence('room:1'),
    ];
    const connection = await service.connection(1);
    await connection.frame('publish');
    const expectations = Promise.all([
      expect(sent).rejects.toMatchObject({ name: 'OutcomeUnknown', id: 'm1' }),
      expect(sent).rejects.toBeInstanceOf(OutcomeUnknown),
      expect(waiting).rejects.toBeInstanceOf(Closed),
      expect(presence).rejects.toBeInstanceOf(Closed),
    ]);
    socket.close();
    await expectations;
    await connection.closed();
    await expect(socket.publish('room:1', 3)).rejects.toBeInstanceOf(Closed);
    expect(() => listen()).toThrow(Closed);
    expect(socket.state).toBe('closed');
  });
});
