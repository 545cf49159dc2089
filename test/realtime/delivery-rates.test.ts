import fc from 'fast-check';
import { deliveryRates } from '../../lib/realtime/delivery-rates.ts';

const chat = { requestQuotaShare: 0.4, maxConnections: 50_000, heartbeatIntervalSeconds: 25, fanOutConcurrency: 10 };

it('divides what heartbeats leave of the share among all invocations', () => {
  expect(deliveryRates(chat)).toEqual({
    // Three quarters of 4,000 - 2,000, by 10 + 3.
    postsPerSecond: 115,
    postBurst: 153,
    shardConcurrency: 3,
    shardSize: 1_000,
    replayPostsPerSecond: 200,
  });
});

it('never gives out more than the share, and serves every shard within the time of an invocation', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 0.5, noNaN: true }),
      fc.integer({ min: 2, max: 1_000 }),
      (requestQuotaShare, heartbeatShare, fanOutConcurrency) => {
        // Heartbeats take at most half of the share: `settings-rules.ts`.
        const maxConnections = 30 * 10_000 * requestQuotaShare * heartbeatShare;
        const settings = { requestQuotaShare, maxConnections, heartbeatIntervalSeconds: 30, fanOutConcurrency };
        const { postsPerSecond, shardConcurrency, shardSize } = deliveryRates(settings);
        const invocations = fanOutConcurrency + shardConcurrency;
        // One post a second each is the least there is.
        const most = Math.max(10_000 * requestQuotaShare * (1 - heartbeatShare), invocations);
        expect(postsPerSecond * invocations).toBeLessThanOrEqual(most);
        expect(shardSize / postsPerSecond).toBeLessThanOrEqual(30);
        expect(shardSize).toBeGreaterThan(0);
        expect(shardConcurrency).toBeGreaterThanOrEqual(2);
      },
    ),
  );
});
