import { pace } from '../../../lambdas/shared/pace.ts';

function paced(perSecond: number) {
  let now = 10_000;
  const at: number[] = [];
  const one = pace(
    perSecond,
    () => now,
    async milliseconds => {
      now += milliseconds;
    },
  );
  return {
    at,
    advance: (milliseconds: number) => {
      now += milliseconds;
    },
    take: async (units?: number) => {
      await one.take(units);
      at.push(now - 10_000);
    },
  };
}

test('a hundred a second are one in 10 ms, but for what the slack makes up', async () => {
  const { take, at } = paced(100);
  for (let n = 0; n < 105; n += 1) await take();
  expect(at.at(0)).toBe(0);
  expect(at.at(-1)).toBe(990);
});

test('what was used is paid for by the next', async () => {
  const { take, at } = paced(2_000);
  await take(4_000);
  await take(1);
  expect(at).toEqual([0, 1_950]);
});

test('a pause does not make a burst', async () => {
  const { take, at, advance } = paced(100);
  await take();
  advance(60_000);
  for (let n = 0; n < 10; n += 1) await take();
  expect((at.at(-1) ?? 0) - (at.at(1) ?? 0)).toBeGreaterThanOrEqual(40);
});
