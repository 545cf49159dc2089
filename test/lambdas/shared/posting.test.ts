import fc from 'fast-check';
import { framesOf, postInOrder } from '../../../lambdas/shared/posting.ts';
import { cursorOf, type Message, maxFrameBytes, outgoingFrameBytes } from '../../../lambdas/shared/protocol.ts';
import { messagesIn } from '../in-memory.ts';

describe('frames', () => {
  const message = (n: number, data: Message['data']): Message => ({
    channel: 'room:1',
    cursor: cursorOf(String(n)),
    previous: null,
    id: `m${n}`,
    data,
    publishedAt: 1_700_000_000_000 + n,
  });

  test('one message is a frame of its own, several share one', () => {
    expect(framesOf([])).toEqual([]);
    expect(JSON.parse(framesOf([message(1, 1)])[0] ?? '')).toMatchObject({ type: 'message', id: 'm1' });
    const frames = framesOf([message(1, 1), message(2, 2)]);
    expect(frames).toHaveLength(1);
    expect(JSON.parse(frames[0] ?? '')).toMatchObject({ type: 'messages', messages: [{ id: 'm1' }, { id: 'm2' }] });
  });

  test('carry every message, in order, in 32 KB where they share one and 128 KB in any case, and none is kept waiting that would fit', () => {
    const unit = fc.constantFrom('x', 'ü', '"', '\u0001', '🎈');
    const data = fc.oneof(
      fc.string({ unit, maxLength: 50 }),
      fc.tuple(unit, fc.integer({ min: 1, max: 40_000 })).map(([character, length]) => character.repeat(length)),
      fc.constantFrom(31_900, 32_500, 32_600, 32_700, 130_000).map(length => 'x'.repeat(length)),
    );
    fc.assert(
      fc.property(fc.array(data, { maxLength: 10 }), contents => {
        const messages = contents
          .map((data, n) => message(n, data))
          .filter(message => outgoingFrameBytes(message) <= maxFrameBytes);
        const frames = framesOf(messages);
        expect(messagesIn(frames)).toEqual(messages.map(message => ({ type: 'message', ...message })));
        const sizes = frames.map(frame => Buffer.byteLength(frame));
        frames.forEach((frame, n) => {
          const alone = JSON.parse(frame).type === 'message';
          expect(sizes[n]).toBeLessThanOrEqual(alone ? maxFrameBytes : 32 * 1024);
          // Two neighbours that fit one frame together would have shared it.
          if (n > 0) expect((sizes[n - 1] ?? 0) + (sizes[n] ?? 0)).toBeGreaterThan(32 * 1024 - 100);
        });
      }),
    );
  });
});

test('what cannot be delivered is a frame of its own, in its place, replayed or not', () => {
  const place = (n: number) => ({ channel: 'a', cursor: cursorOf(String(n)), previous: cursorOf(String(n - 1)) });
  const message = (n: number) => ({ ...place(n), id: `${n}`, data: n, publishedAt: 1 });
  const entries = [
    message(1),
    message(2),
    { ...place(3), undeliverable: 'unreadable' as const },
    message(4),
    message(5),
  ];
  for (const marks of [{}, { replay: true as const }]) {
    const frames = framesOf(entries, marks).map(frame => JSON.parse(frame));
    expect(frames.map(({ type }) => type)).toEqual(['messages', 'undeliverable', 'messages']);
    expect(frames[1]).toEqual({ type: 'undeliverable', ...place(3) });
  }
});

test('frames carry the marks of a replay on each message', () => {
  const first = { channel: 'a', cursor: cursorOf('1'), previous: null, id: '1', data: 1, publishedAt: 1 };
  const frames = framesOf([first, { ...first, cursor: cursorOf('2'), id: '2' }], { replay: true });
  expect(messagesIn(frames)).toMatchObject([
    { id: '1', replay: true },
    { id: '2', replay: true },
  ]);
});

test('posting stops at the first frame that is not delivered, so that none comes out of order', async () => {
  const posted: string[] = [];
  const throttled = { failed: 'throttled', detail: 'status 429' } as const;
  const post = async (_: string, frame: string) => {
    posted.push(frame);
    return frame === 'b' ? throttled : ('delivered' as const);
  };
  expect(await postInOrder('c=', ['a', 'b', 'c'], { post })).toEqual(throttled);
  expect(posted).toEqual(['a', 'b']);
});
