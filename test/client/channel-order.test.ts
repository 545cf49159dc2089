import fc from 'fast-check';
import { ChannelOrder, type Loss } from '../../client/channel-order.ts';
import { type MessageFrame, origin } from '../../client/frames.ts';

const channel = 'room:1';
const cursor = (n: number) => String(n).padStart(39, '0');
const clock = { now: () => 0 };
const message = (n: number): MessageFrame => ({
  type: 'message',
  channel,
  cursor: cursor(n),
  previous: n === 1 ? null : cursor(n - 1),
  id: `m${n}`,
  data: n,
  publishedAt: 0,
});
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

function follow(since?: string) {
  const delivered: unknown[] = [];
  const losses: Loss[] = [];
  const order = new ChannelOrder(channel, since, clock, {
    message: ({ data }) => delivered.push(data),
    lost: loss => losses.push(loss),
    undeliverable: () => {},
  });
  const receive = (...numbers: number[]) => {
    for (const n of numbers) order.receive(message(n));
  };
  return { order, delivered, losses, receive };
}

it('delivers each message once and in order, in whatever order and however often they come', () => {
  const arrivals = fc
    .integer({ min: 1, max: 30 })
    .chain(last =>
      fc
        .array(fc.integer({ min: 1, max: last }), { maxLength: 30 })
        .chain(repeated => fc.shuffledSubarray([...upTo(last), ...repeated], { minLength: last + repeated.length })),
    );
  fc.assert(
    fc.property(arrivals, numbers => {
      const { order, delivered, receive } = follow(origin);
      for (const n of numbers) {
        receive(n);
        expect(delivered).toEqual(upTo(delivered.length));
      }
      expect(delivered).toEqual(upTo(Math.max(...numbers)));
      expect(order.behind).toBe(false);
    }),
  );
});

it('holds live messages until the first answer says where to begin', () => {
  const { order, delivered, receive } = follow();
  receive(4, 3, 2);
  expect(delivered).toEqual([]);
  expect(order.cursor).toBeUndefined();
  order.subscribed(undefined, { cursor: cursor(2), recovered: true });
  expect(delivered).toEqual([3, 4]);
  expect(order.cursor).toBe(cursor(4));
});

it('is behind where the answer is further than what was replayed', () => {
  const { order, delivered, receive } = follow(cursor(1));
  expect(order.subscribed(cursor(1), { cursor: cursor(3), recovered: true })).toBe(false);
  expect(order.behind).toBe(true);
  receive(2, 3);
  expect(order.behind).toBe(false);
  expect(delivered).toEqual([2, 3]);
});

it('tells what is lost and goes on behind it, with what has come already', () => {
  const { order, delivered, losses, receive } = follow(cursor(1));
  receive(4, 6);
  order.subscribed(cursor(1), { cursor: cursor(5), recovered: false });
  expect(losses).toEqual([{ channel, after: cursor(1), resumesAt: cursor(5) }]);
  expect(delivered).toEqual([6]);
  expect(order.behind).toBe(false);
});

it('takes no loss for granted that is about a position it has left, but asks anew', () => {
  const { order, losses, receive } = follow(cursor(1));
  receive(2);
  expect(order.subscribed(cursor(1), { cursor: cursor(5), recovered: false })).toBe(true);
  // What lies behind is no loss at all.
  expect(order.subscribed(cursor(1), { cursor: cursor(2), recovered: false })).toBe(false);
  expect(losses).toEqual([]);
});

it('begins anew, and says so, where the service begins its log anew', () => {
  const { order, delivered, losses, receive } = follow(cursor(9));
  order.subscribed(cursor(9), { cursor: origin, recovered: false });
  receive(1, 2);
  expect(losses).toEqual([{ channel, after: cursor(9), resumesAt: origin }]);
  expect(delivered).toEqual([1, 2]);
  expect(order.behind).toBe(false);
});

it('keeps a bounded number of messages, and knows that it is behind', () => {
  const { order, delivered, receive } = follow(origin);
  receive(...upTo(1_500).slice(1));
  receive(1);
  expect(delivered).toEqual(upTo(1_001));
  expect(order.behind).toBe(true);
  receive(...upTo(1_500));
  expect(delivered).toEqual(upTo(1_500));
  expect(order.behind).toBe(false);
});

it('delivers nothing once it was ended, also by what it delivered', () => {
  const delivered: string[] = [];
  const order = new ChannelOrder(channel, origin, clock, {
    message({ id }) {
      delivered.push(id);
      order.end();
    },
    lost: () => {},
    undeliverable: () => {},
  });
  for (const n of [2, 3, 1]) order.receive(message(n));
  expect(delivered).toEqual(['m1']);
});
