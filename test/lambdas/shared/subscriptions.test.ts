import { GetCommand } from '@aws-sdk/lib-dynamodb';
import pMap from 'p-map';
import { dynamoDbSubscriptions, type Subscriptions } from '../../../lambdas/shared/subscriptions.ts';
import { type LocalTables, startTables } from '../tables.ts';

let tables: LocalTables;
let subscriptions: Subscriptions;

beforeAll(async () => {
  tables = await startTables({ replicationLagMs: 2_000 });
  subscriptions = dynamoDbSubscriptions(tables.client, 'Subscriptions');
});
afterAll(() => tables.close());

test('a subscription shows at once, in its channel and shard only', async () => {
  await subscriptions.add('room:1', 0, 'a', 0);
  await subscriptions.add('room:1', 0, 'a', 0);
  await subscriptions.add('room:1', 1, 'b', 0);
  await subscriptions.add('room:10', 0, 'c', 0);
  expect(await subscriptions.subscribers('room:1', 0)).toEqual(['a']);
  expect(await subscriptions.subscribers('room:1', 1)).toEqual(['b']);
  expect(await subscriptions.subscribers('room:1', 2)).toEqual([]);
  await subscriptions.remove('room:1', 0, 'a');
  await subscriptions.remove('room:1', 0, 'never');
  expect(await subscriptions.subscribers('room:1', 0)).toEqual([]);
});

test('it expires three hours after it was made', async () => {
  await subscriptions.add('expiry', 0, 'a', 1_700_000_000_000);
  const Key = { channelShard: 'expiry#0', connectionId: 'a' };
  const { Item } = await tables.client.send(new GetCommand({ TableName: 'Subscriptions', Key, ConsistentRead: true }));
  expect(Item).toEqual({ ...Key, expiresAt: 1_700_010_800 });
});

test('all of a connection are removed, over the 25 of one batch, and no others', async () => {
  const channels = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`many:${n}`, n % 3]));
  for (const [channel, shard] of Object.entries(channels)) await subscriptions.add(channel, shard, 'a', 0);
  await subscriptions.add('many:59', 2, 'other', 0);
  await subscriptions.removeAll('a', channels);
  for (const [channel, shard] of Object.entries(channels)) {
    expect(await subscriptions.subscribers(channel, shard)).toEqual(channel === 'many:59' ? ['other'] : []);
  }
  await subscriptions.removeAll('a', channels);
  await subscriptions.removeAll('a', {});
});

test('subscribers are read over the megabyte that one page has, or to a limit', async () => {
  const connectionIds = Array.from({ length: 1_100 }, (_, n) => `${n}`.padStart(1_000, '0'));
  await pMap(connectionIds, connectionId => subscriptions.add('large', 0, connectionId, 0), { concurrency: 20 });
  expect(await subscriptions.subscribers('large', 0)).toEqual(connectionIds);
  expect(await subscriptions.subscribers('large', 0, 3)).toEqual(connectionIds.slice(0, 3));
  expect(await subscriptions.subscribers('large', 0, 1_090)).toHaveLength(1_090);
  expect(await subscriptions.count('large', 0, 5_000)).toBe(1_100);
  expect(await subscriptions.count('large', 0, 1_090)).toBe(1_090);
  expect(await subscriptions.count('large', 1, 10)).toBe(0);
}, 30_000);
