import { Closed, OutcomeUnknown, Refused } from '../../client/errors.ts';
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
  const publisher = new Publisher(requests, () => ++last);
  const sent: { readonly id: string; readonly request: number; readonly data: unknown }[] = [];
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
  const first = publisher.publish('a', 'a1', 1);
  const second = publisher.publish('a', 'a2', 2);
  const other = publisher.publish('b', 'b1', 3);
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
  const accepted = publisher.publish('a', 'a1', data);
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
  const accepted = publisher.publish('a', 'a1', 1);
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
    const refused = publisher.publish('a', 'a1', 1);
    publisher.publish('a', 'a2', 2);
    refuse(0, code);
    await expect(refused).rejects.toMatchObject({ name: 'Refused', code, channel: 'a' });
    await expect(refused).rejects.toBeInstanceOf(Refused);
    expect(ids()).toEqual(['a1', 'a2']);
  },
);

it('says that the outcome is unknown 4 minutes after it was first sent, however long it waited before', async () => {
  const { clock, publisher, ids, connect } = setUp();
  const unknown = publisher.publish('a', 'a1', 1);
  let settled = false;
  const rejected = expect(
    unknown.finally(() => {
      settled = true;
    }),
  ).rejects.toMatchObject({ name: 'OutcomeUnknown', id: 'a1' });
  publisher.publish('a', 'a2', 2);
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
  const rejected = expect(publisher.publish('a', 'a1', 1)).rejects.toBeInstanceOf(OutcomeUnknown);
  requests.disconnected();
  clock.sleep(outcomeUnknownMs);
  connect();
  await rejected;
  expect(ids()).toEqual(['a1']);
});

it('gives up what waits, however much, when it is closed', async () => {
  const { clock, publisher, requests, connect } = setUp();
  connect();
  const publications = Array.from({ length: 20_000 }, (_, n) => publisher.publish('a', `a${n}`, n));
  const outcomes = Promise.allSettled(publications);
  publisher.close();
  requests.close();
  const reasons = (await outcomes).map(outcome => outcome.status === 'rejected' && outcome.reason);
  expect(reasons[0]).toBeInstanceOf(OutcomeUnknown);
  expect(reasons.slice(1).every(reason => reason instanceof Closed)).toBe(true);
  expect(clock.timers).toBe(0);
});
