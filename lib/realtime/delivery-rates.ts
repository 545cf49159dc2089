import type { Settings } from '../runbook/settings.ts';
import { accountQuota } from './gateway.ts';

/** How fast a service may deliver within its share of the account's requests. */
export interface DeliveryRates {
  /** Of one fan-out invocation. */
  readonly postsPerSecond: number;
  /** Posts that one fan-out invocation may make at once. */
  readonly postBurst: number;
  /** Invocations at once for the shards of large channels, beside those for publications. */
  readonly shardConcurrency: number;
  /** Subscribers of one shard: what one invocation can post a frame to within half of its time. */
  readonly shardSize: number;
  /** Of one replay. */
  readonly replayPostsPerSecond: number;
}

/** Of what heartbeats leave of the share: the rest is for the clients' other frames, replays and closes. */
const postedShare = 0.75;
/** Half of `fanOutTimeout`, so that a shard over its size is served too. */
const shardSeconds = 30;
/** Reading the subscribers of a shard takes two or three pages of DynamoDB then, and a post to each some seconds. */
const largestShard = 1_000;
/** One replay of the many that follow an outage: not more than a twentieth of the share. */
const replayShare = 0.05;

export function deliveryRates(
  settings: Pick<Settings, 'requestQuotaShare' | 'maxConnections' | 'heartbeatIntervalSeconds' | 'fanOutConcurrency'>,
): DeliveryRates {
  const { requestQuotaShare, maxConnections, heartbeatIntervalSeconds, fanOutConcurrency } = settings;
  const requests = accountQuota.rate * requestQuotaShare;
  const heartbeats = maxConnections / heartbeatIntervalSeconds;
  // 2 is the least that an event source can have ("Configuring scaling behavior for SQS event source mappings").
  const shardConcurrency = Math.max(2, Math.ceil(fanOutConcurrency / 4));
  const invocations = fanOutConcurrency + shardConcurrency;
  const postsPerSecond = Math.max(1, Math.floor(((requests - heartbeats) * postedShare) / invocations));
  return {
    postsPerSecond,
    postBurst: Math.max(1, Math.floor((accountQuota.burst * requestQuotaShare) / invocations)),
    shardConcurrency,
    shardSize: Math.min(largestShard, postsPerSecond * shardSeconds),
    replayPostsPerSecond: Math.max(10, Math.floor(requests * replayShare)),
  };
}
