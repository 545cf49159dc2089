import { retryDelaySeconds } from '../../../lambdas/fan-out/retry.ts';

test('a channel is tried again after 1 s, then twice as long each time, up to a minute', () => {
  expect([1, 2, 3, 6, 7, 8, 60].map(retryDelaySeconds)).toEqual([1, 2, 4, 32, 60, 60, 60]);
});

test('a message is not given up before its queue would forget it', () => {
  const maxReceiveCount = 1_000;
  const seconds = Array.from({ length: maxReceiveCount }, (_, n) => retryDelaySeconds(n + 1)).reduce((a, b) => a + b);
  expect(seconds).toBeGreaterThan(13 * 86_400);
});
