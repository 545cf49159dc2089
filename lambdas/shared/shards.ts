import { createHash } from 'node:crypto';
import type { Head, MessageLog } from './message-log.ts';

/** As many as the control record can ask for; beyond them shards grow over their size. */
const maxShards = 1_000;

const hashOf = (connectionId: string): number => createHash('sha256').update(connectionId).digest().readUInt32BE(0);

/**
 * The shard for a new subscription, one of those that the head knows: the connections spread over the shards that are not
 * full, or over all where all are.
 */
export function shardFor(connectionId: string, { shardCount, fullShards }: Head): number {
  const open = Array.from({ length: shardCount }, (_, shard) => shard).filter(shard => !fullShards.includes(shard));
  const hash = hashOf(connectionId);
  return open[hash % open.length] ?? hash % shardCount;
}

/** One subscription in so many counts its shard. */
const sample = 32;

/**
 * Whether this connection is to count its shard when it subscribes. No counter is kept that could drift, and a storm of
 * subscriptions before the first message is noticed after some dozens.
 */
export const isCounter = (connectionId: string): boolean => (hashOf(connectionId) >>> 8) % sample === 0;

/**
 * Notes that a shard has all the subscribers it should, and doubles the shards where all have. Repeating it does nothing.
 * @param minimum shards that a large channel has at least
 */
export async function shardFilled(
  channel: string,
  shard: number,
  minimum: number,
  log: Pick<MessageLog, 'markShard' | 'raiseShards'>,
): Promise<void> {
  const { fullShards, shardCount } = await log.markShard(channel, shard, true);
  if (fullShards.length < shardCount || shardCount >= maxShards) return;
  await log.raiseShards(channel, Math.min(maxShards, Math.max(2 * shardCount, minimum)));
}
