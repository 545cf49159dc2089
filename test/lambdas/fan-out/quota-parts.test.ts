import { setTimeout as sleep } from 'node:timers/promises';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { partsFor, quotaParts } from '../../../lambdas/fan-out/quota-parts.ts';
import { type LocalTables, startTables } from '../tables.ts';

let tables: LocalTables;
let time: number;
beforeEach(async () => {
  tables = await startTables({ replicationLagMs: 0 });
  time = 1_700_000_000_000;
});
afterEach(() => tables.close());

const marks = async () => {
  const Key = { record: 'posting' };
  const { Item = {} } = await tables.client.send(
    new GetCommand({ TableName: 'Operations', Key, ConsistentRead: true }),
  );
  return Object.keys(Item).filter(name => name !== 'record').length;
};

function environment(tableName = 'Operations') {
  let parts = Number.NaN;
  const failures: Error[] = [];
  const quota = quotaParts({
    client: tables.client,
    tableName,
    invocations: 5,
    use: count => {
      parts = count;
    },
    failed: error => failures.push(error),
    now: () => time,
  });
  return {
    failures,
    /** The parts with which an invocation posts that begins so long after the last one. */
    async posts(scale: number, afterMs = 0) {
      time += afterMs;
      return quota.during(scale, async () => parts);
    },
    quota,
    parts: () => parts,
  };
}

test('who posts alone has what the others leave, up to what is asked for, once it is known that they do', async () => {
  const one = environment();
  expect(await one.posts(64)).toBe(1);
  expect(await one.posts(64, 500)).toBe(1);
  expect(await one.posts(64, 600)).toBe(5);
  expect(await one.posts(3, 1_000)).toBe(3);
  // Others may have begun meanwhile.
  expect(await one.posts(64, 10_000)).toBe(1);
});

test('who begins keeps to its own part, and those who post divide the quota', async () => {
  const [one, other] = [environment(), environment()];
  await one.posts(64);
  expect(await one.posts(64, 1_000)).toBe(5);
  expect(await other.posts(64)).toBe(1);
  expect(await one.posts(64, 1_000)).toBe(2.5);
  expect(await other.posts(64)).toBe(2.5);
  // It is forgotten soon after its last post.
  await one.posts(64, 1_500);
  expect(await one.posts(64, 1_500)).toBe(5);
});

test('all together never have more than the quota and a part for each that has just begun', async () => {
  const environments = Array.from({ length: 5 }, () => environment());
  for (const [n, each] of environments.entries()) {
    for (const earlier of environments.slice(0, n)) await earlier.posts(64);
    await each.posts(64);
    const used = environments.slice(0, n + 1).reduce((sum, { parts }) => sum + parts(), 0);
    expect(used).toBeLessThanOrEqual(5 + 1);
    time += 1_000;
  }
  for (const each of environments) expect(await each.posts(64)).toBe(1);
});

test('it is asked again while posting goes on', async () => {
  const one = environment();
  await one.quota.during(64, async () => {
    expect(one.parts()).toBe(1);
    time += 1_000;
    for (let n = 0; n < 100 && one.parts() === 1; n += 1) await sleep(50);
    expect(one.parts()).toBe(5);
  });
});

test('without a scale nothing is written; environments that are gone are taken out', async () => {
  const one = environment();
  expect(await one.posts(1)).toBe(1);
  expect(await marks()).toBe(0);
  await environment().posts(5);
  await one.posts(5, 61_000);
  expect(await marks()).toBe(2);
  await one.posts(5, 1_000);
  expect(await marks()).toBe(1);
  await one.posts(5, 1_000);
  expect(await one.posts(1)).toBe(1);
});

test('where the store does not answer, everyone keeps to its own part', async () => {
  const one = environment('Nowhere');
  expect(await one.posts(5)).toBe(1);
  expect(await one.posts(5, 1_000)).toBe(1);
  expect(one.failures).toHaveLength(2);
});

test('parts are at least one, whatever is at work', () => {
  expect(partsFor(9, 5, 64)).toBe(1);
  expect(partsFor(0, 5, 64)).toBe(5);
});
