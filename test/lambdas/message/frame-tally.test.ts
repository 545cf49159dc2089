import { frameRate } from '../../../lambdas/message/frame-rate.ts';
import { dynamoDbFrameTally, type FrameTally, talliedFrameRate } from '../../../lambdas/message/frame-tally.ts';
import { type LocalTables, startTables } from '../tables.ts';

const perSecond = 50;

function inMemoryTally(): FrameTally & { readonly calls: number[] } {
  const sums = new Map<string, number>();
  const calls: number[] = [];
  return {
    calls,
    async add(connectionId, second, frames) {
      calls.push(frames);
      const key = `${connectionId} ${second}`;
      sums.set(key, (sums.get(key) ?? 0) + frames);
      return sums.get(key) ?? 0;
    },
  };
}

/** Function environments that share a tally, and get the frames in turn. */
function environments(count: number, tally: FrameTally, failed: (error: unknown) => void = () => {}) {
  const rates = Array.from({ length: count }, () => talliedFrameRate(perSecond, frameRate(perSecond), tally, failed));
  return async (frames: number, from: number, connectionId = 'a') => {
    const verdicts = { taken: 0, refused: 0, flooding: 0 };
    for (let n = 0; n < frames; n += 1) {
      const rate = rates[n % count];
      if (rate) verdicts[await rate(connectionId, from + (n * 1000) / frames)] += 1;
    }
    return verdicts;
  };
}

test('a client at a modest pace costs no write', async () => {
  const tally = inMemoryTally();
  const within = environments(2, tally);
  expect(await within(18, 0)).toEqual({ taken: 18, refused: 0, flooding: 0 });
  expect(tally.calls).toEqual([]);
});

test('many environments together take little more than the rate', async () => {
  const within = environments(6, inMemoryTally());
  const { taken, refused, flooding } = await within(200, 0);
  expect(taken).toBeLessThanOrEqual(perSecond + 6 * 10);
  expect(refused).toBe(200 - taken);
  expect(flooding).toBe(0);
});

test('a thousand a second are flooding within that second, however many environments share them', async () => {
  for (const count of [1, 6, 20])
    expect((await environments(count, inMemoryTally())(1_000, 0)).flooding).toBeGreaterThan(0);
});

test('the next second starts anew, and each connection for itself', async () => {
  const within = environments(3, inMemoryTally());
  await within(200, 0);
  expect(await within(20, 5_000)).toEqual({ taken: 20, refused: 0, flooding: 0 });
  await within(200, 9_000);
  expect(await within(20, 9_000, 'b')).toEqual({ taken: 20, refused: 0, flooding: 0 });
});

test('without the tally each environment judges by itself', async () => {
  const errors: unknown[] = [];
  const broken: FrameTally = {
    add: async () => {
      throw new Error('throttled');
    },
  };
  const { taken, refused } = await environments(1, broken, error => errors.push(error))(100, 0);
  expect(taken).toBeLessThanOrEqual(2 * perSecond);
  expect(refused).toBeGreaterThan(0);
  expect(errors[0]).toEqual(new Error('throttled'));
});

describe('the tally', () => {
  let tables: LocalTables;
  beforeAll(async () => {
    tables = await startTables({ replicationLagMs: 0 });
  });
  afterAll(() => tables.close());

  test('sums what all add within a second', async () => {
    const tally = dynamoDbFrameTally(tables.client, 'Operations');
    expect(await tally.add('a=', 7, 10)).toBe(10);
    expect(await tally.add('a=', 7, 5)).toBe(15);
    expect(await tally.add('a=', 8, 1)).toBe(1);
    expect(await tally.add('b=', 7, 2)).toBe(2);
  });
});
