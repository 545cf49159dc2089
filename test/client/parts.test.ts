import fc from 'fast-check';
import type { Undeliverable } from '../../client/assembler.ts';
import { ChannelOrder } from '../../client/channel-order.ts';
import { type Cursor, type MessageFrame, maxFrameBytes, origin } from '../../client/frames.ts';
import { readKept } from '../../client/inbox.ts';
import { cut } from '../../client/parts.ts';

const channel = 'room:1';
const cursor = (n: number) => String(n).padStart(39, '0');
const bytesOf = (text: string) => Buffer.byteLength(text);

describe('cutting', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'é', '€', '🎈', '"', '\\', '\n', '\ud800') });

  it('gives pieces that follow each other, make the whole, and fit a frame each', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 30_000 }), (unit, times) => {
        const json = JSON.stringify(unit.repeat(Math.ceil(times / Math.max(1, unit.length))));
        const pieces = cut(json, channel, 'i'.repeat(128));
        let offset = 0;
        for (const { data, part } of pieces) {
          expect(part).toEqual({ offset, bytes: bytesOf(json) });
          expect(data.isWellFormed()).toBe(true);
          offset += bytesOf(data);
          const frame = { action: 'publish', channel, id: 'i'.repeat(128), data, part, request: 123_456 };
          expect(bytesOf(JSON.stringify(frame))).toBeLessThanOrEqual(maxFrameBytes);
        }
        expect(offset).toBe(bytesOf(json));
        expect(pieces.map(({ data }) => data).join('')).toBe(json);
      }),
      { numRuns: 50 },
    );
  });

  it('fills the frames that carry them out', () => {
    const pieces = cut(JSON.stringify('x'.repeat(1024 * 1024)), channel, 'm1');
    expect(pieces).toHaveLength(33);
    const [first] = pieces;
    const out = {
      ...{ type: 'message', channel, cursor: origin, previous: origin, id: 'm1', data: first?.data },
      ...{ publishedAt: 1_700_000_000_000, part: { ...first?.part, of: 'x'.repeat(22) }, replay: true },
    };
    const bytes = bytesOf(JSON.stringify(out));
    expect(bytes).toBeLessThanOrEqual(maxFrameBytes);
    expect(bytes).toBeGreaterThan(maxFrameBytes - 32);
  });
});

interface Begun {
  readonly id: string;
  readonly data: string;
  readonly parts: number;
  /** How many of the parts its publisher comes to send. */
  readonly sent: number;
}

/** A channel's log: the next frame of whom the numbers name, publisher by publisher, until all are sent. */
function logOf(publishers: readonly (readonly Begun[])[], turns: readonly number[], stepMs: number): MessageFrame[] {
  const queues = publishers.map((messages, publisher) =>
    messages.flatMap(({ id, data, parts, sent }) => {
      const json = JSON.stringify(data);
      const length = Math.ceil(json.length / parts);
      const pieces = Array.from({ length: Math.ceil(json.length / length) }, (_, n) => ({
        id,
        data: json.slice(n * length, (n + 1) * length),
        part: { of: `${publisher}/${id}`, offset: n * length, bytes: json.length },
      }));
      return parts === 1 ? [{ id, data }] : pieces.slice(0, sent);
    }),
  );
  const log: MessageFrame[] = [];
  for (let turn = 0; queues.some(queue => queue.length > 0); turn++) {
    const queue = queues[(turns[turn % turns.length] ?? 0) % queues.length];
    const next = (queue?.length ? queue : queues.find(({ length }) => length > 0))?.shift();
    if (!next) break;
    const n = log.length + 1;
    const previous = n === 1 ? null : cursor(n - 1);
    log.push({ type: 'message', channel, ...next, cursor: cursor(n), previous, publishedAt: n * stepMs });
  }
  return log;
}

const begun = fc.record({ parts: fc.integer({ min: 1, max: 5 }), dies: fc.boolean() });
const history = fc.record({
  publishers: fc.array(fc.array(begun, { maxLength: 4 }), { minLength: 1, maxLength: 4 }),
  turns: fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }),
  /** What the application does after each frame: nothing, or begin anew from the position that it keeps. */
  restarts: fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
  repeats: fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }),
});

const minuteMs = 60_000;

it('delivers whole messages once, where their last part stands, and tells of those that will never be whole', () => {
  fc.assert(
    fc.property(history, ({ publishers, turns, restarts, repeats }) => {
      const messages = publishers.map((list, publisher) =>
        list.map(({ parts, dies }, n): Begun => {
          const id = `m${n}`;
          // Ids are unique to a publisher only; long enough for as many parts.
          return { id, data: `${publisher}/${id} `.repeat(4), parts, sent: dies && parts > 1 ? parts - 1 : parts };
        }),
      );
      const log = logOf(messages, turns, 100);
      const whole = log.filter(({ part, data }) => !part || part.offset + String(data).length === part.bytes);
      const expected = whole.map(({ cursor }) => cursor);
      // Comes so late that whatever is not whole by then will never be.
      const end: MessageFrame = {
        ...{ type: 'message', channel, cursor: cursor(log.length + 1), id: 'end', data: 'end' },
        ...{ previous: log.at(-1)?.cursor ?? null, publishedAt: log.length * 100 + 5 * minuteMs },
      };
      log.push(end);

      const delivered: { cursor: Cursor; data: unknown }[] = [];
      const undeliverable: Undeliverable[] = [];
      const begin = (since: Cursor) =>
        new ChannelOrder(
          channel,
          since,
          { now: () => 0 },
          {
            message: message => delivered.push(message),
            undeliverable: told => undeliverable.push(told),
            lost: () => fail('lost'),
          },
        );
      let order = begin(origin);
      for (let n = 0; n < log.length; n++) {
        const frame = log[n] as MessageFrame;
        order.receive(frame);
        for (const back of [repeats[n % repeats.length] ?? 0]) if (log[n - back]) order.receive(log[n - back] as never);
        if (!restarts[n % restarts.length]) continue;
        const kept = String(order.kept);
        order.end();
        order = begin(kept);
        for (const missed of log.slice(0, n + 1)) if (missed.cursor > readKept(kept).from) order.receive(missed);
      }
      expect(delivered.map(({ cursor }) => cursor)).toEqual([...expected, end.cursor]);
      const sources = messages.flat();
      for (const { data } of delivered.slice(0, -1)) expect(sources.map(({ data }) => data)).toContain(data);
      const dead = sources.filter(({ parts, sent }) => sent < parts).map(({ id }) => id);
      expect(undeliverable.map(({ id }) => id).sort()).toEqual(dead.sort());
      expect(new Set(undeliverable.map(({ reason }) => reason)).size).toBeLessThanOrEqual(1);
      // Nothing holds the position back any more.
      expect(order.kept).toBe(end.cursor);
    }),
    { numRuns: 500 },
  );
});

const fail = (reason: string): never => {
  throw new Error(reason);
};

describe('a subscriber', () => {
  const [first, second, third] = logOf([[{ id: 'm', data: 'abcdefgh', parts: 3, sent: 3 }]], [0], 1) as [
    MessageFrame,
    MessageFrame,
    MessageFrame,
  ];
  function follow(since: Cursor, now = () => 0) {
    const told: unknown[] = [];
    const order = new ChannelOrder(
      channel,
      since,
      { now },
      {
        message: ({ data, cursor }) => told.push({ data, cursor }),
        undeliverable: ({ id, reason, cursor }) => told.push({ id, reason, cursor }),
        lost: loss => told.push(loss),
      },
    );
    return { order, told };
  }

  it('that begins between the parts is told once that it cannot have the message', () => {
    const { order, told } = follow(first.cursor);
    for (const frame of [second, third]) order.receive(frame);
    expect(told).toEqual([{ id: 'm', reason: 'incomplete', cursor: second.cursor }]);
    expect(order.kept).toBe(third.cursor);
  });

  it('keeps a position before the parts, and no longer than they can still be hoped for', () => {
    let now = 0;
    const { order } = follow(origin, () => now);
    order.receive(first);
    expect(readKept(String(order.kept))).toEqual({ from: origin, deliveredTo: first.cursor });
    now = 10 * minuteMs;
    expect(order.kept).toBe(first.cursor);
  });

  it('is told of parts that contradict each other, whatever they make', () => {
    const { order, told } = follow(origin);
    order.receive(first);
    order.receive({ ...second, part: { of: '0/m', bytes: 10, offset: 5 } });
    expect(told).toEqual([{ id: 'm', reason: 'incomplete', cursor: second.cursor }]);
  });

  it('is told of a whole that is no JSON', () => {
    const { order, told } = follow(origin);
    for (const frame of [{ ...first, data: '{bcd' }, second, third]) order.receive(frame);
    expect(told).toEqual([{ id: 'm', reason: 'unreadable', cursor: third.cursor }]);
  });

  it('is told of open messages with a loss, and nothing of them later', () => {
    const { order, told } = follow(origin);
    order.receive(first);
    order.subscribed(first.cursor, { cursor: second.cursor, recovered: false });
    order.receive(third);
    expect(told).toEqual([
      { id: 'm', reason: 'incomplete', cursor: second.cursor },
      { channel, after: first.cursor, resumesAt: second.cursor },
    ]);
  });

  it('gives the oldest up where too much is open', () => {
    const { order, told } = follow(origin);
    const size = 32 * 1024 * 1024;
    for (let n = 1; n <= 4; n++) {
      order.receive({
        ...first,
        ...{ id: `m${n}`, cursor: cursor(n), previous: n === 1 ? null : cursor(n - 1), data: 'x'.repeat(size) },
        part: { of: `m${n}`, offset: 0, bytes: 2 * size },
      });
    }
    expect(told).toEqual([{ id: 'm1', reason: 'incomplete', cursor: cursor(4) }]);
  });

  it('is told of a place whose message the service could not deliver, and goes on', () => {
    const { order, told } = follow(origin);
    order.receive({ type: 'undeliverable', channel, cursor: cursor(1), previous: null });
    order.receive({
      type: 'message',
      channel,
      cursor: cursor(2),
      previous: cursor(1),
      id: 'n',
      data: 1,
      publishedAt: 0,
    });
    expect(told).toEqual([
      { id: undefined, reason: 'undeliverable', cursor: cursor(1) },
      { data: 1, cursor: cursor(2) },
    ]);
  });
});
