import { beatNotes, dynamoDbUnwrittenBeats } from '../../../lambdas/shared/unwritten-beats.ts';
import { type LocalTables, startTables } from '../tables.ts';

let tables: LocalTables;
beforeAll(async () => {
  tables = await startTables({ replicationLagMs: 0 });
});
afterAll(() => tables.close());

test('the trace only grows', async () => {
  const unwritten = dynamoDbUnwrittenBeats(tables.client, 'Operations');
  expect(await unwritten.until()).toBe(0);
  await unwritten.extend(2_000);
  await unwritten.extend(1_000);
  expect(await unwritten.until()).toBe(2_000);
  await unwritten.extend(3_000);
  expect(await unwritten.until()).toBe(3_000);
});

test('every heartbeat is before the end of the trace, at a write in 10 s', async () => {
  const extended: number[] = [];
  const note = beatNotes({ extend: async until => void extended.push(until) }, () => {});
  for (let now = 0; now <= 30_000; now += 7) {
    expect(await note(now)).toBe(true);
    expect(Math.max(...extended)).toBeGreaterThanOrEqual(now);
  }
  expect(extended).toHaveLength(3);
});

test('where it cannot be left that is told, and tried again', async () => {
  let down = true;
  const failures: string[] = [];
  const note = beatNotes(
    {
      async extend() {
        if (down) throw new Error('store down');
      },
    },
    ({ message }) => failures.push(message),
  );
  expect([await note(0), await note(1)]).toEqual([false, false]);
  down = false;
  expect(await note(2)).toBe(true);
  expect(failures).toEqual(['store down', 'store down']);
});
