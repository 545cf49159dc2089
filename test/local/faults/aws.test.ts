import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import {
  DeleteMessageCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { answer } from '../../../lambdas/publish/answer.ts';
import { sqsPublicationQueue } from '../../../lambdas/shared/publication.ts';
import type { Identities, Place, Resource } from '../../../local/assembly/resource.ts';
import { type AwsEndpoint, startAwsEndpoint } from '../../../local/aws/endpoint.ts';
import { identities as dynamoDbIdentities } from '../../../local/dynamodb/identities.ts';
import { type DynamoDb, startDynamoDb } from '../../../local/dynamodb/service.ts';
import { createFaults, type Faults } from '../../../local/faults/faults.ts';
import { createCredentials } from '../../../local/iam/credentials.ts';
import { identities as lambdaIdentities } from '../../../local/lambda/identities.ts';
import { identities as sqsIdentities } from '../../../local/sqs/identities.ts';
import { type Sqs, startSqs } from '../../../local/sqs/service.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const identities: Identities = { ...dynamoDbIdentities, ...sqsIdentities, ...lambdaIdentities };

function resource(type: string, logicalId: string, properties: Record<string, unknown>): Resource {
  const identity = identities[type]?.({ stack: 's', logicalId, property: name => properties[name] }, place);
  if (!identity) throw new Error(`no identity for ${type}`);
  return { stack: 's', logicalId, type, properties, ...identity };
}
const table = (logicalId: string) =>
  resource('AWS::DynamoDB::Table', logicalId, {
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
  });
const seats = table('SeatsTable');
const locks = table('LocksTable');
const queue = resource('AWS::SQS::Queue', 'OrdersQueue', { FifoQueue: true, VisibilityTimeout: 600 });
const worker = resource('AWS::Lambda::Function', 'WorkerFunction', {});
const resources = [seats, locks, queue, worker];

let directory: string;
let faults: Faults;
let dynamodb: DynamoDb;
let sqs: Sqs;
let endpoint: AwsEndpoint;
let store: DynamoDBClient;
let patient: DynamoDBClient;
let messages: SQSClient;
let options: Pick<DynamoDBClientConfig, 'region' | 'credentials'> & { readonly endpoint: string };
const before = { ...process.env };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'faults-'));
  const log = () => {};
  faults = createFaults({ resources, log });
  const credentials = createCredentials({ place });
  const common = {
    resources,
    place,
    stateDirectory: directory,
    authorization: { authorize: async () => {} },
    log,
    faults,
  };
  dynamodb = await startDynamoDb({ ...common, replicationLagMs: 1 });
  sqs = await startSqs(common);
  endpoint = await startAwsEndpoint({
    port: 0,
    services: { dynamodb, sqs },
    authenticate: credentials.authenticate,
    log,
    faults,
  });
  const { accessKeyId, secretAccessKey } = credentials.developer;
  options = { endpoint: endpoint.url, region: place.region, credentials: { accessKeyId, secretAccessKey } };
  store = new DynamoDBClient({ ...options, maxAttempts: 1 });
  patient = new DynamoDBClient({ ...options, maxAttempts: 3 });
  messages = new SQSClient({ ...options, maxAttempts: 1 });
  process.env.AWS_REGION = place.region;
  process.env.AWS_ACCESS_KEY_ID = accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = secretAccessKey;
  process.env.AWS_ENDPOINT_URL_SQS = endpoint.url;
});
afterEach(async () => {
  faults.close();
  for (const client of [store, patient, messages]) client.destroy();
  await endpoint.close();
  await dynamodb.close();
  await sqs.close();
  rmSync(directory, { recursive: true });
  process.env = { ...before };
});

const put = (id: string, client = store, TableName = seats.physicalId) =>
  client.send(new PutItemCommand({ TableName, Item: { id: { S: id } } }));
const get = (id: string, ConsistentRead = false) =>
  store.send(new GetItemCommand({ TableName: seats.physicalId, Key: { id: { S: id } }, ConsistentRead }));

describe('a host that kept connections end at', () => {
  test('fails for who keeps them, and not for who makes new ones', async () => {
    await put('a');
    faults.inject({ fault: 'host-outage', service: 'dynamodb' });
    await expect(put('b')).rejects.toMatchObject({ name: 'InternalFailure', $metadata: { httpStatusCode: 500 } });
    // The failure does not end the connection, so the next request is on it again.
    await expect(put('c')).rejects.toMatchObject({ name: 'InternalFailure' });
    const fresh = new DynamoDBClient({ ...options, maxAttempts: 1 });
    await put('d', fresh);
    fresh.destroy();
    faults.clear();
    await put('e');
  });

  test('is slow, for one service only', async () => {
    await put('a');
    await messages.send(new GetQueueUrlCommand({ QueueName: queue.attributes.QueueName }));
    faults.inject({ fault: 'host-latency', service: 'sqs', delayMs: 300 });
    const took = async (act: () => Promise<unknown>) => {
      const began = performance.now();
      await act();
      return performance.now() - began;
    };
    const slow = await took(() => messages.send(new GetQueueUrlCommand({ QueueName: queue.attributes.QueueName })));
    expect(slow).toBeGreaterThanOrEqual(299);
    expect(faults.list()).toMatchObject([{ happened: 1 }]);
  });

  test('is only that of the function that is named', async () => {
    await put('a');
    // This connection is the developer's, and no function's.
    faults.inject({ fault: 'host-outage', service: 'dynamodb', function: 'worker' });
    await put('b');
    expect(faults.list()).toMatchObject([{ happened: 0 }]);
  });
});

describe('the store', () => {
  test.each(['ProvisionedThroughputExceededException', 'ThrottlingException'] as const)(
    'throttles with %s, which the SDK takes for a reason to try again',
    async code => {
      faults.inject({ fault: 'store-throttle', code, times: 2 });
      const { $metadata } = await put('a', patient);
      expect($metadata).toMatchObject({ attempts: 3, httpStatusCode: 200 });
      faults.inject({ fault: 'store-throttle', code });
      await expect(put('b')).rejects.toMatchObject({ name: code, $metadata: { httpStatusCode: 400 } });
      faults.clear();
      await put('b');
    },
  );

  test('throttles one table and operation, and a write that it refused is not there', async () => {
    faults.inject({ fault: 'store-throttle', table: 'seats', operation: 'PutItem' });
    await expect(put('a')).rejects.toThrow('Throughput');
    await put('a', store, locks.physicalId);
    expect((await get('a', true)).Item).toBeUndefined();
    expect(faults.list()).toMatchObject([{ seen: 1, happened: 1 }]);
  });

  test('throttles the share that it says, the same with the same seed', async () => {
    const verdicts = async () => {
      const { id } = faults.inject({ fault: 'store-throttle', share: 0.5, seed: 'x' });
      const all: boolean[] = [];
      for (let n = 0; n < 20; n += 1)
        all.push(
          await put('a').then(
            () => true,
            () => false,
          ),
        );
      faults.clear(id);
      return all;
    };
    const first = await verdicts();
    expect(new Set(first).size).toBe(2);
    expect(await verdicts()).toEqual(first);
  });

  test('is out: an error, a closed connection', async () => {
    faults.inject({ fault: 'store-outage', times: 1 });
    await expect(put('a')).rejects.toMatchObject({ name: 'InternalServerError', $metadata: { httpStatusCode: 500 } });
    faults.clear();
    faults.inject({ fault: 'store-outage', answer: 'cut', times: 1 });
    await expect(put('a')).rejects.toThrow('socket hang up');
    await put('a');
  });

  test('is silent until the fault ends', async () => {
    faults.inject({ fault: 'store-outage', answer: 'silence' });
    const silent = expect(put('a')).rejects.toThrow('socket hang up');
    while (faults.list()[0]?.happened === 0) await new Promise(setImmediate);
    faults.clear();
    await silent;
    await put('a');
  });

  test('takes longer, and no longer than the fault', async () => {
    faults.inject({ fault: 'store-latency', operation: 'PutItem', delayMs: 80 });
    const startedAt = performance.now();
    await put('a');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(79);
    faults.clear();
    faults.inject({ fault: 'store-latency', delayMs: 600_000 });
    const late = put('a');
    while (faults.list()[0]?.happened === 0) await new Promise(setImmediate);
    faults.clear();
    await late;
  });

  test('reads stale, where it may, until the fault ends', async () => {
    const { id } = faults.inject({ fault: 'stale-reads', table: 'seats', lagMs: 600_000 });
    await put('a');
    expect((await get('a', true)).Item).toBeDefined();
    // Twenty times the usual lag.
    await new Promise(resolve => setTimeout(resolve, 20));
    expect((await get('a')).Item).toBeUndefined();
    const query = new QueryCommand({
      TableName: seats.physicalId,
      KeyConditionExpression: 'id = :id',
      ExpressionAttributeValues: { ':id': { S: 'a' } },
    });
    expect((await store.send(query)).Items).toEqual([]);
    faults.clear(id);
    while (!(await get('a')).Item) await new Promise(setImmediate);
  });
});

describe('the queue', () => {
  // The host is that of the endpoint, or the SDK warns.
  const queueUrl = () => new URL(new URL(queue.physicalId).pathname, endpoint.url).href;
  const send = (id: string) =>
    messages.send(
      new SendMessageCommand({
        QueueUrl: queueUrl(),
        MessageBody: id,
        MessageGroupId: 'g',
        MessageDeduplicationId: id,
      }),
    );
  const receive = async (WaitTimeSeconds = 0) =>
    (await messages.send(new ReceiveMessageCommand({ QueueUrl: queueUrl(), WaitTimeSeconds }))).Messages?.[0];

  test('hands a message out again while it is in flight, and does not let the first delete it', async () => {
    await send('a');
    await send('b');
    faults.inject({ fault: 'queue-redelivery', queue: 'orders', hiddenMs: 30, times: 1 });
    const first = await receive();
    const second = await receive(5);
    expect([first?.Body, second?.Body]).toEqual(['a', 'a']);
    const remove = (ReceiptHandle: string | undefined) =>
      messages.send(new DeleteMessageCommand({ QueueUrl: queueUrl(), ReceiptHandle }));
    await expect(remove(first?.ReceiptHandle)).rejects.toThrow('expired');
    // The second is hidden as long as the queue says: its receive came after the one that the fault was for.
    expect(await receive()).toBeUndefined();
    await remove(second?.ReceiptHandle);
    expect((await receive())?.Body).toBe('b');
  });

  test('receives late, and at once when the fault ends', async () => {
    await send('a');
    faults.inject({ fault: 'queue-receive-delay', delayMs: 60 });
    const startedAt = performance.now();
    expect((await receive())?.Body).toBe('a');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(59);
    faults.clear();
    faults.inject({ fault: 'queue-receive-delay', delayMs: 600_000 });
    const late = receive();
    while (faults.list()[0]?.happened === 0) await new Promise(setImmediate);
    faults.clear();
    expect(await late).toBeUndefined();
  });

  test('takes no messages while it is out, but hands them out', async () => {
    await send('a');
    const { id } = faults.inject({ fault: 'queue-outage', queue: 'orders' });
    await expect(send('b')).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } });
    expect((await receive())?.Body).toBe('a');
    await messages.send(new GetQueueUrlCommand({ QueueName: queue.attributes.QueueName }));
    faults.clear(id);
    await send('b');
  });

  test('that is silent does not hold up a server that publishes', async () => {
    faults.inject({ fault: 'queue-outage', answer: 'silence', seed: 1 });
    const dependencies = {
      queue: sqsPublicationQueue(queueUrl(), 1_000),
      limits: { maxMessageBytes: 1_000 },
      throttle: { admit: async () => {} },
      now: Date.now,
      refused: () => {},
      withinMs: 1_000,
    };
    const call = { userArn: 'arn:aws:iam::123456789012:user/a', channel: 'g' };
    const body = JSON.stringify({ messages: ['a', 'b', 'c'].map(id => ({ id, data: id })) });
    const startedAt = performance.now();
    const refused = await answer({ ...call, body }, dependencies);
    expect(performance.now() - startedAt).toBeLessThan(1_300);
    expect(refused.statusCode).toBe(503);
    expect(JSON.parse(refused.body ?? '').messages).toEqual(['a', 'b', 'c'].map(id => ({ id, code: 'unavailable' })));
    faults.clear();
    const accepted = await answer({ ...call, body }, dependencies);
    expect(accepted.statusCode).toBe(200);
    const { Messages } = await messages.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl(), MaxNumberOfMessages: 10 }),
    );
    expect(Messages?.map(({ Body }) => JSON.parse(Body ?? '').id)).toEqual(['a', 'b', 'c']);
  });

  test('that is slow is given up within the second of a server that publishes, which is told what was accepted', async () => {
    faults.inject({ fault: 'queue-latency', delayMs: 350 });
    const dependencies = {
      queue: sqsPublicationQueue(queueUrl(), 1_000),
      limits: { maxMessageBytes: 1_000 },
      throttle: { admit: async () => {} },
      now: Date.now,
      refused: () => {},
      withinMs: 1_000,
    };
    const body = JSON.stringify({ messages: ['a', 'b', 'c', 'd'].map(id => ({ id, data: id })) });
    const startedAt = performance.now();
    const reply = await answer({ userArn: 'arn:aws:iam::123456789012:user/a', channel: 'g', body }, dependencies);
    expect(performance.now() - startedAt).toBeLessThan(1_300);
    expect(reply.statusCode).toBe(503);
    const told: { cursor?: string }[] = JSON.parse(reply.body ?? '').messages;
    expect(told.map(({ cursor }) => cursor !== undefined)).toEqual([true, true, false, false]);
  });
});

test('any service can be out or slow', async () => {
  faults.inject({ fault: 'aws-outage', service: 'sqs', operation: 'GetQueueUrl' });
  const url = () => messages.send(new GetQueueUrlCommand({ QueueName: queue.attributes.QueueName }));
  await expect(url()).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } });
  await put('a');
  faults.clear();
  faults.inject({ fault: 'aws-latency', service: 'dynamodb', delayMs: 50 });
  const startedAt = performance.now();
  await put('a');
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(49);
  await url();
});
