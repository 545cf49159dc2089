import fc from 'fast-check';
import { resume, resumeLatest } from '../../../lambdas/message/resume.ts';
import { logPageMessages } from '../../../lambdas/shared/message-log.ts';
import { cursorOf, type Message, origin } from '../../../lambdas/shared/protocol.ts';
import { InMemoryService } from '../in-memory.ts';

const channel = 'room:1';
const cursor = (n: number): string => (n === 0 ? origin : cursorOf(String(n * 10)));

/** A channel with messages 1 to `count`, of which some have expired; the head is at `head`. */
function channelWith(count: number, expired: ReadonlySet<number> = new Set(), head = count): InMemoryService {
  const service = new InMemoryService();
  const messages = Array.from({ length: count }, (_, index): Message => {
    const n = index + 1;
    return {
      channel,
      cursor: cursor(n),
      previous: n === 1 ? null : cursor(n - 1),
      id: `m${n}`,
      data: n,
      publishedAt: n,
    };
  });
  service.messages.set(
    channel,
    messages.filter(({ data }) => !expired.has(data as number)),
  );
  service.heads.set(channel, { cursor: head === 0 ? null : cursor(head), shardCount: 1 });
  return service;
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n);

async function replayed(service: InMemoryService, since: string) {
  const { log } = service.view();
  const received: unknown[] = [];
  let position = since;
  for (;;) {
    const { messages, cursor, recovered, more } = await resume(channel, position, log);
    received.push(...messages.map(entry => ('data' in entry ? entry.data : entry.undeliverable)));
    position = cursor;
    if (!more) return { received, position, recovered };
  }
}

test('what can never be delivered is replayed in its place', async () => {
  const service = channelWith(3);
  const entries = service.messagesOf(channel).map(entry => {
    if (entry.cursor !== cursor(2)) return entry;
    return { channel, cursor: cursor(2), previous: cursor(1), undeliverable: 'refused' as const };
  });
  service.messages.set(channel, entries);
  expect(await replayed(service, origin)).toMatchObject({ received: [1, 'refused', 3], recovered: true });
});

test('without `since` nothing is replayed, from the head on', async () => {
  const { log } = channelWith(3).view();
  expect(await resume(channel, undefined, log)).toEqual({
    messages: [],
    cursor: cursor(3),
    recovered: true,
    more: false,
  });
});

test('what was missed is replayed in order, from before the first message too', async () => {
  expect(await replayed(channelWith(5), cursor(2))).toEqual({
    received: [3, 4, 5],
    position: cursor(5),
    recovered: true,
  });
  expect(await replayed(channelWith(5), origin)).toEqual({
    received: [1, 2, 3, 4, 5],
    position: cursor(5),
    recovered: true,
  });
  expect(await replayed(channelWith(0), origin)).toEqual({ received: [], position: origin, recovered: true });
});

test('more than a page comes page by page', async () => {
  const count = 3 * logPageMessages;
  const { log } = channelWith(count).view();
  expect((await resume(channel, cursor(1), log)).more).toBe(true);
  expect(await replayed(channelWith(count), cursor(1))).toEqual({
    received: numbers(2, count),
    position: cursor(count),
    recovered: true,
  });
});

test('a subscriber that is ahead of a head that lags behind the log has missed nothing', async () => {
  expect(await replayed(channelWith(5, new Set(), 3), cursor(5))).toMatchObject({ received: [], recovered: true });
  expect(await replayed(channelWith(5, new Set(), 3), cursor(4))).toMatchObject({ received: [5], recovered: true });
});

test.each([
  ['a cursor that the channel never had', channelWith(3), cursorOf('15')],
  ['a cursor of the future', channelWith(3), cursor(9)],
  ['a cursor on a channel without messages', channelWith(0), cursor(2)],
  ['a message after it that has expired', channelWith(5, new Set([3])), cursor(2)],
  ['a beginning that has expired', channelWith(5, new Set([1, 2])), origin],
  ['an end that has expired', channelWith(5, new Set([4, 5])), cursor(3)],
  ['a log that has expired whole', channelWith(5, new Set([1, 2, 3, 4, 5])), cursor(3)],
])('is not recovered: %s', async (_, service, since) => {
  const head = service.headOf(channel).cursor ?? origin;
  expect(await replayed(service, since)).toEqual({ received: [], position: head, recovered: false });
});

test('recovered means that all messages after the cursor were replayed, each once and in order; else one of them is lost', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        count: fc.integer({ min: 0, max: 12 }),
        // DynamoDB deletes what has expired in no order.
        expired: fc.uniqueArray(fc.integer({ min: 1, max: 12 })),
        lag: fc.integer({ min: 0, max: 3 }),
        since: fc.integer({ min: 0, max: 12 }),
      }),
      async ({ count, expired, lag, since }) => {
        fc.pre(since <= count);
        const service = channelWith(count, new Set(expired), Math.max(0, count - lag));
        const { received, recovered } = await replayed(service, cursor(since));
        const missed = numbers(since + 1, count);
        if (recovered) {
          // What lies beyond the head may not be told yet, and expires no earlier than it is.
          const told = missed.filter(n => n <= Math.max(count - lag, Number(received.at(-1) ?? 0)));
          expect(received).toEqual(told);
        } else {
          const gone = numbers(Math.max(since, 1), count).some(n => expired.includes(n));
          expect(gone).toBe(true);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test('a position that was given out is good also where the consumer died before the head was there and the log expired', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        count: fc.integer({ min: 1, max: 6 }),
        expired: fc.uniqueArray(fc.integer({ min: 1, max: 6 })),
        lag: fc.integer({ min: 0, max: 6 }),
        since: fc.integer({ min: 0, max: 6 }),
        latest: fc.boolean(),
      }),
      async ({ count, expired, lag, since, latest }) => {
        fc.pre(since <= count);
        const service = channelWith(count, new Set(expired), Math.max(0, count - lag));
        const { log } = service.view();
        const { cursor: given } = await (latest ? resumeLatest : resume)(channel, cursor(since), log);
        expect(given <= (service.headOf(channel).cursor ?? origin)).toBe(true);
        // One that wants the newest only may be behind, which is no loss to it.
        if (latest) return;
        service.messages.set(channel, []);
        expect(await resume(channel, given, log)).toEqual({
          messages: [],
          cursor: given,
          recovered: true,
          more: false,
        });
      },
    ),
    { numRuns: 1_000 },
  );
});

test('what is told as lost does not come after the position that is told with it', async () => {
  // The head is at 2, 3 has expired, and 4 is logged: its consumer comes again with both.
  const service = channelWith(4, new Set([3]), 2);
  const { log } = service.view();
  expect(await resume(channel, cursor(2), log)).toMatchObject({ recovered: false, cursor: cursor(4) });
  expect(service.headOf(channel).cursor).toBe(cursor(4));
});

test('what is appended between its readings is not taken for lost', async () => {
  const service = channelWith(2);
  const { log } = service.view(async operation => {
    if (operation !== 'log.from' || service.messagesOf(channel).length > 2) return;
    const message = { channel, cursor: cursor(3), previous: cursor(2), id: 'm3', data: 3, publishedAt: 3 };
    service.messages.set(channel, [...service.messagesOf(channel), message]);
    service.heads.set(channel, { cursor: cursor(3), shardCount: 1 });
  });
  expect(await resume(channel, cursor(1), log)).toMatchObject({
    messages: [{ data: 2 }, { data: 3 }],
    cursor: cursor(3),
    recovered: true,
  });
});

describe('where the newest is enough', () => {
  const latest = (service: InMemoryService, since: string | undefined) =>
    resumeLatest(channel, since, service.view().log);

  test('it alone is replayed, if it was not seen', async () => {
    const service = channelWith(5);
    const [newest] = service.messagesOf(channel).slice(-1);
    const told = { cursor: cursor(5), recovered: true, more: false };
    expect(await latest(service, cursor(2))).toEqual({ messages: [newest], ...told });
    expect(await latest(service, cursor(5))).toEqual({ messages: [], ...told });
    expect(await latest(service, undefined)).toEqual({ messages: [], ...told });
  });

  test('nothing is lost by what has expired, nor by a log that was begun anew', async () => {
    const expired = new Set(numbers(1, 4));
    expect(await latest(channelWith(5, expired), cursor(2))).toMatchObject({
      messages: [{ data: 5 }],
      recovered: true,
    });
    expect(await latest(channelWith(5, new Set(numbers(1, 5))), cursor(2))).toEqual({
      messages: [],
      cursor: cursor(5),
      recovered: true,
      more: false,
    });
    expect(await latest(channelWith(0), cursor(2))).toMatchObject({ messages: [], cursor: origin, recovered: true });
  });

  test('all that was missed is replayed where the newest is a part, since the others may be needed', async () => {
    const service = channelWith(5);
    const messages = service
      .messagesOf(channel)
      .map((message, n) => (n < 3 ? message : { ...message, data: 'x', part: { of: 'w', offset: n - 3, bytes: 2 } }));
    service.messages.set(channel, messages);
    const { messages: replayed, recovered } = await latest(service, cursor(2));
    expect(replayed.map(({ cursor }) => cursor)).toEqual(numbers(3, 5).map(cursor));
    expect(recovered).toBe(true);
  });
});
