import { setImmediate } from 'node:timers/promises';
import type { Callback, PostResult } from '../../../lambdas/shared/callback.ts';
import { pacedCallback, postPace } from '../../../lambdas/shared/post-pace.ts';

/** A clock that goes on when it is told, and then wakes who sleeps. */
class ManualClock {
  time = 1_000;
  readonly #sleepers: { readonly until: number; readonly wake: () => void }[] = [];
  readonly now = () => this.time;
  readonly sleep = (milliseconds: number) =>
    new Promise<void>(wake => this.#sleepers.push({ until: this.time + milliseconds, wake }));

  async advance(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    for (;;) {
      await setImmediate();
      const [next] = this.#sleepers.filter(({ until }) => until <= end).sort((a, b) => a.until - b.until);
      if (!next) break;
      this.time = Math.max(this.time, next.until);
      this.#sleepers.splice(this.#sleepers.indexOf(next), 1);
      next.wake();
    }
    this.time = end;
  }
}

function paced(perSecond: number, burst: number) {
  const clock = new ManualClock();
  const pace = postPace({ perSecond, burst, now: clock.now, sleep: clock.sleep });
  let turns = 0;
  return {
    clock,
    pace,
    /** How many requests go within the next milliseconds, where there are always some that wait. */
    async within(milliseconds: number): Promise<number> {
      const before = turns;
      const end = clock.time + milliseconds;
      const go = async () => {
        while (clock.time < end) {
          await pace.turn();
          if (clock.time <= end) turns += 1;
        }
      };
      const going = Promise.all([go(), go()]);
      await clock.advance(milliseconds);
      await clock.advance(10_000);
      await going;
      clock.time = end;
      return turns - before;
    },
  };
}

const about = (expected: number, actual: number) => expect(Math.abs(actual - expected)).toBeLessThanOrEqual(3);

test('as many go as the rate allows, and a burst after a pause', async () => {
  const { within } = paced(100, 20);
  about(120, await within(1_000));
});

test('it can tell how many could go', async () => {
  const { clock, pace } = paced(100, 20);
  expect(pace.within(1_000)).toBe(120);
  for (let n = 0; n < 20; n += 1) await pace.turn();
  expect(pace.within(1_000)).toBe(100);
  await clock.advance(100);
  expect(pace.within(0)).toBeCloseTo(10);
});

test('a refusal halves the rate, others of the same moment do not, and it comes back', async () => {
  const { clock, pace } = paced(100, 20);
  pace.throttled();
  pace.throttled();
  expect(pace.within(100)).toBeCloseTo(5);
  await clock.advance(1_000);
  pace.throttled();
  expect(pace.within(100)).toBeCloseTo(3);
  await clock.advance(60_000);
  expect(pace.within(1_000)).toBeCloseTo(120);
});

test('it uses as many parts as it is told, in rate and burst, and a refusal halves them all', async () => {
  const { clock, pace, within } = paced(100, 20);
  pace.use(3);
  // What was not used before is no more than one burst.
  expect(pace.within(0)).toBeCloseTo(20);
  about(320, await within(1_000));
  await clock.advance(10_000);
  expect(pace.within(1_000)).toBeCloseTo(360);
  pace.throttled();
  expect(pace.within(100)).toBeCloseTo(15);
  await clock.advance(60_000);
  pace.use(1);
  expect(pace.within(1_000)).toBeCloseTo(120);
});

test('however often it is refused, it goes on slowly', async () => {
  const { clock, pace } = paced(100, 20);
  for (let n = 0; n < 50; n += 1) {
    await clock.advance(1_000);
    pace.throttled();
  }
  expect(pace.within(1_000)).toBeGreaterThanOrEqual(5);
});

describe('a post that is refused because of the rate', () => {
  const throttled: PostResult = { failed: 'throttled', detail: 'status 429' };

  function answered(...results: PostResult[]) {
    const posted: string[] = [];
    const slowed: number[] = [];
    const callback: Callback = {
      post: async (connectionId, frame) => {
        posted.push(`${connectionId} ${frame}`);
        return results.shift() ?? 'delivered';
      },
      close: async () => 'closed',
      exists: async () => true,
    };
    const pace = { turn: async () => {}, throttled: () => slowed.push(1), within: () => 0, use: () => {} };
    const { post } = pacedCallback(callback, pace, async () => {});
    return { post, posted, slowed: () => slowed.length };
  }

  test('slows all, and is made again', async () => {
    const { post, posted, slowed } = answered(throttled, throttled);
    expect(await post('a', 'x')).toBe('delivered');
    expect(posted).toEqual(['a x', 'a x', 'a x']);
    expect(slowed()).toBe(2);
  });

  test('has failed at the third time', async () => {
    const { post, posted } = answered(throttled, throttled, throttled);
    expect(await post('a', 'x')).toEqual(throttled);
    expect(posted).toHaveLength(3);
  });

  test.each<PostResult>(['delivered', 'gone', { failed: 'server', detail: 'status 500' }])(
    'otherwise it is as it is (%j)',
    async result => {
      const { post, posted, slowed } = answered(result);
      expect(await post('a', 'x')).toEqual(result);
      expect(posted).toHaveLength(1);
      expect(slowed()).toBe(0);
    },
  );
});
