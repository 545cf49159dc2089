import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { Declaration, Place, Resource } from '../../../local/assembly/resource.ts';
import { type AuthorizationRequest, AwsError, type Principal } from '../../../local/aws/service.ts';
import { identities } from '../../../local/sqs/identities.ts';
import { type Sqs, startSqs } from '../../../local/sqs/service.ts';
import { type FrontDoor, openFrontDoor } from './front-door.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const principal: Principal = { kind: 'role', arn: 'arn:aws:iam::123456789012:role/app' };

function resource(logicalId: string, properties: Record<string, unknown>, type = 'AWS::SQS::Queue'): Resource {
  const declaration: Declaration = { stack: 'shop-dev', logicalId, property: name => properties[name] };
  const identity = identities[type]?.(declaration, place);
  if (!identity) throw new Error(`no identity for ${type}`);
  return { stack: 'shop-dev', logicalId, type, properties, ...identity };
}

const jobs = resource('Jobs', { VisibilityTimeout: 60, Tags: [] });
const orders = resource('Orders', { FifoQueue: true });
const ordersPolicy = resource(
  'OrdersPolicy',
  { Queues: [orders.physicalId], PolicyDocument: { Version: '2012-10-17', Statement: [{ Sid: 'orders' }] } },
  'AWS::SQS::QueuePolicy',
);

let directory: string;
let sqs: Sqs;
let door: FrontDoor;
let client: SQSClient;
let requests: AuthorizationRequest[];
let denied: string[];

const start = (resources: readonly Resource[]) =>
  startSqs({
    resources,
    place,
    stateDirectory: directory,
    authorization: {
      authorize: async request => {
        requests.push(request);
        if (denied.includes(request.action)) throw new AwsError('AccessDeniedException', `no ${request.action}`);
      },
    },
    log: () => {},
  });

beforeEach(async () => {
  requests = [];
  denied = [];
  directory = mkdtempSync(join(tmpdir(), 'sqs-'));
  sqs = await start([jobs, orders, ordersPolicy]);
  door = await openFrontDoor(sqs, 'sqs', principal);
  client = new SQSClient({
    endpoint: door.url,
    region: place.region,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    maxAttempts: 1,
  });
});
afterEach(async () => {
  client.destroy();
  await door.close();
  await sqs.close();
  rmSync(directory, { recursive: true, force: true });
});

const QueueUrl = jobs.physicalId;

describe('with the SDK', () => {
  it('sends, receives and deletes, attributes and digests included', async () => {
    const sent = await client.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: 'grüezi',
        MessageAttributes: {
          kind: { DataType: 'String', StringValue: 'greeting' },
          bytes: { DataType: 'Binary', BinaryValue: Buffer.from([1, 2, 3]) },
        },
      }),
    );
    const { Messages } = await client.send(
      new ReceiveMessageCommand({ QueueUrl, MessageSystemAttributeNames: ['All'], MessageAttributeNames: ['All'] }),
    );
    expect(Messages).toHaveLength(1);
    expect(Messages?.[0]).toMatchObject({
      MessageId: sent.MessageId,
      Body: 'grüezi',
      MD5OfMessageAttributes: sent.MD5OfMessageAttributes,
      MessageAttributes: { kind: { StringValue: 'greeting' }, bytes: { BinaryValue: new Uint8Array([1, 2, 3]) } },
      Attributes: { ApproximateReceiveCount: '1', SenderId: 'app' },
    });
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages?.[0]?.ReceiptHandle }));
    expect(sqs.metrics()).toMatchObject({ [jobs.attributes.QueueName ?? '']: { visible: 0, notVisible: 0 } });
  });

  it('fills a batch in order and names the entries that fail', async () => {
    const reply = await client.send(
      new SendMessageBatchCommand({
        QueueUrl: orders.physicalId,
        Entries: [
          { Id: 'one', MessageBody: '1', MessageGroupId: 'g', MessageDeduplicationId: '1' },
          { Id: 'none', MessageBody: '2', MessageDeduplicationId: '2' },
          { Id: 'three', MessageBody: '3', MessageGroupId: 'g', MessageDeduplicationId: '3' },
        ],
      }),
    );
    expect(reply.Successful?.map(({ Id }) => Id)).toEqual(['one', 'three']);
    expect(reply.Failed).toMatchObject([{ Id: 'none', Code: 'MissingParameter', SenderFault: true }]);
    const received = await client.send(
      new ReceiveMessageCommand({
        QueueUrl: orders.physicalId,
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ['SequenceNumber'],
      }),
    );
    expect(received.Messages?.map(({ Body }) => Body)).toEqual(['1', '3']);
    expect(received.Messages?.map(({ Attributes }) => Attributes?.SequenceNumber)).toEqual(
      reply.Successful?.map(({ SequenceNumber }) => SequenceNumber),
    );
    const deleted = await client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: orders.physicalId,
        Entries: [
          { Id: 'good', ReceiptHandle: received.Messages?.[0]?.ReceiptHandle },
          { Id: 'bad', ReceiptHandle: 'nonsense' },
        ],
      }),
    );
    expect(deleted.Successful).toEqual([{ Id: 'good' }]);
    expect(deleted.Failed).toMatchObject([{ Id: 'bad', Code: 'ReceiptHandleIsInvalid' }]);
  });

  it('refuses batches as a whole', async () => {
    const batch = (Entries: { Id: string; MessageBody: string }[]) =>
      client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    const entries = (count: number, body = 'x') =>
      Array.from({ length: count }, (_, index) => ({ Id: `e${index}`, MessageBody: body }));
    await expect(batch([])).rejects.toMatchObject({ name: 'EmptyBatchRequest' });
    await expect(batch(entries(11))).rejects.toMatchObject({ name: 'TooManyEntriesInBatchRequest' });
    await expect(batch(entries(2, 'x'.repeat(600_000)))).rejects.toMatchObject({ name: 'BatchRequestTooLong' });
    await expect(batch([...entries(1), ...entries(1)])).rejects.toMatchObject({ name: 'BatchEntryIdsNotDistinct' });
    await expect(batch([{ Id: 'with space', MessageBody: 'x' }])).rejects.toMatchObject({
      name: 'InvalidBatchEntryId',
    });
    expect(sqs.queue(jobs.attributes.Arn ?? '').metrics().visible).toBe(0);
  });

  it('polls until a message comes', async () => {
    const waiting = client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'at last' }));
    expect((await waiting).Messages?.[0]?.Body).toBe('at last');
  });

  it('finds, lists, describes and purges queues', async () => {
    const { QueueUrl: found } = await client.send(new GetQueueUrlCommand({ QueueName: orders.attributes.QueueName }));
    expect(found).toBe(orders.physicalId);
    const { QueueUrls } = await client.send(new ListQueuesCommand({ QueueNamePrefix: 'shop-dev-' }));
    expect(QueueUrls).toEqual([jobs.physicalId, orders.physicalId]);
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }));
    const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    expect(Attributes).toMatchObject({
      QueueArn: jobs.attributes.Arn,
      ApproximateNumberOfMessages: '1',
      ApproximateNumberOfMessagesNotVisible: '0',
      VisibilityTimeout: '60',
    });
    await client.send(new PurgeQueueCommand({ QueueUrl }));
    await expect(client.send(new PurgeQueueCommand({ QueueUrl }))).rejects.toMatchObject({
      name: 'PurgeQueueInProgress',
    });
  });

  it('answers mistakes by their names', async () => {
    const missing = `${QueueUrl}-missing`;
    await expect(client.send(new SendMessageCommand({ QueueUrl: missing, MessageBody: 'x' }))).rejects.toMatchObject({
      name: 'QueueDoesNotExist',
    });
    await expect(client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 11 }))).rejects.toMatchObject({
      name: 'InvalidParameterValue',
    });
    await expect(client.send(new SendMessageCommand({ QueueUrl, MessageBody: undefined }))).rejects.toMatchObject({
      name: 'MissingParameter',
    });
    await expect(
      client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: 'x', VisibilityTimeout: 1 })),
    ).rejects.toMatchObject({ name: 'ReceiptHandleIsInvalid' });
  });
});

describe('permissions', () => {
  it('asks for the action on the queue, with the policy of the queue', async () => {
    const Entries = [{ Id: 'a', MessageBody: 'x', MessageGroupId: 'g', MessageDeduplicationId: 'd' }];
    await client.send(new SendMessageBatchCommand({ QueueUrl: orders.physicalId, Entries }));
    expect(requests).toEqual([
      {
        principal,
        action: 'sqs:SendMessage',
        resource: orders.attributes.Arn,
        resourcePolicy: ordersPolicy.properties.PolicyDocument,
      },
    ]);
  });

  it('sends nothing that is denied', async () => {
    denied = ['sqs:SendMessage'];
    await expect(client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    });
    await expect(sqs.deliver(jobs.attributes.Arn ?? '', { body: 'x' }, principal)).rejects.toThrow(
      'no sqs:SendMessage',
    );
    expect(sqs.queue(jobs.attributes.Arn ?? '').metrics().visible).toBe(0);
  });
});

it('refuses an action that it does not run', async () => {
  const call = { principal, service: 'sqs', method: 'POST', url: '/', body: Buffer.from('{}') };
  const headers = { 'x-amz-target': 'AmazonSQS.StartMessageMoveTask' };
  await expect(sqs.handle({ ...call, headers })).rejects.toMatchObject({ code: 'UnknownOperationException' });
});

describe('the template', () => {
  it('names queues deterministically, within 80 characters', () => {
    const long = resource('L'.repeat(90), { FifoQueue: true });
    expect(long.attributes.QueueName).toHaveLength(80);
    expect(long.attributes.QueueName).toMatch(/\.fifo$/);
    expect(resource('Jobs', {}).physicalId).toBe(jobs.physicalId);
    expect(resource('Named', { QueueName: 'mine' })).toMatchObject({
      physicalId: 'https://sqs.eu-central-1.amazonaws.com/123456789012/mine',
      attributes: { Arn: 'arn:aws:sqs:eu-central-1:123456789012:mine' },
    });
  });

  const deadLetters = (properties: Record<string, unknown>) => resource('Dead', properties);
  const source = (properties: Record<string, unknown> = {}) =>
    resource('Source', {
      RedrivePolicy: { deadLetterTargetArn: deadLetters({}).attributes.Arn, maxReceiveCount: 3 },
      ...properties,
    });

  it.each([
    ['a property that is not run', [resource('Q', { FancyNewThing: true })], 'shop-dev\\.Q .*FancyNewThing'],
    ['a value out of range', [resource('Q', { VisibilityTimeout: 43_201 })], 'Q .*VisibilityTimeout'],
    ['a FIFO queue named otherwise', [resource('Q', { FifoQueue: true, QueueName: 'q' })], 'Q .*QueueName'],
    ['FIFO settings of a standard queue', [resource('Q', { ContentBasedDeduplication: true })], 'Q .*ContentBased'],
    [
      'high throughput with deduplication by queue',
      [resource('Q', { FifoQueue: true, FifoThroughputLimit: 'perMessageGroupId' })],
      'Q .*FifoThroughputLimit',
    ],
    ['a dead-letter queue that is not there', [source()], 'Source .*RedrivePolicy'],
    [
      'a dead-letter queue of the other type',
      [source(), resource('Dead', { FifoQueue: true })],
      'Source .*RedrivePolicy',
    ],
    [
      'a dead-letter queue that refuses',
      [source(), deadLetters({ RedriveAllowPolicy: { redrivePermission: 'denyAll' } })],
      'Source .*RedriveAllowPolicy of Dead',
    ],
    ['a policy of another queue', [ordersPolicy], 'OrdersPolicy .*Queues'],
  ])('is refused with %s', async (_, resources, message) => {
    await expect(start(resources)).rejects.toMatchObject({
      name: 'TemplateError',
      message: expect.stringMatching(message),
    });
  });
});

it('keeps messages over a restart', async () => {
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'kept' }));
  await sqs.close();
  sqs = await start([jobs, orders, ordersPolicy]);
  const [message] = await sqs.queue(jobs.attributes.Arn ?? '').receive();
  expect(message?.body).toBe('kept');
});
