import { keptFor } from '../../../lambdas/shared/cache.ts';

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});
afterEach(() => {
  jest.useRealTimers();
});

/** A read that answers 1, 2, 3, …, and counts. */
const counter = () => {
  let reads = 0;
  return jest.fn(async () => {
    reads += 1;
    return reads;
  });
};

test('an answer is kept for its time and then read anew', async () => {
  const kept = keptFor(1_000, counter());
  expect(await kept()).toBe(1);
  jest.setSystemTime(999);
  expect(await kept()).toBe(1);
  jest.setSystemTime(1_000);
  expect(await kept()).toBe(2);
});

test('calls made meanwhile share the one under way', async () => {
  const read = counter();
  const kept = keptFor(1_000, read);
  expect(await Promise.all([kept(), kept(), kept()])).toEqual([1, 1, 1]);
  expect(read).toHaveBeenCalledTimes(1);
});

test('a failure is told to everyone who waits for it, and not kept', async () => {
  const read = jest.fn<Promise<string>, []>().mockRejectedValueOnce(new Error('no')).mockResolvedValueOnce('yes');
  const kept = keptFor(1_000, read);
  const results = await Promise.allSettled([kept(), kept()]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await kept()).toBe('yes');
  expect(read).toHaveBeenCalledTimes(2);
});

test('a failure that comes late does not drop the newer answer', async () => {
  let fail = (_: Error) => {};
  const read = jest
    .fn<Promise<string>, []>()
    .mockReturnValueOnce(
      new Promise((_, reject) => {
        fail = reject;
      }),
    )
    .mockResolvedValueOnce('newer');
  const kept = keptFor(1_000, read);
  const late = kept();
  jest.setSystemTime(2_000);
  expect(await kept()).toBe('newer');
  fail(new Error('late'));
  await expect(late).rejects.toThrow('late');
  expect(await kept()).toBe('newer');
  expect(read).toHaveBeenCalledTimes(2);
});
