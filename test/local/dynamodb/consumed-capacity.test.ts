import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import type { Place, Resource } from '../../../local/assembly/resource.ts';
import { identities } from '../../../local/dynamodb/identities.ts';
import { type DynamoDb, startDynamoDb } from '../../../local/dynamodb/service.ts';
import { type FrontDoor, openFrontDoor } from '../sqs/front-door.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };

const seats = ((): Resource => {
  const properties: Record<string, unknown> = {
    TableName: 'seats',
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: [
      { AttributeName: 'room', KeyType: 'HASH' },
      { AttributeName: 'seat', KeyType: 'RANGE' },
    ],
    AttributeDefinitions: ['room', 'seat', 'user'].map(AttributeName => ({ AttributeName, AttributeType: 'S' })),
    GlobalSecondaryIndexes: [
      {
        IndexName: 'byUser',
        KeySchema: [{ AttributeName: 'user', KeyType: 'HASH' }],
        Projection: { ProjectionType: 'ALL' },
      },
    ],
    TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
  };
  const type = 'AWS::DynamoDB::Table';
  const identity = identities[type]?.({ stack: 's', logicalId: 'Seats', property: name => properties[name] }, place);
  if (!identity) throw new Error(`no identity for ${type}`);
  return { stack: 's', logicalId: 'Seats', type, properties, ...identity };
})();
const TableName = 'seats';

let directory: string;
let database: DynamoDb;
let door: FrontDoor;
let client: DynamoDBClient;
let consumed: [what: string, units: number][];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'dynamodb-'));
  consumed = [];
  database = await startDynamoDb({
    resources: [seats],
    place,
    stateDirectory: directory,
    authorization: { authorize: async () => {} },
    log: () => {},
    replicationLagMs: 0,
    metrics: {
      put: (namespace, name, dimensions, value, unit) => {
        expect([namespace, unit]).toEqual(['AWS/DynamoDB', 'Count']);
        consumed.push([`${name.replace('CapacityUnits', '')} ${Object.values(dimensions).join('/')}`, value]);
      },
    },
  });
  door = await openFrontDoor(database, 'dynamodb', { kind: 'role', arn: 'arn:aws:iam::123456789012:role/app' });
  client = new DynamoDBClient({
    endpoint: door.url,
    region: place.region,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    maxAttempts: 1,
  });
});
afterEach(async () => {
  client.destroy();
  await door.close();
  await database.close();
  rmSync(directory, { recursive: true });
});

const key = (seat: string) => ({ room: { S: 'r' }, seat: { S: seat } });
/** An item of so many KB, names of attributes included. */
const item = (seat: string, kilobytes: number, more = {}) => {
  const rest = { ...key(seat), data: { S: '' }, ...more };
  const size = (each: object) =>
    Object.entries(each).reduce((sum, [name, { S = '' }]) => sum + name.length + S.length, 0);
  return { ...rest, data: { S: 'x'.repeat(kilobytes * 1024 - size(rest)) } };
};
const put = (seat: string, kilobytes: number, more = {}) =>
  client.send(new PutItemCommand({ TableName, Item: item(seat, kilobytes, more) }));
/** What is consumed from now on. */
const since = async (act: () => Promise<unknown>) => {
  consumed = [];
  await act();
  return consumed;
};

it('writes consume a unit for each KB, of the larger of the item before and after', async () => {
  expect(await since(() => put('a', 1))).toEqual([['ConsumedWrite seats', 1]]);
  expect(await since(() => put('a', 3))).toEqual([['ConsumedWrite seats', 3]]);
  expect(await since(() => put('a', 1))).toEqual([['ConsumedWrite seats', 3]]);
  const update = {
    TableName,
    Key: key('a'),
    UpdateExpression: 'SET n = :n',
    ExpressionAttributeValues: { ':n': { N: '1' } },
  };
  expect(await since(() => client.send(new UpdateItemCommand(update)))).toEqual([['ConsumedWrite seats', 2]]);
  expect(await since(() => client.send(new DeleteItemCommand({ TableName, Key: key('a') })))).toEqual([
    ['ConsumedWrite seats', 2],
  ]);
  expect(await since(() => client.send(new DeleteItemCommand({ TableName, Key: key('a') })))).toEqual([
    ['ConsumedWrite seats', 1],
  ]);
});

it('reads consume a unit for each 4 KB, and half of it where they are eventually consistent', async () => {
  await put('a', 5);
  const get = (seat: string, ConsistentRead: boolean) =>
    since(() => client.send(new GetItemCommand({ TableName, Key: key(seat), ConsistentRead })));
  expect(await get('a', true)).toEqual([['ConsumedRead seats', 2]]);
  expect(await get('a', false)).toEqual([['ConsumedRead seats', 1]]);
  expect(await get('none', true)).toEqual([['ConsumedRead seats', 1]]);
  expect(await get('none', false)).toEqual([['ConsumedRead seats', 0.5]]);
});

it('queries and scans consume what they read together', async () => {
  for (const seat of ['a', 'b', 'c']) await put(seat, 3, { user: { S: 'u' } });
  const query = (room: string, ConsistentRead: boolean) =>
    since(() =>
      client.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: 'room = :room',
          ExpressionAttributeValues: { ':room': { S: room } },
          ConsistentRead,
        }),
      ),
    );
  expect(await query('r', true)).toEqual([['ConsumedRead seats', 3]]);
  expect(await query('r', false)).toEqual([['ConsumedRead seats', 1.5]]);
  expect(await query('none', true)).toEqual([['ConsumedRead seats', 1]]);
  expect(await query('none', false)).toEqual([['ConsumedRead seats', 0.5]]);
  const scan = (ConsistentRead: boolean) => since(() => client.send(new ScanCommand({ TableName, ConsistentRead })));
  expect(await scan(true)).toEqual([['ConsumedRead seats', 3]]);
  expect(await scan(false)).toEqual([['ConsumedRead seats', 1.5]]);
  const byUser = new QueryCommand({
    TableName,
    IndexName: 'byUser',
    KeyConditionExpression: '#user = :user',
    ExpressionAttributeNames: { '#user': 'user' },
    ExpressionAttributeValues: { ':user': { S: 'u' } },
  });
  expect(await since(() => client.send(byUser))).toEqual([['ConsumedRead seats/byUser', 1.5]]);
});

it('batches consume what their items do', async () => {
  const RequestItems = { seats: [item('a', 2), item('b', 1)].map(Item => ({ PutRequest: { Item } })) };
  expect(await since(() => client.send(new BatchWriteItemCommand({ RequestItems })))).toEqual([
    ['ConsumedWrite seats', 3],
  ]);
  const both = { seats: { Keys: [key('a'), key('b')], ConsistentRead: true } };
  expect(await since(() => client.send(new BatchGetItemCommand({ RequestItems: both })))).toEqual([
    ['ConsumedRead seats', 2],
  ]);
});

it('a write whose condition fails consumes the larger of both items', async () => {
  await put('a', 4);
  const fails = (Item: ReturnType<typeof item>) =>
    since(() =>
      client
        .send(new PutItemCommand({ TableName, Item, ConditionExpression: 'attribute_not_exists(room)' }))
        .catch((error: Error) => expect(error.name).toBe('ConditionalCheckFailedException')),
    );
  expect(await fails(item('a', 1))).toEqual([['ConsumedWrite seats', 4]]);
  expect(await fails(item('a', 6))).toEqual([['ConsumedWrite seats', 6]]);
  const update = {
    TableName,
    Key: key('none'),
    UpdateExpression: 'SET n = :n',
    ConditionExpression: 'attribute_exists(room)',
    ExpressionAttributeValues: { ':n': { N: '1' } },
  };
  expect(await since(() => client.send(new UpdateItemCommand(update)).catch(() => {}))).toEqual([
    ['ConsumedWrite seats', 1],
  ]);
});

it('callers get what they ask for, and no more', async () => {
  const { ConsumedCapacity: unasked } = await put('a', 1);
  expect(unasked).toBeUndefined();
  const command = new GetItemCommand({ TableName, Key: key('a'), ReturnConsumedCapacity: 'TOTAL' });
  expect((await client.send(command)).ConsumedCapacity).toEqual({ TableName, CapacityUnits: 0.5 });
});

it('what is refused consumes nothing, and neither does what expires', async () => {
  await put('a', 1, { expiresAt: { N: '1' } });
  expect(await since(() => client.send(new GetItemCommand({ TableName, Key: {} })).catch(() => {}))).toEqual([]);
  expect(await since(() => database.sweepExpired())).toEqual([]);
});
