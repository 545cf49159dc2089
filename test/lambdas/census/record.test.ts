import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { censusRecord, dynamoDbCensusRecord } from '../../../lambdas/census/record.ts';
import { type LocalTables, startTables } from '../tables.ts';

let tables: LocalTables;
beforeAll(async () => {
  tables = await startTables({ replicationLagMs: 0 });
});
afterAll(() => tables.close());

const failures: string[] = [];
const record = () => dynamoDbCensusRecord(tables.client, 'Operations', message => failures.push(message));
const put = (item: object) =>
  tables.client.send(new PutCommand({ TableName: 'Operations', Item: { record: censusRecord, ...item } }));

test('one holds it at a time, and leaves its state to the next', async () => {
  await put({});
  const results = await Promise.all(['a', 'b', 'c'].map(holder => record().acquire(holder, 1_000)));
  expect(results.filter(state => state !== undefined)).toEqual([
    { level: { counts: [], peak: 0 }, mayEvict: false, mayEvictMany: false },
  ]);
  const holder = ['a', 'b', 'c'][results.findIndex(state => state !== undefined)] ?? '';
  await record().release(holder, { level: { counts: [7], peak: 7 }, mayEvict: true, mayEvictMany: true, takenAt: 5 });
  expect(await record().acquire('d', 1_001)).toEqual({
    level: { counts: [7], peak: 7 },
    mayEvict: true,
    mayEvictMany: true,
    takenAt: 5,
  });
});

test('one that failed leaves what was before it', async () => {
  await put({ state: { takenAt: 7 } });
  await record().acquire('a', 1_000);
  await record().release('a');
  expect(await record().acquire('b', 1_000)).toMatchObject({ takenAt: 7 });
});

test('one that died holds it no longer than its function could run, and then nothing of it is kept', async () => {
  await put({});
  await record().acquire('dead', 1_000);
  expect(await record().acquire('b', 57_000)).toBeUndefined();
  expect(await record().acquire('b', 57_001)).toBeDefined();
  await expect(
    record().release('dead', { level: { counts: [], peak: 9 }, mayEvict: true, mayEvictMany: true }),
  ).rejects.toThrow();
  await record().release('b');
});

test('a state that cannot be read is told, and a new one begins', async () => {
  await put({ state: { level: 'high' } });
  expect(await record().acquire('a', 1_000)).toEqual({
    level: { counts: [], peak: 0 },
    mayEvict: false,
    mayEvictMany: false,
  });
  expect(failures).toEqual(['the state of the last census cannot be read, a new one begins']);
});
