import type { Head, LogEntry, MessageLog, UndeliverableReason } from '../shared/message-log.ts';
import { frameRuns } from '../shared/posting.ts';
import { append } from './append.ts';
import type { Delivery, ResyncMarker, ShardTask } from './delivery.ts';
import { type Flush, isFlushed } from './flush.ts';
import { isFull, resyncShard, type ShardDependencies, serveShard } from './serve-shard.ts';

export interface DeliverDependencies extends ShardDependencies {
  readonly log: Pick<MessageLog, 'head' | 'last' | 'append' | 'moveHead' | 'between' | 'markShard' | 'raiseShards'>;
  /** Queues a task for each of several shards of one channel. Resolves when the queue has them all. */
  readonly sendTasks: (tasks: readonly ShardTask[]) => Promise<void>;
  /** Queues a marker behind the channel's publications, once for each flush. */
  readonly sendMarker: (marker: ResyncMarker, flushUntil: number) => Promise<void>;
  /** Puts away what can never be delivered. */
  readonly deadLetter: (channel: string, delivery: Delivery, reason: UndeliverableReason) => Promise<void>;
  readonly flush: Flush;
}

const isMarker = (item: Delivery | ResyncMarker): item is ResyncMarker => 'resync' in item;

/** What is at the beginning, up to and without the next marker; or the marker. */
function nextRun(items: readonly (Delivery | ResyncMarker)[]): readonly Delivery[] | undefined {
  const end = items.findIndex(isMarker);
  if (end === 0) return undefined;
  return items.slice(0, end < 0 ? undefined : end) as readonly Delivery[];
}

/**
 * Delivers what the queue has of one channel, in order: first to the log, then to whoever is subscribed after that. Called
 * again with the same, or some of it, it appends nothing twice and posts again, which clients see by the cursor.
 * @param items by rising cursor
 * @returns how many of them, from the first on, are done; for the rest there was no time
 * @throws SystemicPostFailure, OutOfTime
 */
export async function deliver(
  channel: string,
  items: readonly (Delivery | ResyncMarker)[],
  d: DeliverDependencies,
): Promise<number> {
  let done = 0;
  while (done < items.length) {
    const run = nextRun(items.slice(done));
    const count = run ? await deliverRun(channel, run, d) : await resync(channel, d);
    done += count;
    if (count < (run?.length ?? 1)) break;
  }
  return done;
}

async function deliverRun(channel: string, deliveries: readonly Delivery[], d: DeliverDependencies): Promise<number> {
  const entries = await append(channel, deliveries, d.log);
  const end = deliveries.at(-1);
  if (!end) return 0;
  // Only now: a subscription written after this reading finds the messages in the log.
  const head = await d.log.moveHead(channel, end.cursor);
  await deadLetter(channel, deliveries, entries, d);
  const { flush } = d;
  if (flush && deliveries.every(delivery => flushes(delivery, d))) {
    await d.sendMarker({ channel, resync: true }, flush.until);
    return deliveries.length;
  }
  // An earlier delivery logged it and got no further, and the log has lost it since: subscribers are told when they ask.
  if (deliveries.some(({ cursor }) => !entries.some(entry => entry.cursor === cursor)))
    return (await resync(channel, d)) * deliveries.length;
  if (head.shardCount === 1) {
    const served = await serveShard({ channel, shard: 0, full: isFull(head, 0) }, entries, d);
    const next = entries[served];
    return next ? deliveries.filter(({ cursor }) => cursor < next.cursor).length : deliveries.length;
  }
  await toShards(channel, head, entries, d);
  return deliveries.length;
}

const flushes = ({ publication, sentAt }: Delivery, { flush, now }: DeliverDependencies): boolean =>
  isFlushed({ publishedAt: publication?.publishedAt ?? sentAt, sentAt }, flush, now());

async function deadLetter(
  channel: string,
  deliveries: readonly Delivery[],
  entries: readonly LogEntry[],
  d: DeliverDependencies,
): Promise<void> {
  for (const entry of entries) {
    const delivery = 'undeliverable' in entry && deliveries.find(({ cursor }) => cursor === entry.cursor);
    if (delivery) await d.deadLetter(channel, delivery, entry.undeliverable);
  }
}

const shardsOf = ({ shardCount }: Head): readonly number[] => Array.from({ length: shardCount }, (_, shard) => shard);

/** Hands entries on to the shards, a frame's at a time: the next only when every shard took the one before. */
async function toShards(channel: string, head: Head, entries: readonly LogEntry[], d: DeliverDependencies) {
  // What is subscribed in the new ones from now on finds these entries in the log.
  if (head.shardCount < d.minimumShards) await d.log.raiseShards(channel, d.minimumShards);
  for (const run of frameRuns(entries)) {
    const [first, last] = [run.at(0), run.at(-1)];
    if (!first || !last) continue;
    const publishedAt = Math.max(...run.map(entry => ('publishedAt' in entry ? entry.publishedAt : 0)));
    const task = { channel, entries: { from: first.cursor, to: last.cursor, publishedAt } };
    await d.sendTasks(shardsOf(head).map(shard => ({ ...task, shard, full: isFull(head, shard) })));
  }
}

/** @returns 1 where all are told, or are about to be by their shards; 0 where there was no time */
async function resync(channel: string, d: DeliverDependencies): Promise<number> {
  const head = await d.log.head(channel);
  if (head.shardCount === 1) return Number(await resyncShard({ channel, shard: 0, full: isFull(head, 0) }, d));
  await d.sendTasks(shardsOf(head).map(shard => ({ channel, shard, full: isFull(head, shard) })));
  return 1;
}
