import type { Head, LogEntry, MessageLog } from '../shared/message-log.ts';
import { frameRuns, framesOf } from '../shared/posting.ts';
import { encodeFrame } from '../shared/protocol.ts';
import { shardFilled } from '../shared/shards.ts';
import type { Budget } from './budget.ts';
import { type PostDependencies, postToSubscribers } from './post-to-subscribers.ts';

export interface ShardDependencies extends PostDependencies {
  readonly log: Pick<MessageLog, 'markShard' | 'raiseShards'>;
  readonly budget: Budget;
  /** Subscribers that a shard should have at most. */
  readonly shardSize: number;
  /** Shards that a large channel has at least. */
  readonly minimumShards: number;
  /** Told of messages after their last recipient had its post. */
  readonly delivered: (entries: readonly LogEntry[], recipients: number) => void;
}

export interface Shard {
  readonly channel: string;
  readonly shard: number;
  /** Whether new subscribers go elsewhere already. */
  readonly full: boolean;
}

/** Whether the channel's new subscribers go elsewhere than to a shard. */
export const isFull = ({ fullShards, shardCount }: Head, shard: number): boolean =>
  fullShards.includes(shard) && fullShards.length < shardCount;

/** Keeps the hint of where new subscribers go true: a shard that has lost half of what it should have takes some again. */
async function balance({ channel, shard, full }: Shard, subscribers: number, d: ShardDependencies): Promise<void> {
  if (subscribers >= d.shardSize && !full) await shardFilled(channel, shard, d.minimumShards, d.log);
  else if (subscribers < d.shardSize / 2 && full) await d.log.markShard(channel, shard, false);
}

/**
 * Posts log entries to whoever is subscribed in a shard now.
 * @returns how many of the entries, from the first on, have had their posts; the rest is for another invocation
 * @throws SystemicPostFailure, OutOfTime
 */
export async function serveShard(shard: Shard, entries: readonly LogEntry[], d: ShardDependencies): Promise<number> {
  const connectionIds = await d.presence.subscriptions.subscribers(shard.channel, shard.shard);
  await balance(shard, connectionIds.length, d);
  const runs = frameRuns(entries);
  const taken = d.budget.take(connectionIds.length, runs.length);
  const now = runs.slice(0, taken).flat();
  if (now.length > 0) await postToSubscribers({ ...shard, connectionIds }, framesOf(now), d);
  d.delivered(now, connectionIds.length);
  return now.length;
}

/**
 * Tells whoever is subscribed in a shard to fetch what it misses.
 * @returns whether there was time to
 * @throws SystemicPostFailure, OutOfTime
 */
export async function resyncShard(shard: Shard, d: ShardDependencies): Promise<boolean> {
  const { channel } = shard;
  const connectionIds = await d.presence.subscriptions.subscribers(channel, shard.shard);
  if (d.budget.take(connectionIds.length, 1) === 0) return false;
  await postToSubscribers({ ...shard, connectionIds }, [encodeFrame({ type: 'resync', channel })], d);
  return true;
}
