import { dynamoDbCensusRecord } from '../../../lambdas/census/record.ts';
import { dynamoDbConnections } from '../../../lambdas/shared/connections.ts';
import { dynamoDbLeakReports, leakReport } from '../../../lambdas/sweep/leaks.ts';
import { censusVerdict } from '../../../lambdas/sweep/verdict.ts';
import { type LocalTables, startTables } from '../tables.ts';

let tables: LocalTables;
beforeAll(async () => {
  tables = await startTables({ replicationLagMs: 0 });
});
afterAll(() => tables.close());

const heartbeat = { intervalMs: 30_000, graceMs: 10_000 };
const now = 1_000_000_000;

test('a report tells who holds most, who grew since the last one, and whose heartbeats stopped', async () => {
  const connections = dynamoDbConnections(tables.client, 'Connections');
  const reports = dynamoDbLeakReports(tables.client, 'Operations', error => {
    throw error;
  });
  const report = () => leakReport({ connections, reports, heartbeat, reads: { take: async () => {} }, now: () => now });
  let last = 0;
  const open = async (user: string | undefined, ip: string, connectedAt: number, lastSeenAt?: number) => {
    last += 1;
    const connectionId = `c${last}`;
    await connections.add({ connectionId, ip, connectedAt, ...(user !== undefined && { user }) });
    if (lastSeenAt !== undefined) await connections.beat(connectionId, lastSeenAt, 0);
  };
  await open('alice', '192.0.2.1', 7, now - 60_000);
  await open('alice', '192.0.2.2', 5, now);
  await open('bob', '192.0.2.1', 8);
  await open(undefined, '192.0.2.1', 9);
  expect(await report()).toEqual({
    at: now,
    connections: 4,
    silent: 1,
    anonymous: 1,
    byUser: [
      { name: 'alice', connections: 2, silent: 1, growth: 0, oldestAt: 5 },
      { name: 'bob', connections: 1, silent: 0, growth: 0, oldestAt: 8 },
    ],
    byAddress: [
      { name: '192.0.2.1', connections: 3, silent: 1, growth: 0, oldestAt: 7 },
      { name: '192.0.2.2', connections: 1, silent: 0, growth: 0, oldestAt: 5 },
    ],
  });
  for (let n = 0; n < 3; n += 1) await open('bob', '192.0.2.3', 10);
  await connections.remove('c1');
  const { byUser, byAddress } = await report();
  expect(byUser.map(({ name, growth }) => [name, growth])).toEqual([
    ['bob', 3],
    ['alice', -1],
  ]);
  expect(byAddress.map(({ name, growth }) => [name, growth])).toEqual([
    ['192.0.2.3', 3],
    ['192.0.2.1', -1],
    ['192.0.2.2', 0],
  ]);
});

test('eviction follows the last census, if it was a moment ago', async () => {
  const verdict = censusVerdict(tables.client, 'Operations');
  const record = dynamoDbCensusRecord(tables.client, 'Operations', () => {});
  const census = async (mayEvictMany: boolean) => {
    await record.acquire('a', now);
    await record.release('a', { level: { counts: [], peak: 0 }, takenAt: now, mayEvict: false, mayEvictMany });
  };
  expect(await verdict(now)).toBeUndefined();
  await census(true);
  expect(await verdict(now + 150_000)).toBe(now);
  expect(await verdict(now + 150_001)).toBeUndefined();
  await census(false);
  expect(await verdict(now)).toBeUndefined();
});
