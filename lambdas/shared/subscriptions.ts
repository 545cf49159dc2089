import {
  BatchWriteCommand,
  DeleteCommand,
  type DynamoDBDocumentClient,
  PutCommand,
  paginateQuery,
} from '@aws-sdk/lib-dynamodb';
import { epochSeconds } from './dynamodb.ts';

/** As long as the connection's own item can live. */
const lifetimeMs = 3 * 3_600_000;

/** Who listens to a channel. The subscribers of a channel are spread over its shards by a hash of the connection. */
export interface Subscriptions {
  add(channel: string, shard: number, connectionId: string, now: number): Promise<void>;
  remove(channel: string, shard: number, connectionId: string): Promise<void>;
  removeAll(connectionId: string, channels: Readonly<Record<string, number>>): Promise<void>;
  /** Connection ids of one shard, strongly consistent, at most `limit` where given. */
  subscribers(channel: string, shard: number, limit?: number): Promise<readonly string[]>;
  /** How many subscribers a shard has, strongly consistent; stops counting at `limit`. */
  count(channel: string, shard: number, limit: number): Promise<number>;
}

const keyOf = (channel: string, shard: number): string => `${channel}#${shard}`;

export function dynamoDbSubscriptions(client: DynamoDBDocumentClient, tableName: string): Subscriptions {
  return {
    async add(channel, shard, connectionId, now) {
      const Item = { channelShard: keyOf(channel, shard), connectionId, expiresAt: epochSeconds(now + lifetimeMs) };
      await client.send(new PutCommand({ TableName: tableName, Item }));
    },
    async remove(channel, shard, connectionId) {
      const Key = { channelShard: keyOf(channel, shard), connectionId };
      await client.send(new DeleteCommand({ TableName: tableName, Key }));
    },
    async removeAll(connectionId, channels) {
      let requests = Object.entries(channels).map(([channel, shard]) => ({
        DeleteRequest: { Key: { channelShard: keyOf(channel, shard), connectionId } as Record<string, unknown> },
      }));
      while (requests.length > 0) {
        const { UnprocessedItems } = await client.send(
          new BatchWriteCommand({ RequestItems: { [tableName]: requests.slice(0, 25) } }),
        );
        requests = [...((UnprocessedItems?.[tableName] ?? []) as typeof requests), ...requests.slice(25)];
      }
    },
    async subscribers(channel, shard, limit) {
      const pages = paginateQuery(
        { client, ...(limit !== undefined && { pageSize: limit }) },
        {
          TableName: tableName,
          ConsistentRead: true,
          KeyConditionExpression: 'channelShard = :key',
          ExpressionAttributeValues: { ':key': keyOf(channel, shard) },
          ProjectionExpression: 'connectionId',
        },
      );
      const connectionIds: string[] = [];
      for await (const { Items = [] } of pages) {
        for (const item of Items) connectionIds.push(item.connectionId);
        if (limit !== undefined && connectionIds.length >= limit) return connectionIds.slice(0, limit);
      }
      return connectionIds;
    },
    async count(channel, shard, limit) {
      const pages = paginateQuery(
        { client, pageSize: limit },
        {
          TableName: tableName,
          ConsistentRead: true,
          KeyConditionExpression: 'channelShard = :key',
          ExpressionAttributeValues: { ':key': keyOf(channel, shard) },
          Select: 'COUNT',
        },
      );
      let counted = 0;
      for await (const { Count = 0 } of pages) {
        counted += Count;
        if (counted >= limit) return limit;
      }
      return counted;
    },
  };
}
