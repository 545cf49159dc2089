import { GetCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';
import { type Connections, dynamoDbConnections, type Ending } from '../../../lambdas/shared/connections.ts';
import { type LocalTables, startTables } from '../tables.ts';

/** Long enough that a read which is not consistent would miss what a test has just written. */
const lagMs = 2_000;
let tables: LocalTables;
let connections: Connections;

beforeAll(async () => {
  tables = await startTables({ replicationLagMs: lagMs });
  connections = dynamoDbConnections(tables.client, 'Connections');
});
afterAll(() => tables.close());

let made = 0;
async function connected(changes: Partial<Parameters<Connections['add']>[0]> = {}): Promise<string> {
  made += 1;
  const connectionId = `c${made}=`;
  await connections.add({ connectionId, ip: '192.0.2.1', connectedAt: 1_700_000_000_000, ...changes });
  return connectionId;
}
const stored = async (connectionId: string) =>
  (await tables.client.send(new GetCommand({ TableName: 'Connections', Key: { connectionId }, ConsistentRead: true })))
    .Item;

test('a connection is what was registered, without channels, until three hours after', async () => {
  const connectionId = await connected({ user: 'alice', clientVersion: 'app/1', connectedAt: 1_700_000_000_001 });
  expect(await stored(connectionId)).toEqual({
    connectionId,
    user: 'alice',
    ip: '192.0.2.1',
    clientVersion: 'app/1',
    connectedAt: 1_700_000_000_001,
    channels: {},
    expiresAt: 1_700_010_801,
  });
});

test('an anonymous connection has no user, or the index by user would refuse it', async () => {
  expect(await stored(await connected())).not.toHaveProperty('user');
});

test('who removes a connection first gets it, others nothing', async () => {
  const connectionId = await connected({ user: 'alice' });
  await connections.addChannel(connectionId, 'room:1', 0, 5);
  const results = await Promise.all([1, 2, 3].map(() => connections.remove(connectionId)));
  expect(results.filter(result => result !== undefined)).toEqual([
    expect.objectContaining({ connectionId, user: 'alice', channels: { 'room:1': 0 } }),
  ]);
  expect(await connections.remove('never')).toBeUndefined();
});

describe('a heartbeat', () => {
  test('moves the time once half an interval has passed', async () => {
    const connectionId = await connected();
    expect(await connections.beat(connectionId, 1_000, 500)).toEqual({ beat: 'moved', resync: [] });
    expect(await connections.beat(connectionId, 1_499, 500)).toEqual({ beat: 'recent', resync: [] });
    expect(await stored(connectionId)).toMatchObject({ lastSeenAt: 1_000 });
    expect(await connections.beat(connectionId, 1_500, 500)).toEqual({ beat: 'moved', resync: [] });
    expect(await stored(connectionId)).toMatchObject({ lastSeenAt: 1_500 });
  });

  test('that is handled late does not move it back', async () => {
    const connectionId = await connected();
    await connections.beat(connectionId, 5_000, 500);
    expect(await connections.beat(connectionId, 1_000, 500)).toEqual({ beat: 'recent', resync: [] });
    expect(await stored(connectionId)).toMatchObject({ lastSeenAt: 5_000 });
  });
});

describe('channels', () => {
  test('are at most so many, however many subscribe at once', async () => {
    const connectionId = await connected();
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, n) => connections.addChannel(connectionId, `room:${n}`, 0, 3)),
    );
    expect(results.filter(result => typeof result === 'object')).toHaveLength(3);
    expect(results.filter(result => result === 'full')).toHaveLength(5);
    expect(Object.keys((await stored(connectionId))?.channels)).toHaveLength(3);
  });

  test('a channel that is there can be subscribed again where the connection is full', async () => {
    const connectionId = await connected();
    expect(await connections.addChannel(connectionId, 'a', 0, 1)).toEqual({ shard: 0 });
    expect(await connections.addChannel(connectionId, 'b', 0, 1)).toBe('full');
    expect(await connections.addChannel(connectionId, 'a', 4, 1)).toEqual({ shard: 0 });
    expect(await connections.removeChannel(connectionId, 'a')).toBe(0);
    expect(await connections.addChannel(connectionId, 'b', 0, 1)).toEqual({ shard: 0 });
  });

  test('removing tells the shard once, and nothing where there was none', async () => {
    const connectionId = await connected();
    await connections.addChannel(connectionId, 'a', 0, 5);
    expect(await connections.removeChannel(connectionId, 'other')).toBeUndefined();
    expect(await connections.removeChannel(connectionId, 'a')).toBe(0);
    expect(await connections.removeChannel(connectionId, 'a')).toBeUndefined();
  });

  test.each([
    'a.b',
    'a/b',
    'user@host',
    '$&-+=~!,',
    ':shard',
    '#',
    'channels',
    'size',
    '0',
    'constructor',
    'toString',
    'x'.repeat(128),
  ])('may be named %p', async channel => {
    const connectionId = await connected();
    expect(await connections.removeChannel(connectionId, channel)).toBeUndefined();
    expect(await connections.addChannel(connectionId, channel, 7, 5)).toEqual({ shard: 7 });
    expect((await connections.get([connectionId]))[0]?.channels).toEqual({ [channel]: 7 });
    expect(await connections.removeChannel(connectionId, channel)).toBe(7);
    expect((await connections.get([connectionId]))[0]?.channels).toEqual({});
  });
});

test('nothing brings a removed connection back', async () => {
  const connectionId = await connected();
  await connections.beat(connectionId, 1_000, 500);
  await connections.remove(connectionId);
  expect(await connections.beat(connectionId, 9_000, 500)).toEqual({ beat: 'gone' });
  expect(await connections.addChannel(connectionId, 'a', 0, 5)).toBe('gone');
  expect(await connections.removeChannel(connectionId, 'a')).toBeUndefined();
  expect(await connections.markEnding(connectionId, evicted)).toBe(false);
  expect(await stored(connectionId)).toBeUndefined();
});

describe('a connection that could not be told to fetch what it missed', () => {
  const resyncOf = async (connectionId: string, now: number) => {
    const result = await connections.beat(connectionId, now, 500);
    return 'resync' in result ? result.resync.toSorted() : result.beat;
  };

  test('is told at each heartbeat until it has subscribed to the channel again, or left it', async () => {
    const connectionId = await connected();
    for (const channel of ['a', 'b', 'c']) await connections.addChannel(connectionId, channel, 0, 5);
    for (const channel of ['a', 'b', 'a']) await connections.markResync(connectionId, channel);
    expect(await resyncOf(connectionId, 1_000)).toEqual(['a', 'b']);
    expect(await resyncOf(connectionId, 1_001)).toEqual(['a', 'b']);
    await connections.addChannel(connectionId, 'c', 0, 5);
    await connections.addChannel(connectionId, 'a', 0, 5);
    expect(await resyncOf(connectionId, 2_000)).toEqual(['b']);
    await connections.removeChannel(connectionId, 'b');
    expect(await resyncOf(connectionId, 2_001)).toEqual([]);
  });

  test('is not brought back by it', async () => {
    const connectionId = await connected();
    await connections.remove(connectionId);
    await connections.markResync(connectionId, 'a');
    expect(await stored(connectionId)).toBeUndefined();
  });
});

const evicted: Ending = { reason: 'evicted', at: 9_000 };

describe('marking what is about to be closed', () => {
  test('succeeds while the last heartbeat is the one that was read', async () => {
    const connectionId = await connected();
    await connections.beat(connectionId, 1_000, 500);
    expect(await connections.markEnding(connectionId, evicted, 1_000)).toBe(true);
    expect(await stored(connectionId)).toMatchObject({ lastSeenAt: 1_000, ending: evicted });
  });

  test('fails where a heartbeat came meanwhile', async () => {
    const connectionId = await connected();
    await connections.beat(connectionId, 1_000, 500);
    await connections.beat(connectionId, 8_000, 500);
    expect(await connections.markEnding(connectionId, evicted, 1_000)).toBe(false);
    expect(await stored(connectionId)).not.toHaveProperty('ending');
  });

  test('fails where there never was the heartbeat', async () => {
    expect(await connections.markEnding(await connected(), evicted, 1_000)).toBe(false);
  });

  test('without a heartbeat to compare it asks for none, and the first reason stays', async () => {
    const connectionId = await connected();
    expect(await connections.markEnding(connectionId, evicted)).toBe(true);
    expect(await connections.markEnding(connectionId, { reason: 'drain', at: 10_000 })).toBe(true);
    expect(await stored(connectionId)).toMatchObject({ ending: evicted });
  });
});

test('more than a hundred are read at once, as they are now, without those that are gone', async () => {
  const connectionIds: string[] = [];
  for (let n = 0; n < 230; n += 1) connectionIds.push(await connected());
  await connections.remove(connectionIds[7] ?? '');
  const found = await connections.get([...connectionIds, 'never']);
  const expected = connectionIds.filter((_, n) => n !== 7);
  expect(found.map(({ connectionId }) => connectionId).sort()).toEqual(expected.sort());
  expect(await connections.get([])).toEqual([]);
});

test('a scan has every connection once, over the megabyte that one page has, as they are now', async () => {
  const { Count } = await tables.client.send(
    new ScanCommand({ TableName: 'Connections', ConsistentRead: true, Select: 'COUNT' }),
  );
  for (let n = 0; n < 6; n += 1) await connected({ clientVersion: 'x'.repeat(300_000) });
  const pages: { readonly length: number; readonly units: number }[] = [];
  const read = new Set<string>();
  await connections.scan(2, async (page, units) => {
    pages.push({ length: page.length, units });
    for (const { connectionId } of page) read.add(connectionId);
  });
  expect(pages.length).toBeGreaterThan(2);
  expect(pages.reduce((sum, { length }) => sum + length, 0)).toBe(read.size);
  expect(read.size).toBe((Count ?? 0) + 6);
  // 1.8 MB; a unit is 4 KB, or 8 KB as dynalite counts a scan.
  expect(pages.reduce((sum, { units }) => sum + units, 0)).toBeGreaterThan(1_800_000 / 8_192);
});

test('single pages follow each other and have what a scan has, without the channels', async () => {
  const read: string[] = [];
  let next: string | undefined;
  do {
    const page = await connections.page(next, 50);
    expect(page.connections.length).toBeLessThanOrEqual(50);
    for (const connection of page.connections) {
      expect(connection).not.toHaveProperty('channels');
      read.push(connection.connectionId);
    }
    next = page.next;
  } while (next !== undefined);
  const scanned: string[] = [];
  await connections.scan(1, async page => void scanned.push(...page.map(({ connectionId }) => connectionId)));
  expect(read.sort()).toEqual(scanned.sort());
});

describe('counting by an index', () => {
  let current: LocalTables;
  let counted: Connections;

  beforeAll(async () => {
    current = await startTables({ replicationLagMs: 0 });
    counted = dynamoDbConnections(current.client, 'Connections');
    const add = (connectionId: string, user: string | undefined, ip: string) =>
      counted.add({ connectionId, ip, connectedAt: 0, ...(user !== undefined && { user }) });
    for (let n = 0; n < 4; n += 1) await add(`a${n}`, 'alice', '192.0.2.1');
    await add('b', 'bob', '192.0.2.1');
    await add('c', undefined, '2001:db8::1');
  });
  afterAll(() => current.close());

  test('tells the connections of a user and of an address', async () => {
    expect(await counted.countByUser('alice', 10)).toBe(4);
    expect(await counted.countByUser('bob', 10)).toBe(1);
    expect(await counted.countByUser('carol', 10)).toBe(0);
    expect(await counted.countByAddress('192.0.2.1', 10)).toBe(5);
    expect(await counted.countByAddress('2001:db8::1', 10)).toBe(1);
  });

  test('stops at the limit', async () => {
    expect(await counted.countByUser('alice', 3)).toBe(3);
    expect(await counted.countByUser('alice', 4)).toBe(4);
  });

  test('goes on after the megabyte that one page has', async () => {
    const user = 'u'.repeat(2_000);
    for (let n = 0; n < 300; n += 1)
      await counted.add({ connectionId: `${n}`.padEnd(2_000, 'x'), user, ip: 'many', connectedAt: 0 });
    expect(await counted.countByUser(user, 1_000)).toBe(300);
    expect(await counted.countByUser(user, 299)).toBe(299);
  });
});
