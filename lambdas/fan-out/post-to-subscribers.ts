import pMap from 'p-map';
import type { Callback, PostFailure, PostResult } from '../shared/callback.ts';
import { forget, type Presence } from '../shared/presence.ts';
import type { Budget } from './budget.ts';

export interface PostDependencies {
  readonly presence: Presence;
  readonly callback: Pick<Callback, 'post' | 'close'>;
  readonly budget: Pick<Budget, 'over'>;
  /** Posts under way at once. */
  readonly parallelism: number;
  readonly now: () => number;
  /** Told of each post that failed for another reason than that its connection is gone. */
  readonly postFailed: (failure: PostFailure) => void;
  /** Told of a connection before it is closed because its post failed. */
  readonly closing: (connectionId: string, failure: PostFailure) => void;
  /** Told of a connection that is to be closed, and could not be. */
  readonly closeFailed: (connectionId: string, error: unknown) => void;
}

/**
 * Where more than this share of the posts fail at once, the quota or the gateway is the cause and not the connections.
 * Below the floor a share says nothing: one slow client of three is not the gateway.
 */
const systemicShare = 0.2;
const systemicFloor = 5;

/** Thrown where posting fails as a whole: the messages come again, and nobody was closed. */
export class SystemicPostFailure extends Error {
  constructor(failed: number, posts: number, reason: string) {
    super(`${failed} of ${posts} posts failed, the first because of ${reason}`);
    this.name = 'SystemicPostFailure';
  }
}

/** Thrown where the invocation's time is over before all had their post: the messages come again. */
export class OutOfTime extends Error {
  constructor(left: number, posts: number) {
    super(`no time for ${left} of ${posts} posts`);
    this.name = 'OutOfTime';
  }
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

/** Posts frames in order to one connection; stops at the first that is not delivered. */
async function postInTime(
  connectionId: string,
  frames: readonly string[],
  { budget, callback }: PostDependencies,
): Promise<PostResult | 'too late'> {
  for (const frame of frames) {
    if (budget.over) return 'too late';
    const result = await callback.post(connectionId, frame);
    if (result !== 'delivered') return result;
  }
  return 'delivered';
}

/**
 * Posts frames to the subscribers of a shard, in order to each. What was closed is forgotten; few that fail are closed, so
 * that their clients come back and resume from the log.
 * @throws SystemicPostFailure, OutOfTime
 */
export async function postToSubscribers(
  { channel, shard, connectionIds }: { channel: string; shard: number; connectionIds: readonly string[] },
  frames: readonly string[],
  d: PostDependencies,
): Promise<void> {
  const failed: { readonly connectionId: string; readonly failure: PostFailure }[] = [];
  let left = 0;
  const post = async (connectionId: string) => {
    const result = await postInTime(connectionId, frames, d);
    if (result === 'gone') {
      // The subscription by itself too: one written after its connection was removed is found here only.
      await d.presence.subscriptions.remove(channel, shard, connectionId);
      await forget(connectionId, d.presence);
    } else if (result === 'too late') {
      left += 1;
    } else if (result !== 'delivered') {
      d.postFailed(result);
      failed.push({ connectionId, failure: result });
    }
  };
  await toEach(connectionIds, post, d.parallelism);
  const [first] = failed;
  const posts = connectionIds.length - left;
  if (first && failed.length > systemicFloor && failed.length > systemicShare * posts)
    throw new SystemicPostFailure(failed.length, posts, first.failure.detail);
  if (left > 0) throw new OutOfTime(left, connectionIds.length);
  // A connection that misses a message is closed, so that its client comes back and resumes from the log.
  const close = async ({ connectionId, failure }: (typeof failed)[number]) => {
    d.closing(connectionId, failure);
    await d.presence.connections.markEnding(connectionId, { reason: 'server', at: d.now() });
    try {
      await d.callback.close(connectionId);
    } catch (error) {
      d.closeFailed(connectionId, error);
      // Its next heartbeat is answered with it. By now the messages are in the log.
      await d.presence.connections.markResync(connectionId, channel);
    }
  };
  await toEach(failed, close, d.parallelism);
}
