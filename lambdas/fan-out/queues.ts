import { createHash } from 'node:crypto';
import { SendMessageBatchCommand, SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { ResyncMarker, ShardTask } from './delivery.ts';

/** "SendMessage": a message group id has 128 characters at most, as many as a channel's name alone. */
const maxGroupLength = 128;

/** The message group of a shard. */
export function groupOf({ channel, shard }: Pick<ShardTask, 'channel' | 'shard'>): string {
  const group = `${channel}#${shard}`;
  if (group.length <= maxGroupLength) return group;
  return `${createHash('sha256').update(channel).digest('hex')}#${shard}`;
}

/** Entries of a batch ("SendMessageBatch"). */
const maxEntries = 10;

const markerId = (flushUntil: number): string => `resync#${flushUntil}`;

/** What fan-out sends to its own queues. */
export function deliveryQueues(
  client: SQSClient,
  urls: { readonly publications: string; readonly shardTasks: string },
) {
  const send = (queueUrl: string, group: string, deduplicationId: string, body: object) =>
    client.send(
      new SendMessageCommand({
        QueueUrl: queueUrl,
        MessageGroupId: group,
        MessageDeduplicationId: deduplicationId,
        MessageBody: JSON.stringify(body),
      }),
    );
  return {
    /**
     * Sends one task to each of several shards of a channel; a repetition within 5 min is accepted and not delivered again.
     * @throws Error where the queue refuses one; the others may have been taken
     */
    async sendTasks(tasks: readonly ShardTask[], now: number): Promise<void> {
      for (let at = 0; at < tasks.length; at += maxEntries) {
        const { Failed = [] } = await client.send(
          new SendMessageBatchCommand({
            QueueUrl: urls.shardTasks,
            Entries: tasks.slice(at, at + maxEntries).map((task, n) => ({
              Id: String(n),
              MessageGroupId: groupOf(task),
              // A task to fetch what is missed has no cursor: it is sent again rather than not at all.
              MessageDeduplicationId: `${task.entries?.to ?? `resync@${now}`}#${task.shard}`,
              MessageBody: JSON.stringify(task),
            })),
          }),
        );
        const [first] = Failed;
        if (first)
          throw new Error(`${Failed.length} of ${tasks.length} shards not reached: ${first.Code} ${first.Message}`);
      }
    },
    async sendMarker(marker: ResyncMarker, flushUntil: number): Promise<void> {
      await send(urls.publications, marker.channel, markerId(flushUntil), marker);
    },
    async sendShardMarker(task: ShardTask, flushUntil: number): Promise<void> {
      await send(urls.shardTasks, groupOf(task), markerId(flushUntil), task);
    },
  };
}
