import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand,
  DeleteCommand,
  type DynamoDBDocumentClient,
  PutCommand,
  paginateQuery,
  paginateScan,
  ScanCommand,
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
  /** Epoch milliseconds at which the token ends; absent for an anonymous client. */
  readonly tokenExpiresAt?: number;
  /** The service's own probe: no client, and in no statistics of them. */
  readonly probe?: true;
  /** Why the service closes it; absent while it does not. */
  readonly ending?: Ending;
  /** Channel to the shard that holds the subscription. */
  readonly channels: Readonly<Record<string, number>>;
}

/** Why the service itself ends a connection; the first reason stays. */
export type EndReason = 'evicted' | 'expired' | 'drain' | 'server';
export interface Ending {
  readonly reason: EndReason;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What is known of a connection when it begins. */
export type NewConnection = Omit<Connection, 'channels' | 'lastSeenAt' | 'ending'>;
/** What a scan reads of a connection: not its channels, which can be most of its item. */
export type ScannedConnection = Omit<Connection, 'channels'> & {
  /** Channels of which a post failed, and the connection could not be closed for it. */
  readonly resync?: ReadonlySet<string>;
};

export interface ConnectionPage {
  readonly connections: readonly ScannedConnection[];
  /** Where the next page begins; absent after the last. */
  readonly next?: string;
}

/** `resync`: channels whose messages the client has to fetch, because a post failed and it could not be told so. */
export type BeatResult =
  | { readonly beat: 'moved' | 'recent'; readonly resync: readonly string[] }
  | { readonly beat: 'gone' };
/** The shard that holds the subscription: the one given, or that of a subscription before it. */
export type ChannelResult = { readonly shard: number } | 'full' | 'gone';

/** Presence. Every update is conditional on the item: a frame handled late must not bring a closed connection back. */
export interface Connections {
  add(connection: NewConnection): Promise<void>;
  /** Removes and returns it; undefined where it was removed before. */
  remove(connectionId: string): Promise<Connection | undefined>;
  /** Moves `lastSeenAt` to `now` unless it is younger than `sinceMs`. */
  beat(connectionId: string, now: number, sinceMs: number): Promise<BeatResult>;
  /** A repetition keeps the shard that was given first, and ends what `markResync` noted of the channel. */
  addChannel(connectionId: string, channel: string, shard: number, maxChannels: number): Promise<ChannelResult>;
  /** The shard that the connection was subscribed in; undefined where it was not, or is gone. */
  removeChannel(connectionId: string, channel: string): Promise<number | undefined>;
  /** Notes that the client has to fetch what it missed of a channel; it is told at its next heartbeat. */
  markResync(connectionId: string, channel: string): Promise<void>;
  /** Counts by an index, so connections of the last moments may be missing. Stops counting at `limit`. */
  countByUser(user: string, limit: number): Promise<number>;
  countByAddress(ip: string, limit: number): Promise<number>;
  get(connectionIds: readonly string[]): Promise<readonly Connection[]>;
  /**
   * Every connection, in pages, of several segments of the table at once.
   * @param visit gets a page and the read capacity units that it took; the segment's next one is read when it is done
   */
  scan(segments: number, visit: (page: readonly ScannedConnection[], units: number) => Promise<void>): Promise<void>;
  /** One page of a scan that several invocations make. @param after the page before's `next` */
  page(after: string | undefined, limit: number): Promise<ConnectionPage>;
  /**
   * Marks what the service is about to close, so that its `$disconnect` can be told from others.
   * @param lastSeenAt where given: only unless a heartbeat has moved it meanwhile
   * @returns false where one has, or the connection is gone
   */
  markEnding(connectionId: string, ending: Ending, lastSeenAt?: number): Promise<boolean>;
}

type StoredConnection = Connection & { readonly resync?: ReadonlySet<string> };

const exists = 'attribute_exists(connectionId)';

export function dynamoDbConnections(client: DynamoDBDocumentClient, tableName: string): Connections {
  /** Runs a conditional command. Where its condition fails, `before` is the item as it was, if asked for and there. */
  const update = async (input: Omit<ConstructorParameters<typeof UpdateCommand>[0], 'TableName'>) => {
    try {
      const { Attributes } = await client.send(new UpdateCommand({ TableName: tableName, ...input }));
      return { ok: true as const, item: Attributes as StoredConnection | undefined };
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      // The document client leaves the item of an error in DynamoDB's own types.
      return { ok: false as const, item: undefined, before: error.Item };
    }
  };
  const scanInput = {
    TableName: tableName,
    ConsistentRead: true,
    ProjectionExpression:
      '#id, #user, ip, connectedAt, lastSeenAt, tokenExpiresAt, clientVersion, probe, ending, resync',
    ExpressionAttributeNames: { '#id': 'connectionId', '#user': 'user' },
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
        ReturnValues: 'ALL_NEW',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      if (result.ok) return { beat: 'moved', resync: [...(result.item?.resync ?? [])] };
      return result.before ? { beat: 'recent', resync: result.before.resync?.SS ?? [] } : { beat: 'gone' };
    },
    async addChannel(connectionId, channel, shard, maxChannels) {
      const result = await update({
        Key: { connectionId },
        UpdateExpression: 'SET channels.#channel = if_not_exists(channels.#channel, :shard) DELETE resync :channel',
        ConditionExpression: `${exists} AND (size(channels) < :max OR attribute_exists(channels.#channel))`,
        ExpressionAttributeNames: { '#channel': channel },
        ExpressionAttributeValues: { ':shard': shard, ':max': maxChannels, ':channel': new Set([channel]) },
        ReturnValues: 'UPDATED_NEW',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      if (result.ok) return { shard: result.item?.channels[channel] ?? shard };
      return result.before ? 'full' : 'gone';
    },
    async removeChannel(connectionId, channel) {
      const result = await update({
        Key: { connectionId },
        UpdateExpression: 'REMOVE channels.#channel DELETE resync :channel',
        ConditionExpression: exists,
        ExpressionAttributeNames: { '#channel': channel },
        ExpressionAttributeValues: { ':channel': new Set([channel]) },
        ReturnValues: 'ALL_OLD',
      });
      // Channels may be named like what every object inherits: `constructor`.
      const channels = result.item?.channels ?? {};
      return Object.hasOwn(channels, channel) ? channels[channel] : undefined;
    },
    async markResync(connectionId, channel) {
      await update({
        Key: { connectionId },
        UpdateExpression: 'ADD resync :channel',
        ConditionExpression: exists,
        ExpressionAttributeValues: { ':channel': new Set([channel]) },
      });
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
    async scan(segments, visit) {
      const scanned = async (Segment: number) => {
        const pages = paginateScan(
          { client },
          { ...scanInput, Segment, TotalSegments: segments, ReturnConsumedCapacity: 'TOTAL' },
        );
        for await (const { Items = [], ConsumedCapacity } of pages)
          await visit(Items as ScannedConnection[], ConsumedCapacity?.CapacityUnits ?? 0);
      };
      await Promise.all(Array.from({ length: segments }, (_, segment) => scanned(segment)));
    },
    async page(after, limit) {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new ScanCommand({
          ...scanInput,
          Limit: limit,
          ...(after !== undefined && { ExclusiveStartKey: { connectionId: after } }),
        }),
      );
      const connections = Items as ScannedConnection[];
      return { connections, ...(LastEvaluatedKey && { next: LastEvaluatedKey.connectionId as string }) };
    },
    async markEnding(connectionId, ending, lastSeenAt) {
      const result = await update({
        Key: { connectionId },
        UpdateExpression: 'SET ending = if_not_exists(ending, :ending)',
        ConditionExpression: lastSeenAt === undefined ? exists : `${exists} AND lastSeenAt = :seen`,
        ExpressionAttributeValues: { ':ending': ending, ...(lastSeenAt !== undefined && { ':seen': lastSeenAt }) },
      });
      return result.ok;
    },
  };
}
