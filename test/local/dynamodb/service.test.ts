import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  GetItemCommand,
  ListTablesCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import type { Place, Resource } from '../../../local/assembly/resource.ts';
import { AwsError } from '../../../local/aws/service.ts';
import { systemClock } from '../../../local/clock.ts';
import { identities } from '../../../local/dynamodb/identities.ts';
import { type DynamoDb, type DynamoDbOptions, startDynamoDb } from '../../../local/dynamodb/service.ts';
import { ManualClock } from '../manual-clock.ts';
import { type FrontDoor, openFrontDoor } from '../sqs/front-door.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };

function table(logicalId: string, properties: Record<string, unknown>, type = 'AWS::DynamoDB::Table'): Resource {
  const declaration = { stack: 's', logicalId, property: (name: string) => properties[name] };
  const identity = identities[type]?.(declaration, place);
  if (!identity) throw new Error(`no identity for ${type}`);
  return { stack: 's', logicalId, type, properties, ...identity };
}

const keyed = {
  BillingMode: 'PAY_PER_REQUEST',
  KeySchema: [
    { AttributeName: 'room', KeyType: 'HASH' },
    { AttributeName: 'seat', KeyType: 'RANGE' },
  ],
  AttributeDefinitions: [
    { AttributeName: 'room', AttributeType: 'S' },
    { AttributeName: 'seat', AttributeType: 'N' },
    { AttributeName: 'user', AttributeType: 'S' },
  ],
  GlobalSecondaryIndexes: [
    {
      IndexName: 'byUser',
      KeySchema: [{ AttributeName: 'user', KeyType: 'HASH' }],
      Projection: { ProjectionType: 'KEYS_ONLY' },
    },
  ],
  TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
};
const seats = table('Seats', keyed);
const locks = table(
  'Locks',
  {
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    Replicas: [{ Region: 'eu-central-1', PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } }],
  },
  'AWS::DynamoDB::GlobalTable',
);
const TableName = seats.physicalId;
const lagMs = 50;

let directory: string;
let clock: ManualClock;
let database: DynamoDb;
let door: FrontDoor;
let client: DynamoDBClient;
let authorized: string[];
/** Partition keys that policies may have conditions on, for each authorization. */
let keys: (string | readonly string[])[];
let denied: string[];

const start = (resources: readonly Resource[], options: Partial<DynamoDbOptions> = {}) =>
  startDynamoDb({
    resources,
    place,
    stateDirectory: directory,
    authorization: {
      authorize: async ({ action, resource, context }) => {
        authorized.push(`${action} ${resource}`);
        keys.push(context?.['dynamodb:LeadingKeys'] ?? []);
        if (denied.includes(action)) throw new AwsError('AccessDeniedException', `no ${action} on ${resource}`);
      },
    },
    log: (_level, _component, message) => {
      throw new Error(message);
    },
    replicationLagMs: lagMs,
    clock,
    ...options,
  });

async function open(resources: readonly Resource[] = [seats, locks], options: Partial<DynamoDbOptions> = {}) {
  database = await start(resources, options);
  door = await openFrontDoor(database, 'dynamodb', { kind: 'role', arn: 'arn:aws:iam::123456789012:role/app' });
  client = new DynamoDBClient({
    endpoint: door.url,
    region: place.region,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    maxAttempts: 1,
  });
}

async function close() {
  client.destroy();
  await door.close();
  await database.close();
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'dynamodb-'));
  clock = new ManualClock();
  authorized = [];
  keys = [];
  denied = [];
  await open();
});
afterEach(async () => {
  await close();
  rmSync(directory, { recursive: true });
});

const seat = (room: string, number: number, more: Record<string, { S: string } | { N: string }> = {}) => ({
  room: { S: room },
  seat: { N: String(number) },
  ...more,
});
const put = (room: string, number: number, more = {}) =>
  client.send(new PutItemCommand({ TableName, Item: seat(room, number, more) }));
const get = async (room: string, number: number, ConsistentRead = false) =>
  (await client.send(new GetItemCommand({ TableName, Key: seat(room, number), ConsistentRead }))).Item;

/** Reads, and lets the lag pass, until the answer is as wanted; jest's timeout bounds it. */
async function eventually<T>(read: () => Promise<T>, isWanted: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (isWanted(value)) return value;
    clock.advance(lagMs);
    await new Promise(setImmediate);
  }
}

describe('eventually consistent reads', () => {
  it('are stale after a write, and converge', async () => {
    await put('a', 1, { user: { S: 'alice' } });
    expect(await get('a', 1, true)).toMatchObject({ user: { S: 'alice' } });
    expect(await get('a', 1)).toBeUndefined();
    await eventually(
      () => get('a', 1),
      item => item?.user?.S === 'alice',
    );
    await client.send(new DeleteItemCommand({ TableName, Key: seat('a', 1) }));
    expect(await get('a', 1)).toBeDefined();
    expect(await get('a', 1, true)).toBeUndefined();
    await eventually(
      () => get('a', 1),
      item => item === undefined,
    );
  });

  it('include indexes, scans, queries and batches', async () => {
    await put('a', 1, { user: { S: 'alice' } });
    const query = (more: object) => client.send(new QueryCommand({ TableName, ...more }));
    const byRoom = { KeyConditionExpression: 'room = :v', ExpressionAttributeValues: { ':v': { S: 'a' } } };
    const byUser = {
      IndexName: 'byUser',
      KeyConditionExpression: '#u = :v',
      ExpressionAttributeNames: { '#u': 'user' },
      ExpressionAttributeValues: { ':v': { S: 'alice' } },
    };
    const batch = (ConsistentRead: boolean) =>
      client.send(new BatchGetItemCommand({ RequestItems: { [TableName]: { Keys: [seat('a', 1)], ConsistentRead } } }));
    expect((await query(byRoom)).Count).toBe(0);
    expect((await query({ ...byRoom, ConsistentRead: true })).Count).toBe(1);
    expect((await query(byUser)).Count).toBe(0);
    expect((await client.send(new ScanCommand({ TableName }))).Count).toBe(0);
    expect((await client.send(new ScanCommand({ TableName, ConsistentRead: true }))).Count).toBe(1);
    expect((await batch(false)).Responses?.[TableName]).toEqual([]);
    expect((await batch(true)).Responses?.[TableName]).toHaveLength(1);
    const { Items } = await eventually(
      () => query(byUser),
      ({ Count }) => Count === 1,
    );
    expect(Items).toEqual([seat('a', 1, { user: { S: 'alice' } })]);
  });

  it('never go back to an older value of a key', async () => {
    await close();
    await open([seats, locks], { replicationLagMs: 5, clock: systemClock });
    let last = 0;
    const writes = (async () => {
      for (let n = 1; n <= 60; n++)
        await client.send(
          new UpdateItemCommand({
            TableName,
            Key: seat('a', 1),
            UpdateExpression: 'SET n = :n',
            ExpressionAttributeValues: { ':n': { N: String(n) } },
          }),
        );
    })();
    await eventually(
      async () => Number((await get('a', 1))?.n?.N ?? 0),
      n => {
        expect(n).toBeGreaterThanOrEqual(last);
        last = n;
        return n === 60;
      },
    );
    await writes;
  });

  it('cannot be made consistent on an index', async () => {
    const index = { TableName, IndexName: 'byUser', ConsistentRead: true };
    const message = 'Consistent reads are not supported on global secondary indexes';
    const query = new QueryCommand({
      ...index,
      KeyConditionExpression: '#u = :v',
      ExpressionAttributeNames: { '#u': 'user' },
      ExpressionAttributeValues: { ':v': { S: 'alice' } },
    });
    await expect(client.send(query)).rejects.toMatchObject({ name: 'ValidationException', message });
    await expect(client.send(new ScanCommand(index))).rejects.toMatchObject({ name: 'ValidationException', message });
  });

  it('are consistent if there is no lag', async () => {
    await close();
    await open([seats, locks], { replicationLagMs: 0 });
    await put('a', 1);
    expect(await get('a', 1)).toBeDefined();
  });
});

describe('with the SDK', () => {
  it('writes on conditions', async () => {
    const create = new PutItemCommand({
      TableName,
      Item: seat('a', 1),
      ConditionExpression: 'attribute_not_exists(room)',
    });
    await client.send(create);
    await expect(client.send(create)).rejects.toMatchObject({ name: 'ConditionalCheckFailedException' });
    const update = new UpdateItemCommand({
      TableName,
      Key: seat('a', 2),
      UpdateExpression: 'SET seen = :t',
      ConditionExpression: 'attribute_exists(room)',
      ExpressionAttributeValues: { ':t': { N: '1' } },
    });
    await expect(client.send(update)).rejects.toMatchObject({ name: 'ConditionalCheckFailedException' });
    expect(await get('a', 2, true)).toBeUndefined();
  });

  it('shows the item on which a condition failed', async () => {
    await put('a', 1, { user: { S: 'alice' } });
    const update = new UpdateItemCommand({
      TableName,
      Key: seat('a', 1),
      UpdateExpression: 'SET #u = :bob',
      ConditionExpression: '#u = :bob',
      ExpressionAttributeNames: { '#u': 'user' },
      ExpressionAttributeValues: { ':bob': { S: 'bob' } },
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    await expect(client.send(update)).rejects.toMatchObject({
      name: 'ConditionalCheckFailedException',
      Item: seat('a', 1, { user: { S: 'alice' } }),
    });
  });

  it('writes and reads batches of several tables, consistently or not', async () => {
    const lockTable = locks.physicalId;
    await client.send(
      new BatchWriteItemCommand({
        RequestItems: {
          [TableName]: [{ PutRequest: { Item: seat('a', 1) } }, { DeleteRequest: { Key: seat('a', 2) } }],
          [lockTable]: [{ PutRequest: { Item: { id: { S: 'x' } } } }],
        },
      }),
    );
    const read = () =>
      client.send(
        new BatchGetItemCommand({
          RequestItems: {
            [TableName]: { Keys: [seat('a', 1)], ConsistentRead: true },
            [lockTable]: { Keys: [{ id: { S: 'x' } }] },
          },
        }),
      );
    const { Responses } = await eventually(read, reply => reply.Responses?.[lockTable]?.length === 1);
    expect(Responses).toEqual({ [TableName]: [seat('a', 1)], [lockTable]: [{ id: { S: 'x' } }] });
  });

  it('takes a table by its ARN', async () => {
    const arn = seats.attributes.Arn;
    await client.send(new PutItemCommand({ TableName: arn, Item: seat('a', 1) }));
    expect(await get('a', 1, true)).toBeDefined();
    await expect(client.send(new GetItemCommand({ TableName: 'missing', Key: seat('a', 1) }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  it('describes the tables of the template', async () => {
    const { Table } = await client.send(new DescribeTableCommand({ TableName }));
    expect(Table).toMatchObject({ TableName, TableStatus: 'ACTIVE', TableArn: seats.attributes.Arn });
    const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName }));
    expect(TimeToLiveDescription).toEqual({ TimeToLiveStatus: 'ENABLED', AttributeName: 'expiresAt' });
    const { TableNames } = await client.send(new ListTablesCommand({}));
    expect(TableNames).toEqual([locks.physicalId, TableName].sort());
  });

  it('refuses what it does not run, and items over 400 KB', async () => {
    await expect(client.send(new TransactWriteItemsCommand({ TransactItems: [] }))).rejects.toMatchObject({
      name: 'UnknownOperationException',
    });
    const call = {
      principal: { kind: 'role', arn: 'arn:aws:iam::123456789012:role/app' } as const,
      service: 'dynamodb',
      method: 'POST',
      url: '/',
      headers: { 'x-amz-target': 'DynamoDB_20120810.PutItem' },
      body: Buffer.from(JSON.stringify({ TableName, Item: seat('a', 1), NewMember: true })),
    };
    await expect(database.handle(call)).rejects.toThrow('does not run NewMember of PutItem');
    await expect(put('a', 1, { text: { S: 'x'.repeat(409_600) } })).rejects.toMatchObject({
      name: 'ValidationException',
    });
    expect(await get('a', 1, true)).toBeUndefined();
  });
});

describe('permissions', () => {
  it('are asked for the table, the index, or each table of a batch', async () => {
    await get('a', 1);
    await client.send(new ScanCommand({ TableName, IndexName: 'byUser' }));
    await client.send(
      new BatchGetItemCommand({
        RequestItems: { [TableName]: { Keys: [seat('a', 1)] }, [locks.physicalId]: { Keys: [{ id: { S: 'x' } }] } },
      }),
    );
    expect(authorized).toEqual([
      `dynamodb:GetItem ${seats.attributes.Arn}`,
      `dynamodb:Scan ${seats.attributes.Arn}/index/byUser`,
      `dynamodb:BatchGetItem ${seats.attributes.Arn}`,
      `dynamodb:BatchGetItem ${locks.attributes.Arn}`,
    ]);
  });

  it('are asked with the partition key of the item', async () => {
    await get('a', 1);
    await put('b', 1);
    expect(keys).toEqual([['a'], ['b']]);
  });

  it('deny before anything is written', async () => {
    denied = ['dynamodb:PutItem'];
    await expect(put('a', 1)).rejects.toMatchObject({ name: 'AccessDeniedException' });
    expect(await get('a', 1, true)).toBeUndefined();
  });
});

describe('expired items', () => {
  it('stay readable until they are swept', async () => {
    const seconds = Math.floor(clock.now() / 1000);
    await put('a', 1, { expiresAt: { N: String(seconds - 60) } });
    await put('a', 2, { expiresAt: { N: String(seconds + 60) } });
    await put('a', 3, { expiresAt: { S: 'yesterday' } });
    await put('a', 4, { expiresAt: { N: String(seconds - 6 * 365 * 86_400) } });
    expect(await get('a', 1, true)).toBeDefined();
    expect(await database.sweepExpired()).toBe(1);
    expect(await get('a', 1, true)).toBeUndefined();
    await eventually(
      () => get('a', 4),
      item => item !== undefined,
    );
    expect((await client.send(new ScanCommand({ TableName, ConsistentRead: true }))).Count).toBe(3);
  });
});

describe('after a restart', () => {
  it('the items are there, for every kind of read', async () => {
    await put('a', 1, { user: { S: 'alice' } });
    await close();
    await open();
    expect(await get('a', 1)).toMatchObject({ user: { S: 'alice' } });
    expect(await get('a', 1, true)).toMatchObject({ user: { S: 'alice' } });
  });

  it.each([
    [
      'KeySchema',
      {
        KeySchema: keyed.KeySchema.slice(0, 1),
        AttributeDefinitions: keyed.AttributeDefinitions.filter(({ AttributeName }) => AttributeName !== 'seat'),
      },
    ],
    [
      'GlobalSecondaryIndexes',
      { GlobalSecondaryIndexes: [{ ...keyed.GlobalSecondaryIndexes[0], IndexName: 'other' }] },
    ],
  ])('another %s is refused', async (property, change) => {
    await close();
    await expect(start([table('Seats', { ...keyed, ...change })])).rejects.toMatchObject({
      name: 'TemplateError',
      message: expect.stringMatching(`s\\.Seats .*${property}: .*--fresh`),
    });
    await open();
  });
});

describe('the template', () => {
  it.each([
    [
      'AttributeDefinitions',
      table('T', {
        ...keyed,
        AttributeDefinitions: [...keyed.AttributeDefinitions, { AttributeName: 'x', AttributeType: 'S' }],
      }),
    ],
    [
      'index key attributes are not defined',
      table('T', { ...keyed, AttributeDefinitions: keyed.AttributeDefinitions.slice(0, 2) }),
    ],
    ['StreamSpecification', table('T', { ...keyed, StreamSpecification: {} })],
    ['BillingMode', table('T', { ...keyed, BillingMode: 'PROVISIONED' })],
    ['Replicas', table('T', { ...keyed, Replicas: [{ Region: 'us-east-1' }] }, 'AWS::DynamoDB::GlobalTable')],
  ])('is refused with %s', async (property, resource) => {
    await close();
    await expect(start([resource])).rejects.toMatchObject({
      name: 'TemplateError',
      message: expect.stringMatching(`s\\.T .*${property}`),
    });
    await open();
  });
});
