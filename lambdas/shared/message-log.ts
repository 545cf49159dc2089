import { ConditionalCheckFailedException, DynamoDBServiceException } from '@aws-sdk/client-dynamodb';
import {
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  paginateQuery,
  QueryCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { epochSeconds } from './dynamodb.ts';
import { lastCursor, type Message } from './protocol.ts';
import { messagesTable } from './tables.ts';

/** The sort key of a channel's head: it compares above every cursor, which are digits, and the item has no time to live. */
const headKey = 'head';

export interface Head {
  /** Cursor of the last message that is known to be appended; null before the first. */
  readonly cursor: string | null;
  /** How many shards hold the channel's subscriptions. Raised before the first is written there, never lowered. */
  readonly shardCount: number;
  /** Shards that have all the subscribers they should; a hint for where the next ones go. */
  readonly fullShards: readonly number[];
}

/** The place of a message that can never be delivered; subscribers are told of it in its order. */
export interface Undeliverable {
  readonly channel: string;
  readonly cursor: string;
  /** As of a message. */
  readonly previous: string | null;
  /** Why, in a word. */
  readonly undeliverable: UndeliverableReason;
}

/** `unreadable`: it is no publication. `refused`: the store does not take its item. */
export type UndeliverableReason = 'unreadable' | 'refused';

export type LogEntry = Message | Undeliverable;

/** Thrown where the store will not take an item however often it is given: what it holds is the reason. */
export class ItemRefused extends Error {
  constructor(cause: Error) {
    super(`the store refuses the item: ${cause.message}`, { cause });
    this.name = 'ItemRefused';
  }
}

/** The later of two positions; null is before the first message. */
export const later = (a: string | null, b: string | null): string | null => ((a ?? '') < (b ?? '') ? b : a);

export interface LogPage {
  readonly messages: readonly LogEntry[];
  /** Whether there is another page after the last message. */
  readonly more: boolean;
}

/** Messages that one page of the log has at most; a page ends at 1 MB before that where they are large. */
export const logPageMessages = 200;

/** The log of a channel, from which it is replayed, and its head, which outlives the log. */
export interface MessageLog {
  /** Strongly consistent. */
  head(channel: string): Promise<Head>;
  /** Cursor of the last message appended, strongly consistent; null where none is (or none is left). */
  last(channel: string): Promise<string | null>;
  /** Appends unless an entry of this cursor is there already. @throws ItemRefused */
  append(entry: LogEntry): Promise<void>;
  /** The entries from one cursor to another, both included, in order, strongly consistent. */
  between(channel: string, from: string, to: string): Promise<readonly LogEntry[]>;
  /** The messages from a cursor on, itself included, of one page, in order, strongly consistent and without what has expired. */
  from(channel: string, cursor: string): Promise<LogPage>;
  /** Moves the head forward to `cursor`, never back, and returns it as it is then. */
  moveHead(channel: string, cursor: string): Promise<Head>;
  /** Raises the number of shards, never lowers it. */
  raiseShards(channel: string, shardCount: number): Promise<void>;
  /** Notes whether a shard has all the subscribers it should, and returns the head as it is then. */
  markShard(channel: string, shard: number, full: boolean): Promise<Head>;
}

export function dynamoDbMessageLog(client: DynamoDBDocumentClient, tableName: string, retentionMs: number): MessageLog {
  const headOf = (item: Record<string, unknown> | undefined): Head => ({
    cursor: (item?.position as string | undefined) ?? null,
    shardCount: (item?.shardCount as number | undefined) ?? 1,
    fullShards: [...((item?.fullShards as ReadonlySet<number> | undefined) ?? [])],
  });
  const entryOf = (item: Record<string, unknown>): LogEntry => {
    if (item.undeliverable !== undefined) {
      const { channel, cursor, previous, undeliverable } = item as unknown as Undeliverable;
      return { channel, cursor, previous, undeliverable };
    }
    const { channel, cursor, previous, id, data, publishedAt, part } = item as unknown as Message & { data: string };
    return { channel, cursor, previous, id, data: JSON.parse(data), publishedAt, ...(part && { part }) };
  };
  return {
    async head(channel) {
      const Key = { channel, cursor: headKey };
      const { Item } = await client.send(new GetCommand({ TableName: tableName, Key, ConsistentRead: true }));
      return headOf(Item);
    },
    async last(channel) {
      const { Items } = await client.send(
        new QueryCommand({
          TableName: tableName,
          ConsistentRead: true,
          KeyConditionExpression: 'channel = :channel AND #cursor < :head',
          ExpressionAttributeNames: { '#cursor': 'cursor' },
          ExpressionAttributeValues: { ':channel': channel, ':head': headKey },
          ProjectionExpression: '#cursor',
          ScanIndexForward: false,
          Limit: 1,
        }),
      );
      return (Items?.[0]?.cursor as string | undefined) ?? null;
    },
    async append(entry) {
      const Item = {
        ...entry,
        // The data is kept as its JSON text: DynamoDB's own types would change numbers and refuse some nestings.
        ...('data' in entry && { data: JSON.stringify(entry.data) }),
        // From now: after a long backlog a message would else expire before it was posted.
        expiresAt: epochSeconds(Date.now() + retentionMs),
      };
      try {
        await client.send(
          new PutCommand({ TableName: tableName, Item, ConditionExpression: 'attribute_not_exists(channel)' }),
        );
      } catch (error) {
        // "DynamoDB error handling": a request that is not valid, or an item over 400 KB, is not to be sent again.
        if (error instanceof DynamoDBServiceException && error.name === 'ValidationException')
          throw new ItemRefused(error);
        // Another consumer of the same batch was here before: what it wrote stands.
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    },
    async between(channel, from, to) {
      const pages = paginateQuery(
        { client },
        {
          TableName: tableName,
          ConsistentRead: true,
          KeyConditionExpression: 'channel = :channel AND #cursor BETWEEN :from AND :to',
          ExpressionAttributeNames: { '#cursor': 'cursor' },
          ExpressionAttributeValues: { ':channel': channel, ':from': from, ':to': to },
        },
      );
      const entries: LogEntry[] = [];
      for await (const { Items = [] } of pages) entries.push(...Items.map(entryOf));
      return entries;
    },
    async from(channel, cursor) {
      const page = await client.send(
        new QueryCommand({
          TableName: tableName,
          ConsistentRead: true,
          KeyConditionExpression: 'channel = :channel AND #cursor BETWEEN :from AND :to',
          // DynamoDB deletes expired items within days and in no order: what has expired is not there.
          FilterExpression: '#expiresAt > :now',
          ExpressionAttributeNames: { '#cursor': 'cursor', '#expiresAt': messagesTable.timeToLive },
          ExpressionAttributeValues: {
            ':channel': channel,
            ':from': cursor,
            ':to': lastCursor,
            ':now': epochSeconds(Date.now()),
          },
          Limit: logPageMessages,
        }),
      );
      return { messages: (page.Items ?? []).map(entryOf), more: page.LastEvaluatedKey !== undefined };
    },
    async moveHead(channel, cursor) {
      try {
        const { Attributes } = await client.send(
          new UpdateCommand({
            TableName: tableName,
            Key: { channel, cursor: headKey },
            UpdateExpression: 'SET #position = :cursor, shardCount = if_not_exists(shardCount, :one)',
            ConditionExpression: 'attribute_not_exists(#position) OR #position < :cursor',
            ExpressionAttributeNames: { '#position': 'position' },
            ExpressionAttributeValues: { ':cursor': cursor, ':one': 1 },
            ReturnValues: 'ALL_NEW',
          }),
        );
        return headOf(Attributes);
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        return this.head(channel);
      }
    },
    async raiseShards(channel, shardCount) {
      try {
        await client.send(
          new UpdateCommand({
            TableName: tableName,
            Key: { channel, cursor: headKey },
            UpdateExpression: 'SET shardCount = :count',
            ConditionExpression: 'attribute_not_exists(shardCount) OR shardCount < :count',
            ExpressionAttributeValues: { ':count': shardCount },
          }),
        );
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    },
    async markShard(channel, shard, full) {
      const { Attributes } = await client.send(
        new UpdateCommand({
          TableName: tableName,
          Key: { channel, cursor: headKey },
          UpdateExpression: `${full ? 'ADD' : 'DELETE'} fullShards :shard`,
          ExpressionAttributeValues: { ':shard': new Set([shard]) },
          ReturnValues: 'ALL_NEW',
        }),
      );
      return headOf(Attributes);
    },
  };
}
