import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { GetQueueUrlCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Place } from '../../../local/assembly/resource.ts';
import { type AwsEndpoint, startAwsEndpoint } from '../../../local/aws/endpoint.ts';
import { type AwsCall, AwsError, type AwsReply } from '../../../local/aws/service.ts';
import { createCredentials } from '../../../local/iam/credentials.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const credentials = createCredentials({ place });
const logged: string[] = [];
let calls: AwsCall[];
let answer: (call: AwsCall) => Promise<AwsReply>;
let endpoint: AwsEndpoint;
let dynamodb: DynamoDBClient;

beforeEach(async () => {
  calls = [];
  logged.length = 0;
  answer = async () => ({ status: 200, headers: { 'content-type': 'application/x-amz-json-1.0' }, body: '{}' });
  endpoint = await startAwsEndpoint({
    port: 0,
    authenticate: credentials.authenticate,
    log: (level, component, message) => logged.push(`${level} ${component}: ${message}`),
    services: {
      dynamodb: {
        handle: call => {
          calls.push(call);
          return answer(call);
        },
      },
    },
  });
  dynamodb = new DynamoDBClient({
    endpoint: endpoint.url,
    region: place.region,
    credentials: credentials.developer,
    maxAttempts: 1,
  });
});

afterEach(async () => {
  dynamodb.destroy();
  await endpoint.close();
});

const getItem = () => dynamodb.send(new GetItemCommand({ TableName: 'T', Key: { id: { S: '1' } } }));

test('a service gets the verified caller and the request', async () => {
  await getItem();
  expect(calls).toHaveLength(1);
  expect(calls[0]).toMatchObject({
    principal: { kind: 'user', arn: 'arn:aws:iam::123456789012:user/developer' },
    service: 'dynamodb',
    method: 'POST',
    headers: { 'x-amz-target': 'DynamoDB_20120810.GetItem' },
  });
  expect(JSON.parse(String(calls[0]?.body))).toMatchObject({ TableName: 'T' });
});

test('an AwsError is what the SDK throws', async () => {
  answer = async () => {
    throw new AwsError('ResourceNotFoundException', 'Requested resource not found');
  };
  await expect(getItem()).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
    message: 'Requested resource not found',
    $metadata: { httpStatusCode: 400 },
  });
  expect(logged).toEqual([]);
});

test('an internal error is answered with 500, without its text, and logged', async () => {
  answer = async () => {
    throw new Error('disk gone');
  };
  const failure = await getItem().catch((error: Error) => error);
  expect(failure).toMatchObject({ name: 'InternalFailure', $metadata: { httpStatusCode: 500 } });
  expect(String(failure)).not.toContain('disk gone');
  expect(logged).toEqual(['error aws: a service failed']);
});

test('a denial is logged', async () => {
  answer = async () => {
    throw new AwsError('AccessDeniedException', 'User: x is not authorized to perform: dynamodb:GetItem');
  };
  await expect(getItem()).rejects.toMatchObject({ name: 'AccessDeniedException' });
  expect(logged).toEqual(['warn aws: User: x is not authorized to perform: dynamodb:GetItem']);
});

test('a service that does not run here is named', async () => {
  const sqs = new SQSClient({
    endpoint: endpoint.url,
    region: place.region,
    credentials: credentials.developer,
    maxAttempts: 1,
  });
  await expect(sqs.send(new GetQueueUrlCommand({ QueueName: 'q' }))).rejects.toMatchObject({
    message: expect.stringContaining("Service 'sqs' does not run here"),
    $metadata: { httpStatusCode: 404 },
  });
  sqs.destroy();
});

test('an unsigned or wrongly signed request does not reach a service', async () => {
  const unsigned = await fetch(endpoint.url, { method: 'POST', body: '{}' });
  expect(unsigned.status).toBe(400);
  expect(unsigned.headers.get('x-amzn-errortype')).toBe('MissingAuthenticationTokenException');
  const forged = new DynamoDBClient({
    endpoint: endpoint.url,
    region: place.region,
    credentials: { ...credentials.developer, secretAccessKey: 'forged' },
    maxAttempts: 1,
  });
  await expect(forged.send(new GetItemCommand({ TableName: 'T', Key: { id: { S: '1' } } }))).rejects.toMatchObject({
    name: 'InvalidSignatureException',
  });
  forged.destroy();
  expect(calls).toEqual([]);
});

test('close waits for the requests under way', async () => {
  let finish = () => {};
  let arrived = () => {};
  const arrival = new Promise<void>(resolve => {
    arrived = resolve;
  });
  answer = () =>
    new Promise(resolve => {
      finish = () => resolve({ status: 200, body: '{}' });
      arrived();
    });
  const response = getItem();
  await arrival;
  const closed = endpoint.close();
  finish();
  await expect(response).resolves.toBeDefined();
  await closed;
  await expect(fetch(endpoint.url)).rejects.toThrow();
  endpoint = await startAwsEndpoint({ port: 0, authenticate: credentials.authenticate, log: () => {}, services: {} });
});
