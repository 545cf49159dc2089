import { retryDelaySeconds } from '../../../lambdas/fan-out/retry.ts';

test('a channel is tried again after 1 s, then twice as long each time, up to a minute', () => {
  expect([1, 2, 3, 6, 7, 8, 1_000].map(retryDelaySeconds)).toEqual([1, 2, 4, 32, 60, 60, 60]);
});
