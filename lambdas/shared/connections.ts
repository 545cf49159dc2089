import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand,
  DeleteCommand,
  type DynamoDBDocumentClient,
  PutCommand,
  paginateQuery,
  paginateScan,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { epochSeconds } from './dynamodb.ts';
import { connectionsTable } from './tables.ts';

/** API Gateway ends every connection after 2 h; an item left behind by a missed `$disconnect` expires an hour later. */
const lifetimeMs = 3 * 3_600_000;

export interface Connection {
  readonly connectionId: string;
  /** Absent for an anonymous client. */
  readonly user?: string;
  readonly ip: string;
  readonly clientVersion?: string;
  /** Epoch milliseconds. */
  readonly connectedAt: number;
  /** Epoch milliseconds of the last heartbeat, to half an interval; absent before the first. */
  readonly lastSeenAt?: number;
  /** Channel to the shard that holds the subscription. */
  readonly channels: Readonly<Record<string, number>>;
}

export type BeatResult = 'moved' | 'recent' | 'gone';
export type ChannelResult = 'added' | 'full' | 'gone';

/** Presence. Every update is conditional on the item: a frame handled late must not bring a closed connection back. */
export interface Connections {
  add(connection: Omit<Connection, 'channels' | 'lastSeenAt'>): Promise<void>;
  /** Removes and returns it; undefined where it was removed before. */
  remove(connectionId: string): Promise<Connection | undefined>;
  /** Moves `lastSeenAt` to `now` unless it is younger than `sinceMs`. */
  beat(connectionId: string, now: number, sinceMs: number): Promise<BeatResult>;
  addChannel(connectionId: string, channel: string, shard: number, maxChannels: number): Promise<ChannelResult>;
  /** The shard that the connection was subscribed in; undefined where it was not, or is gone. */
  removeChannel(connectionId: string, channel: string): Promise<number | undefined>;
  /** Counts by an index, so connections of the last moments may be missing. Stops counting at `limit`. */
  countByUser(user: string, limit: number): Promise<number>;
  countByAddress(ip: string, limit: number): Promise<number>;
  get(connectionIds: readonly string[]): Promise<readonly Connection[]>;
  /** Every connection, page by page. */
  pages(): AsyncIterable<readonly Connection[]>;
  /** Marks for eviction unless a heartbeat has moved `lastSeenAt` meanwhile; false where one has, or it is gone. */
  markSilent(connectionId: string, lastSeenAt: number, now: number): Promise<boolean>;
}

const exists = 'attribute_exists(connectionId)';

export function dynamoDbConnections(client: DynamoDBDocumentClient, tableName: string): Connections {
  /** Runs a conditional command; undefined where the condition failed, with the item as it was. */
  const update = async (input: Omit<ConstructorParameters<typeof UpdateCommand>[0], 'TableName'>) => {
    try {
      const { Attributes } = await client.send(new UpdateCommand({ TableName: tableName, ...input }));
      return { ok: true as const, item: Attributes as Connection | undefined };
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      return { ok: false as const, item: undefined, exists: error.Item !== undefined };
    }
  };
  const count = async (index: { name: string; partitionKey: string }, value: string, limit: number) => {
    // A page ends at 1 MB, which some 15,000 connections fill.
    const pages = paginateQuery(
      { client, pageSize: limit },
      {
        TableName: tableName,
        IndexName: index.name,
        KeyConditionExpression: '#key = :value',
        ExpressionAttributeNames: { '#key': index.partitionKey },
        ExpressionAttributeValues: { ':value': value },
        Select: 'COUNT',
      },
    );
    let counted = 0;
    for await (const { Count = 0 } of pages) {
      counted += Count;
      if (counted >= limit) return limit;
    }
    return counted;
  };
  return {
    async add(connection) {
      await client.send(
        new PutCommand({
          TableName: tableName,
          Item: { ...connection, channels: {}, expiresAt: epochSeconds(connection.connectedAt + lifetimeMs) },
        }),
      );
    },
    async remove(connectionId) {
      const { Attributes } = await client.send(
        new DeleteCommand({ TableName: tableName, Key: { connectionId }, ReturnValues: 'ALL_OLD' }),
      );
      return Attributes as Connection | undefined;
    },
    async beat(connectionId, now, sinceMs) {
      const result = await update({
        Key: { connectionId },
        UpdateExpression: 'SET lastSeenAt = :now',
        ConditionExpression: `${exists} AND (attribute_not_exists(lastSeenAt) OR lastSeenAt <= :due)`,
        ExpressionAttributeValues: { ':now': now, ':due': now - sinceMs },
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      if (result.ok) return 'moved';
      return result.exists ? 'recent' : 'gone';
    },
    async addChannel(connectionId, channel, shard, maxChannels) {
      const result = await update({
        Key: { connectionId },
        UpdateExpression: 'SET channels.#channel = :shard',
        ConditionExpression: `${exists} AND (size(channels) < :max OR attribute_exists(channels.#channel))`,
        ExpressionAttributeNames: { '#channel': channel },
        ExpressionAttributeValues: { ':shard': shard, ':max': maxChannels },
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      if (result.ok) return 'added';
      return result.exists ? 'full' : 'gone';
    },
    async removeChannel(connectionId, channel) {
      const result = await update({
        Key: { connectionId },
        UpdateExpression: 'REMOVE channels.#channel',
        ConditionExpression: exists,
        ExpressionAttributeNames: { '#channel': channel },
        ReturnValues: 'ALL_OLD',
      });
      // Channels may be named like what every object inherits: `constructor`.
      const channels = result.item?.channels ?? {};
      return Object.hasOwn(channels, channel) ? channels[channel] : undefined;
    },
    countByUser: (user, limit) => count(connectionsTable.byUser, user, limit),
    countByAddress: (ip, limit) => count(connectionsTable.byAddress, ip, limit),
    async get(connectionIds) {
      const found: Connection[] = [];
      let keys = connectionIds.map(connectionId => ({ connectionId }));
      while (keys.length > 0) {
        const { Responses, UnprocessedKeys } = await client.send(
          new BatchGetCommand({ RequestItems: { [tableName]: { Keys: keys.slice(0, 100), ConsistentRead: true } } }),
        );
        found.push(...((Responses?.[tableName] ?? []) as Connection[]));
        const unprocessed = (UnprocessedKeys?.[tableName]?.Keys ?? []) as typeof keys;
        keys = [...unprocessed, ...keys.slice(100)];
      }
      return found;
    },
    async *pages() {
      for await (const { Items = [] } of paginateScan({ client }, { TableName: tableName, ConsistentRead: true })) {
        yield Items as Connection[];
      }
    },
    async markSilent(connectionId, lastSeenAt, now) {
      const result = await update({
        Key: { connectionId },
        UpdateExpression: 'SET evictedAt = :now',
        ConditionExpression: `${exists} AND lastSeenAt = :seen`,
        ExpressionAttributeValues: { ':now': now, ':seen': lastSeenAt },
      });
      return result.ok;
    },
  };
}
