import fc from 'fast-check';
import { defaultControl } from '../../../lambdas/shared/control.ts';
import { Refusal } from '../../../lambdas/shared/protocol.ts';
import { controlledThrottle, dynamoDbTurns, type Turns } from '../../../lambdas/shared/throttle.ts';
import { type LocalTables, startTables } from '../tables.ts';

let tables: LocalTables;
beforeAll(async () => {
  tables = await startTables({ replicationLagMs: 0 });
});
afterAll(() => tables.close());

test('one message in the time for each publisher and channel', async () => {
  const turns = dynamoDbTurns(tables.client, 'Operations');
  expect(await turns.take('alice', 'room:1', 100, 1_000)).toBe(0);
  expect(await turns.take('alice', 'room:1', 100, 1_030)).toBe(70);
  expect(await turns.take('alice', 'room:2', 100, 1_030)).toBe(0);
  expect(await turns.take('bob', 'room:1', 100, 1_030)).toBe(0);
  expect(await turns.take('alice', 'room:1', 100, 1_099)).toBe(1);
  expect(await turns.take('alice', 'room:1', 100, 1_100)).toBe(0);
});

test('of many environments at once one has the turn, and no wait is longer than a turn', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uuid(),
      fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 2, maxLength: 8 }),
      async (publisher, times) => {
        const turns = dynamoDbTurns(tables.client, 'Operations');
        const waits = await Promise.all(times.map(time => turns.take(publisher, 'room:1', 100, 1_000 + time)));
        expect(waits.filter(wait => wait === 0)).toHaveLength(1);
        for (const wait of waits) expect(wait).toBeLessThanOrEqual(100);
      },
    ),
    { numRuns: 20 },
  );
});

describe('a throttle', () => {
  const throttled = (throttleMs: number | null, turns: Turns) => {
    const failures: Error[] = [];
    const control = { read: async () => ({ ...defaultControl, throttleMs }) };
    return { failures, throttle: controlledThrottle(control, turns, error => failures.push(error)) };
  };

  test('that is off costs nothing', async () => {
    const take = jest.fn();
    await throttled(null, { take }).throttle.admit('alice', 'room:1', 5);
    expect(take).not.toHaveBeenCalled();
  });

  test('refuses with the time to wait', async () => {
    const { throttle } = throttled(100, { take: async () => 42 });
    const refusal = await throttle.admit('alice', 'room:1', 5).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Refusal);
    expect(refusal).toMatchObject({ code: 'throttled', retryAfterMs: 42 });
  });

  test('asks the store once a turn, however many messages come', async () => {
    const taken: number[] = [];
    const take: Turns['take'] = async (_, __, everyMs, at) => {
      taken.push(at);
      // Another environment had the turn of 1,000.
      return at < 1_000 + everyMs ? 1_000 + everyMs - at : 0;
    };
    const { throttle } = throttled(100, { take });
    const waits: number[] = [];
    for (let at = 1_010; at < 1_310; at += 10)
      await throttle.admit('alice', 'room:1', at).catch((refusal: Refusal) => waits.push(refusal.retryAfterMs ?? 0));
    expect(taken).toEqual([1_010, 1_100, 1_200, 1_300]);
    const untilTurn = [90, 80, 70, 60, 50, 40, 30, 20, 10];
    expect(waits).toEqual([...untilTurn, ...untilTurn, ...untilTurn]);
    await throttle.admit('alice', 'room:2', 1_310);
    await throttle.admit('bob', 'room:1', 1_310);
    expect(taken).toHaveLength(6);
  });

  test('that is shorter now is so for whoever waits', async () => {
    let throttleMs = 1_000;
    const control = { read: async () => ({ ...defaultControl, throttleMs }) };
    const throttle = controlledThrottle(control, { take: async () => 0 }, () => {});
    await throttle.admit('alice', 'room:1', 5_000);
    await expect(throttle.admit('alice', 'room:1', 5_010)).rejects.toMatchObject({ retryAfterMs: 990 });
    throttleMs = 100;
    await expect(throttle.admit('alice', 'room:1', 5_050)).rejects.toMatchObject({ retryAfterMs: 50 });
    await throttle.admit('alice', 'room:1', 5_100);
  });

  test('whose store is down lets messages pass, and tells', async () => {
    const { throttle, failures } = throttled(100, { take: () => Promise.reject(new Error('store down')) });
    await throttle.admit('alice', 'room:1', 5);
    expect(failures).toEqual([new Error('store down')]);
  });
});
