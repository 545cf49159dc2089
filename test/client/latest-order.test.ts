import fc from 'fast-check';
import { type MessageFrame, origin } from '../../client/frames.ts';
import { LatestOrder } from '../../client/latest-order.ts';

const channel = 'room:1';
const cursor = (n: number) => String(n).padStart(39, '0');
const message = (n: number, replay?: true): MessageFrame => ({
  ...{ type: 'message', channel, cursor: cursor(n), previous: cursor(n - 1), id: `m${n}`, data: n, publishedAt: 0 },
  ...(replay && { replay }),
});

function follow(since?: string) {
  const delivered: unknown[] = [];
  const order = new LatestOrder(since, { now: () => 0 }, ({ data }) => delivered.push(data));
  return { order, delivered };
}

it('delivers what is newer than the last at once, and nothing older', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), numbers => {
      const { order, delivered } = follow(origin);
      for (const n of numbers) order.receive(message(n));
      expect(delivered).toEqual([...new Set(numbers.map((_, index) => Math.max(...numbers.slice(0, index + 1))))]);
      expect(order.behind).toBe(false);
      expect(order.kept).toBe(cursor(Math.max(...numbers)));
    }),
  );
});

it('delivers the last of a replay, when all of its pages have come', () => {
  const { order, delivered } = follow(cursor(1));
  for (const n of [2, 3]) order.receive(message(n, true));
  order.subscribed(cursor(1), { cursor: cursor(3), more: true });
  order.receive(message(4, true));
  expect(delivered).toEqual([]);
  order.subscribed(cursor(3), { cursor: cursor(4) });
  expect(delivered).toEqual([4]);
});

it('does not deliver the last of a replay that something newer has overtaken', () => {
  const { order, delivered } = follow(cursor(1));
  order.receive(message(3, true));
  order.receive(message(4));
  order.subscribed(cursor(1), { cursor: cursor(3) });
  expect(delivered).toEqual([4]);
  expect(order.cursor).toBe(cursor(4));
});

it('begins anew where the service begins its log anew', () => {
  const { order, delivered } = follow(cursor(9));
  order.subscribed(cursor(9), { cursor: origin });
  order.receive(message(1));
  expect(delivered).toEqual([1]);
});

it('puts parts together, and forgets those of which one did not come', () => {
  const { order, delivered } = follow(origin);
  const part = (n: number, of: string, offset: number, data: string) =>
    order.receive({ ...message(n), data, part: { of, offset, bytes: 4 } });
  part(1, 'a', 0, '"x');
  part(2, 'b', 0, '"y');
  part(4, 'a', 2, 'a"');
  part(6, 'b', 3, '"');
  order.receive(message(7));
  expect(delivered).toEqual(['xa', 7]);
});

it('delivers nothing once it was ended', () => {
  const { order, delivered } = follow(origin);
  order.receive(message(1, true));
  order.end();
  order.subscribed(origin, { cursor: cursor(1) });
  order.receive(message(2));
  expect(delivered).toEqual([]);
});
