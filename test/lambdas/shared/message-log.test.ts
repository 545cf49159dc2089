import { GetCommand } from '@aws-sdk/lib-dynamodb';
import fc from 'fast-check';
import {
  dynamoDbMessageLog,
  ItemRefused,
  type LogEntry,
  logPageMessages,
  type MessageLog,
} from '../../../lambdas/shared/message-log.ts';
import { cursorOf, type Message } from '../../../lambdas/shared/protocol.ts';
import { type LocalTables, startTables } from '../tables.ts';

const retentionMs = 600_000;
let tables: LocalTables;
let log: MessageLog;

beforeAll(async () => {
  tables = await startTables({ replicationLagMs: 2_000 });
  log = dynamoDbMessageLog(tables.client, 'Messages', retentionMs);
});
afterAll(() => tables.close());

let channels = 0;
const newChannel = (): string => {
  channels += 1;
  return `channel:${channels}`;
};
const cursor = (n: number): string => cursorOf(String(n));
/** What is the same of a message and of what cannot be delivered is not asked for. */
const idsOf = (entries: readonly LogEntry[]) => entries.map(entry => ('id' in entry ? entry.id : entry.undeliverable));
const message = (channel: string, n: number, changes: Partial<Message> = {}): Message => ({
  channel,
  cursor: cursor(n),
  previous: n === 1 ? null : cursor(n - 1),
  id: `m${n}`,
  data: { n },
  publishedAt: 1_700_000_000_000 + n,
  ...changes,
});

test('a channel without messages has no head and one shard', async () => {
  const channel = newChannel();
  expect(await log.head(channel)).toEqual({ cursor: null, shardCount: 1, fullShards: [] });
  expect(await log.last(channel)).toBeNull();
  expect(await log.between(channel, cursor(0), cursor(9))).toEqual([]);
});

test('a message is kept as it was accepted, for the retention from when it was appended, however late that was', async () => {
  const channel = newChannel();
  const before = Date.now();
  await log.append(message(channel, 1));
  expect(await log.between(channel, cursor(1), cursor(1))).toEqual([message(channel, 1)]);
  const Key = { channel, cursor: cursor(1) };
  const { Item } = await tables.client.send(new GetCommand({ TableName: 'Messages', Key, ConsistentRead: true }));
  expect(Item?.expiresAt).toBeGreaterThanOrEqual((before + retentionMs) / 1000);
  expect(Item?.expiresAt).toBeLessThanOrEqual((Date.now() + retentionMs) / 1000 + 1);
});

test('data comes back as the same JSON, whatever it is', async () => {
  const channel = newChannel();
  let n = 0;
  await fc.assert(
    fc.asyncProperty(fc.json({ maxDepth: 40 }), async text => {
      n += 1;
      await log.append(message(channel, n, { data: JSON.parse(text) }));
      const [read] = await log.between(channel, cursor(n), cursor(n));
      expect(JSON.stringify(read && 'data' in read && read.data)).toBe(JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 50 },
  );
});

test('what was appended first stands', async () => {
  const channel = newChannel();
  await log.append(message(channel, 1, { data: 'first' }));
  await log.append(message(channel, 1, { data: 'second', previous: cursor(0) }));
  expect(await log.between(channel, cursor(0), cursor(9))).toEqual([message(channel, 1, { data: 'first' })]);
});

test('one of many that append at once stands', async () => {
  const channel = newChannel();
  await Promise.all(Array.from({ length: 8 }, (_, n) => log.append(message(channel, 1, { data: n }))));
  expect(await log.between(channel, cursor(0), cursor(9))).toHaveLength(1);
});

test('between has both ends, in order, of this channel only, and not the head', async () => {
  const channel = newChannel();
  for (const n of [12, 3, 100, 7]) await log.append(message(channel, n));
  await log.append(message(newChannel(), 8));
  await log.moveHead(channel, cursor(100));
  const read = async (from: number, to: number) => idsOf(await log.between(channel, cursor(from), cursor(to)));
  expect(await read(3, 100)).toEqual(['m3', 'm7', 'm12', 'm100']);
  expect(await read(4, 99)).toEqual(['m7', 'm12']);
  expect(await read(8, 11)).toEqual([]);
  expect(await log.between(channel, cursor(0), '9'.repeat(39))).toHaveLength(4);
});

test('between reads on after the megabyte that one page has', async () => {
  const channel = newChannel();
  for (let n = 1; n <= 12; n += 1) await log.append(message(channel, n, { data: 'x'.repeat(120_000) }));
  expect(await log.between(channel, cursor(1), cursor(12))).toHaveLength(12);
});

test('the last message is the one of the greatest cursor, whatever the head is', async () => {
  const channel = newChannel();
  await log.moveHead(channel, cursor(50));
  expect(await log.last(channel)).toBeNull();
  await log.append(message(channel, 9));
  await log.append(message(channel, 10));
  await log.append(message(channel, 2));
  expect(await log.last(channel)).toBe(cursor(10));
  expect(await log.head(channel)).toEqual({ cursor: cursor(50), shardCount: 1, fullShards: [] });
});

test('the head never moves back, in whatever order it is moved', async () => {
  const channel = newChannel();
  expect(await log.moveHead(channel, cursor(9))).toEqual({ cursor: cursor(9), shardCount: 1, fullShards: [] });
  expect(await log.moveHead(channel, cursor(3))).toEqual({ cursor: cursor(9), shardCount: 1, fullShards: [] });
  expect(await log.moveHead(channel, cursor(9))).toEqual({ cursor: cursor(9), shardCount: 1, fullShards: [] });
  await Promise.all([14, 11, 30, 12, 29].map(n => log.moveHead(channel, cursor(n))));
  expect(await log.head(channel)).toEqual({ cursor: cursor(30), shardCount: 1, fullShards: [] });
});

test('the head does not expire', async () => {
  const channel = newChannel();
  await log.moveHead(channel, cursor(1));
  const Key = { channel, cursor: 'head' };
  const { Item } = await tables.client.send(new GetCommand({ TableName: 'Messages', Key, ConsistentRead: true }));
  expect(Item).toEqual({ ...Key, position: cursor(1), shardCount: 1 });
});

test.each(['a.b', 'a/b', 'user@host', '$&-+=~!,', 'constructor', 'x'.repeat(128)])(
  'a channel may be named %p',
  async channel => {
    await log.append(message(channel, 1));
    expect((await log.moveHead(channel, cursor(1))).cursor).toBe(cursor(1));
    expect(await log.last(channel)).toBe(cursor(1));
    expect(await log.between(channel, cursor(1), cursor(1))).toEqual([message(channel, 1)]);
  },
);

describe('from a cursor on', () => {
  test('come the messages, the one of the cursor included, in pages', async () => {
    const channel = newChannel();
    const all = Array.from({ length: logPageMessages + 5 }, (_, n) => message(channel, n + 1));
    await Promise.all(all.map(one => log.append(one)));
    await log.moveHead(channel, cursor(all.length));
    const first = await log.from(channel, cursor(3));
    expect(first).toEqual({ messages: all.slice(2, 2 + logPageMessages), more: true });
    const rest = await log.from(channel, cursor(logPageMessages + 3));
    expect(rest).toEqual({ messages: all.slice(-3), more: false });
    expect(await log.from(channel, cursor(1_000))).toEqual({ messages: [], more: false });
  });

  test('what has expired does not come, though the table still has it', async () => {
    const channel = newChannel();
    await dynamoDbMessageLog(tables.client, 'Messages', -1_000).append(message(channel, 1));
    await log.append(message(channel, 2));
    expect((await log.from(channel, cursor(1))).messages).toEqual([message(channel, 2)]);
  });
});

test('what cannot be delivered has its place between the messages', async () => {
  const channel = newChannel();
  const undeliverable = { channel, cursor: cursor(2), previous: cursor(1), undeliverable: 'unreadable' } as const;
  await log.append(message(channel, 1));
  await log.append(undeliverable);
  await log.append(message(channel, 3));
  const entries = [message(channel, 1), undeliverable, message(channel, 3)];
  expect(await log.between(channel, cursor(1), cursor(3))).toEqual(entries);
  expect((await log.from(channel, cursor(1))).messages).toEqual(entries);
});

test('what the store refuses for what it holds is told apart from a failure', async () => {
  const channel = newChannel();
  await expect(log.append(message(channel, 1, { data: 'x'.repeat(400 * 1024) }))).rejects.toThrow(ItemRefused);
  expect(await log.last(channel)).toBeNull();
  const elsewhere = dynamoDbMessageLog(tables.client, 'Nowhere', retentionMs);
  await expect(elsewhere.append(message(channel, 1))).rejects.not.toThrow(ItemRefused);
});

describe('the shards of a channel', () => {
  test('are raised and never lowered, before the first message too', async () => {
    const channel = newChannel();
    await log.raiseShards(channel, 2);
    expect(await log.head(channel)).toEqual({ cursor: null, shardCount: 2, fullShards: [] });
    await Promise.all([8, 4, 6].map(count => log.raiseShards(channel, count)));
    expect(await log.moveHead(channel, cursor(1))).toEqual({ cursor: cursor(1), shardCount: 8, fullShards: [] });
  });

  test('are noted as full, and no longer', async () => {
    const channel = newChannel();
    await log.markShard(channel, 3, true);
    expect((await log.markShard(channel, 1, true)).fullShards.toSorted()).toEqual([1, 3]);
    await log.markShard(channel, 1, true);
    expect((await log.markShard(channel, 3, false)).fullShards).toEqual([1]);
    expect((await log.markShard(channel, 7, false)).fullShards).toEqual([1]);
    expect((await log.markShard(channel, 1, false)).fullShards).toEqual([]);
    expect((await log.head(channel)).fullShards).toEqual([]);
  });
});
