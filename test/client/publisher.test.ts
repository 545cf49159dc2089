import { Closed, OutcomeUnknown, Refused, Superseded } from '../../client/errors.ts';
import type { ClientFrame, ErrorCode } from '../../client/frames.ts';
import { outcomeUnknownMs, Publisher } from '../../client/publisher.ts';
import { Requests } from '../../client/requests.ts';
import { TestClock } from './test-clock.ts';

const cursor = '1'.padStart(39, '0');

function setUp() {
  // Jitter takes its longest, as near as makes no difference.
  const clock = new TestClock(() => 1);
  const requests = new Requests({ clock, backoff: { baseMs: 1_000, capMs: 8_000 }, resendMs: 10_000 });
  let last = 0;
  const publisher = new Publisher(requests, clock, () => ++last);
  const sent: Extract<ClientFrame, { action: 'publish' }>[] = [];
  const send = (frame: ClientFrame, onWire: () => void) => {
    if (frame.action === 'publish') sent.push(frame);
    onWire();
  };
  return {
    clock,
    requests,
    publisher,
    sent,
    ids: () => sent.map(({ id }) => id),
    connect: () => requests.connected(send),
    accept: (index: number) => requests.answered({ type: 'accepted', cursor, request: sent[index]?.request ?? -1 }),
    refuse: (index: number, code: ErrorCode, retryAfterMs?: number) =>
      requests.answered({
        type: 'error',
        code,
        message: 'no',
        request: sent[index]?.request ?? -1,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      }),
  };
}

it('sends the next of a channel when the one before was accepted, and other channels meanwhile', async () => {
  const { publisher, ids, connect, accept } = setUp();
  connect();
  const first = publisher.publish('a', 1, { id: 'a1' });
  const second = publisher.publish('a', 2, { id: 'a2' });
  const other = publisher.publish('b', 3, { id: 'b1' });
  expect(ids()).toEqual(['a1', 'b1']);
  accept(0);
  expect(ids()).toEqual(['a1', 'b1', 'a2']);
  accept(1);
  accept(2);
  await expect(Promise.all([first, second, other])).resolves.toEqual([{ cursor }, { cursor }, { cursor }]);
});

it.each<ErrorCode>(['unavailable', 'internal', 'rate_limited'])('sends the same again on %s', async code => {
  const { clock, publisher, sent, connect, refuse, accept } = setUp();
  connect();
  const data = { n: 1 };
  const accepted = publisher.publish('a', data, { id: 'a1' });
  data.n = 2;
  refuse(0, code, 500);
  await clock.advance(1_499);
  expect(sent).toHaveLength(1);
  await clock.advance(1);
  refuse(1, code);
  await clock.advance(2_000);
  expect(sent).toHaveLength(3);
  expect(new Set(sent.map(frame => JSON.stringify(frame))).size).toBe(1);
  expect(sent[0]?.data).toEqual({ n: 1 });
  accept(2);
  await accepted;
  expect(clock.timers).toBe(0);
});

it('sends again what is not answered, and on each new connection', async () => {
  const { clock, publisher, requests, ids, connect, accept } = setUp();
  const accepted = publisher.publish('a', 1, { id: 'a1' });
  expect(ids()).toEqual([]);
  connect();
  await clock.advance(10_000);
  expect(ids()).toEqual(['a1', 'a1']);
  requests.disconnected();
  await clock.advance(60_000);
  expect(ids()).toHaveLength(2);
  connect();
  expect(ids()).toHaveLength(3);
  accept(0);
  await accepted;
  expect(clock.timers).toBe(0);
});

it.each<ErrorCode>(['forbidden_channel', 'message_too_large', 'bad_frame'])(
  'rejects on %s, and goes on',
  async code => {
    const { publisher, ids, connect, refuse } = setUp();
    connect();
    const refused = publisher.publish('a', 1, { id: 'a1' });
    publisher.publish('a', 2, { id: 'a2' });
    refuse(0, code);
    await expect(refused).rejects.toMatchObject({ name: 'Refused', code, channel: 'a' });
    await expect(refused).rejects.toBeInstanceOf(Refused);
    expect(ids()).toEqual(['a1', 'a2']);
  },
);

it('says that the outcome is unknown 4 minutes after it was first sent, however long it waited before', async () => {
  const { clock, publisher, ids, connect } = setUp();
  const unknown = publisher.publish('a', 1, { id: 'a1' });
  let settled = false;
  const rejected = expect(
    unknown.finally(() => {
      settled = true;
    }),
  ).rejects.toMatchObject({ name: 'OutcomeUnknown', id: 'a1' });
  publisher.publish('a', 2, { id: 'a2' });
  await clock.advance(3_600_000);
  connect();
  await clock.advance(outcomeUnknownMs - 1);
  expect(settled).toBe(false);
  expect(new Set(ids())).toEqual(new Set(['a1']));
  await clock.advance(1);
  await rejected;
  expect(ids().at(-1)).toBe('a2');
});

it('sends nothing again after a sleep that outlasted the deduplication', async () => {
  const { clock, publisher, requests, ids, connect } = setUp();
  connect();
  const rejected = expect(publisher.publish('a', 1, { id: 'a1' })).rejects.toBeInstanceOf(OutcomeUnknown);
  requests.disconnected();
  clock.sleep(outcomeUnknownMs);
  connect();
  await rejected;
  expect(ids()).toEqual(['a1']);
});

it('gives up what waits, however much, when it is closed', async () => {
  const { clock, publisher, requests, connect } = setUp();
  connect();
  const publications = Array.from({ length: 20_000 }, (_, n) => publisher.publish('a', n, { id: `a${n}` }));
  const outcomes = Promise.allSettled(publications);
  publisher.close();
  requests.close();
  const reasons = (await outcomes).map(outcome => outcome.status === 'rejected' && outcome.reason);
  expect(reasons[0]).toBeInstanceOf(OutcomeUnknown);
  expect(reasons.slice(1).every(reason => reason instanceof Closed)).toBe(true);
  expect(clock.timers).toBe(0);
});

describe('a message in parts', () => {
  const large = 'x'.repeat(70_000);

  it('goes out part by part with one id, each when the one before was accepted, and has the place of the last', async () => {
    const { publisher, sent, connect, requests } = setUp();
    connect();
    const accepted = publisher.publish('a', large, { id: 'a1' });
    const next = publisher.publish('a', 1, { id: 'a2' });
    for (let n = 1; n <= 3; n++) {
      expect(sent).toHaveLength(n);
      requests.answered({ type: 'accepted', cursor: `${n}`, request: sent[n - 1]?.request ?? -1 });
    }
    expect(await accepted).toEqual({ cursor: '3' });
    expect(sent.map(({ id }) => id)).toEqual(['a1', 'a1', 'a1', 'a2']);
    const parts = sent.slice(0, 3);
    expect(JSON.parse(parts.map(({ data }) => data).join(''))).toBe(large);
    expect(parts.map(({ part }) => part?.bytes)).toEqual([70_002, 70_002, 70_002]);
    for (const frame of parts) expect(Buffer.byteLength(JSON.stringify(frame))).toBeLessThanOrEqual(32 * 1024);
    requests.answered({ type: 'accepted', cursor: '4', request: sent[3]?.request ?? -1 });
    await next;
  });

  it('is given up 4 minutes after its first part, however far it is and whether there is a connection', async () => {
    const { clock, publisher, requests, ids, connect, accept } = setUp();
    connect();
    const unknown = expect(publisher.publish('a', large, { id: 'a1' })).rejects.toBeInstanceOf(OutcomeUnknown);
    await clock.advance(5_000);
    accept(0);
    requests.disconnected();
    await clock.advance(outcomeUnknownMs - 5_000);
    await unknown;
    connect();
    expect(ids()).toEqual(['a1', 'a1']);
    expect(clock.timers).toBe(0);
  });

  it('ends with the part that is refused', async () => {
    const { publisher, ids, connect, refuse } = setUp();
    connect();
    const refused = expect(publisher.publish('a', large, { id: 'a1' })).rejects.toMatchObject({
      code: 'message_too_large',
    });
    publisher.publish('a', 2, { id: 'a2' });
    refuse(0, 'message_too_large');
    await refused;
    expect(ids()).toEqual(['a1', 'a2']);
  });
});

describe('under throttle', () => {
  it('the same is sent again after just the time that is given, and the others of the channel wait', async () => {
    const { clock, publisher, ids, connect, refuse, accept } = setUp();
    connect();
    const accepted = Promise.all([
      publisher.publish('a', 1, { id: 'a1' }),
      publisher.publish('a', 2, { id: 'a2' }),
      publisher.publish('b', 3, { id: 'b1' }),
    ]);
    refuse(0, 'throttled', 700);
    accept(1);
    await clock.advance(699);
    expect(ids()).toEqual(['a1', 'b1']);
    await clock.advance(1);
    refuse(2, 'throttled', 700);
    await clock.advance(700);
    expect(ids()).toEqual(['a1', 'b1', 'a1', 'a1']);
    accept(3);
    accept(4);
    await accepted;
  });

  it('a new connection does not shorten the time', async () => {
    const { clock, publisher, requests, ids, connect, refuse } = setUp();
    connect();
    publisher.publish('a', 1, { id: 'a1' });
    refuse(0, 'throttled', 700);
    requests.disconnected();
    await clock.advance(300);
    connect();
    await clock.advance(399);
    expect(ids()).toEqual(['a1']);
    await clock.advance(1);
    expect(ids()).toEqual(['a1', 'a1']);
  });

  it('the newest with `latestOnly` takes the place of the one that was not taken, and of its time', async () => {
    const { clock, publisher, ids, connect, refuse, accept } = setUp();
    connect();
    const old = [1, 2, 3].map(n => publisher.publish('a', n, { id: `a${n}`, latestOnly: true }));
    const outcomes = Promise.allSettled(old);
    refuse(0, 'throttled', 700);
    await clock.advance(300);
    const newest = publisher.publish('a', 4, { id: 'a4', latestOnly: true });
    expect((await outcomes).map(outcome => outcome.status === 'rejected' && outcome.reason.name)).toEqual([
      'Superseded',
      'Superseded',
      'Superseded',
    ]);
    await clock.advance(399);
    expect(ids()).toEqual(['a1']);
    await clock.advance(1);
    expect(ids()).toEqual(['a1', 'a4']);
    accept(1);
    expect(await newest).toEqual({ cursor });
    expect(clock.timers).toBe(0);
  });

  it('ordinary ones keep their place, and none is dropped', async () => {
    const { clock, publisher, ids, connect, refuse, accept } = setUp();
    connect();
    const dropped = expect(publisher.publish('a', 1, { id: 'a1', latestOnly: true })).rejects.toBeInstanceOf(
      Superseded,
    );
    const ordinary = publisher.publish('a', 2, { id: 'a2' });
    refuse(0, 'throttled', 700);
    const newest = publisher.publish('a', 3, { id: 'a3', latestOnly: true });
    await dropped;
    await clock.advance(700);
    accept(1);
    accept(2);
    await Promise.all([ordinary, newest]);
    expect(ids()).toEqual(['a1', 'a2', 'a3']);
  });

  it('what is on its way is not superseded', async () => {
    const { publisher, ids, connect, accept } = setUp();
    connect();
    const first = publisher.publish('a', 1, { id: 'a1', latestOnly: true });
    const second = publisher.publish('a', 2, { id: 'a2', latestOnly: true });
    accept(0);
    accept(1);
    await Promise.all([first, second]);
    expect(ids()).toEqual(['a1', 'a2']);
  });

  it('the newest alone waits for a connection', async () => {
    const { publisher, ids, connect, accept } = setUp();
    const dropped = expect(publisher.publish('a', 1, { id: 'a1', latestOnly: true })).rejects.toBeInstanceOf(
      Superseded,
    );
    const newest = publisher.publish('a', 2, { id: 'a2', latestOnly: true });
    await dropped;
    connect();
    accept(0);
    await newest;
    expect(ids()).toEqual(['a2']);
  });

  it('the parts that follow an accepted one are sent, whatever is newer', async () => {
    const { clock, publisher, ids, connect, accept, refuse } = setUp();
    connect();
    const large = publisher.publish('a', 'x'.repeat(40_000), { id: 'a1', latestOnly: true });
    accept(0);
    refuse(1, 'throttled', 700);
    const newest = publisher.publish('a', 2, { id: 'a2', latestOnly: true });
    await clock.advance(700);
    accept(2);
    accept(3);
    await Promise.all([large, newest]);
    expect(ids()).toEqual(['a1', 'a1', 'a1', 'a2']);
  });
});
