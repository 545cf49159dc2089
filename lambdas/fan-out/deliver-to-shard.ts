import type { LogEntry, MessageLog } from '../shared/message-log.ts';
import type { ShardTask } from './delivery.ts';
import { type Flush, isFlushed } from './flush.ts';
import { resyncShard, type ShardDependencies, serveShard } from './serve-shard.ts';

export interface DeliverToShardDependencies extends ShardDependencies {
  readonly log: Pick<MessageLog, 'between' | 'markShard' | 'raiseShards'>;
  /** Queues a task behind those of its shard, once for each flush. */
  readonly sendShardMarker: (task: ShardTask, flushUntil: number) => Promise<void>;
  readonly flush: Flush;
}

type Range = NonNullable<ShardTask['entries']>;

const isWhole = (entries: readonly LogEntry[], { from, to }: Range): boolean =>
  entries.at(0)?.cursor === from &&
  entries.at(-1)?.cursor === to &&
  entries.every((entry, n) => n === 0 || entry.previous === entries[n - 1]?.cursor);

/**
 * Delivers one task of a shard: what the log has of it, to whoever is subscribed there now.
 * @param sentAt when the task came into its queue, epoch milliseconds
 * @returns whether it is done; there was no time where not
 * @throws SystemicPostFailure, OutOfTime
 */
export async function deliverToShard(task: ShardTask, sentAt: number, d: DeliverToShardDependencies): Promise<boolean> {
  const { channel, shard, full, entries: range } = task;
  if (!range) return resyncShard(task, d);
  const { flush } = d;
  if (flush && isFlushed({ publishedAt: range.publishedAt, sentAt }, flush, d.now())) {
    await d.sendShardMarker({ channel, shard, full }, flush.until);
    return true;
  }
  const entries = await d.log.between(channel, range.from, range.to);
  // The task waited for longer than the log keeps messages: subscribers are told when they ask.
  if (!isWhole(entries, range)) return resyncShard(task, d);
  return (await serveShard(task, entries, d)) === entries.length;
}
