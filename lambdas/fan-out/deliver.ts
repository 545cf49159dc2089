import pMap from 'p-map';
import type { Callback } from '../shared/callback.ts';
import type { MessageLog } from '../shared/message-log.ts';
import { framesOf, postInOrder } from '../shared/posting.ts';
import { forget, type Presence } from '../shared/presence.ts';
import type { Message } from '../shared/protocol.ts';
import type { Publication } from '../shared/publication.ts';

/** A publication with the place that the queue gave it. */
export interface Delivery extends Publication {
  readonly cursor: string;
}

export interface DeliverDependencies {
  readonly log: Pick<MessageLog, 'head' | 'last' | 'append' | 'moveHead' | 'between'>;
  readonly presence: Presence;
  readonly callback: Callback;
  /** Posts under way at once. */
  readonly parallelism: number;
  readonly postFailed: (connectionId: string, reason: string) => void;
}

/**
 * Where more than this share of the posts fail at once, the quota or the gateway is the cause and not the connections.
 * Below the floor a share says nothing: one slow client of three is not the gateway.
 */
const systemicShare = 0.2;
const systemicFloor = 5;

/** Thrown where posting fails as a whole: the batch comes again, and nobody was closed. */
export class SystemicPostFailure extends Error {
  constructor(failed: number, posts: number, reason: string) {
    super(`${failed} of ${posts} posts failed, the first because of ${reason}`);
    this.name = 'SystemicPostFailure';
  }
}

const later = (a: string | null, b: string | null): string | null => ((a ?? '') < (b ?? '') ? b : a);

/** Appends what is not in the log yet, in order, and returns the messages of the batch as the log has them. */
async function append(channel: string, deliveries: readonly Delivery[], log: DeliverDependencies['log']) {
  // The log is a beginning of what the queue gives out, since everyone appends in the queue's order. Its end may be
  // ahead of the head, where a consumer died between the two, and behind it, where the log has expired.
  const [head, last] = await Promise.all([log.head(channel), log.last(channel)]);
  let previous = later(head.cursor, last);
  const appended = deliveries.filter(({ cursor }) => previous !== null && cursor <= previous);
  const messages: Message[] = [];
  const [first, end] = [appended.at(0), appended.at(-1)];
  if (first && end) messages.push(...(await log.between(channel, first.cursor, end.cursor)));
  for (const delivery of deliveries.slice(appended.length)) {
    const { cursor, id, data, publishedAt } = delivery;
    const message: Message = { channel, cursor, previous, id, data, publishedAt };
    await log.append(message);
    messages.push(message);
    previous = cursor;
  }
  return messages;
}

/**
 * Acts on every connection, even where one throws: the others are not made to wait until the batch comes again, and
 * nothing is under way any more when the function answers and its environment is frozen.
 */
async function toEach<T>(connections: readonly T[], act: (connection: T) => Promise<void>, parallelism: number) {
  try {
    await pMap(connections, act, { concurrency: parallelism, stopOnError: false });
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    const { errors } = error;
    throw new Error(`${errors.length} of ${connections.length} connections not served`, { cause: errors[0] });
  }
}

/**
 * Delivers the messages of one channel, in order: first to the log, then to whoever is subscribed after that. Called
 * again with the same messages, or some of them, it appends none twice and posts again, which clients see by the cursor.
 * @param deliveries of one channel, by rising cursor
 * @throws SystemicPostFailure
 */
export async function deliver(channel: string, deliveries: readonly Delivery[], d: DeliverDependencies): Promise<void> {
  const messages = await append(channel, deliveries, d.log);
  const end = deliveries.at(-1);
  if (!end) return;
  // Only now: a subscription written after this reading finds the messages in the log.
  const { shardCount } = await d.log.moveHead(channel, end.cursor);
  const shards = await Promise.all(
    Array.from({ length: shardCount }, async (_, shard) => {
      const connectionIds = await d.presence.subscriptions.subscribers(channel, shard);
      return connectionIds.map(connectionId => ({ connectionId, shard }));
    }),
  );
  const subscribers = shards.flat();
  const frames = framesOf(messages);
  const failed: { readonly connectionId: string; readonly reason: string }[] = [];
  const post = async ({ connectionId, shard }: (typeof subscribers)[number]) => {
    const result = await postInOrder(connectionId, frames, d.callback);
    if (result === 'gone') {
      // The subscription by itself too: one written after its connection was removed is found here only.
      await d.presence.subscriptions.remove(channel, shard, connectionId);
      await forget(connectionId, d.presence);
    } else if (result !== 'delivered') {
      failed.push({ connectionId, reason: result.failed });
    }
  };
  await toEach(subscribers, post, d.parallelism);
  const [firstFailure] = failed;
  if (!firstFailure) return;
  if (failed.length > systemicFloor && failed.length > systemicShare * subscribers.length) {
    throw new SystemicPostFailure(failed.length, subscribers.length, firstFailure.reason);
  }
  // A connection that misses a message is closed, so that its client comes back and resumes from the log.
  const close = async ({ connectionId, reason }: (typeof failed)[number]) => {
    d.postFailed(connectionId, reason);
    await d.callback.close(connectionId);
  };
  await toEach(failed, close, d.parallelism);
}
