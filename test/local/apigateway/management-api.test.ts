import { once } from 'node:events';
import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GetConnectionCommand,
  GoneException,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import { sign } from 'aws4';
import { createAccountQuotas } from '../../../local/apigateway/quotas.ts';
import type { KeyPair } from '../../../local/iam/credentials.ts';
import { closeOf, credentials, deferred, type Event, type Gateway, nextMessage, startGateway } from './gateway.ts';

let gateway: Gateway;
let sdk: ApiGatewayManagementApiClient[] = [];
afterEach(async () => {
  for (const client of sdk) client.destroy();
  sdk = [];
  await gateway.stop();
});

const poster = credentials.forRole('arn:aws:iam::123456789012:role/Poster', 'fan-out');

function managementClient(keys: KeyPair = credentials.developer, stage = 'dev') {
  const { accessKeyId, secretAccessKey, sessionToken } = keys;
  const client = new ApiGatewayManagementApiClient({
    endpoint: `http://127.0.0.1:${gateway.port}/${stage}`,
    region: 'eu-central-1',
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
    maxAttempts: 1,
  });
  sdk.push(client);
  return client;
}

function post(ConnectionId: string, Data: string, client = managementClient()) {
  return client.send(new PostToConnectionCommand({ ConnectionId, Data }));
}

/** A gateway with one client, and its connection id. */
async function connected(options: object = {}) {
  const id = deferred<string>();
  const disconnect = deferred<Event>();
  gateway = await startGateway(
    {
      connect: event => {
        id.resolve(event.requestContext.connectionId);
        return { statusCode: 200 };
      },
      disconnect: event => disconnect.resolve(event.requestContext),
    },
    {},
    options,
  );
  const socket = await gateway.open('/dev', [], { 'User-Agent': 'test/1' });
  return { id: await id.promise, socket, disconnect: disconnect.promise };
}

test('a post by a role that may is a message of the client', async () => {
  const { id, socket } = await connected();
  const message = nextMessage(socket);
  const { $metadata } = await post(id, '{"type":"message"}', managementClient(poster));
  expect($metadata.httpStatusCode).toBe(200);
  expect(await message).toEqual({ type: 'message' });
});

test('a post signed by aws4 is accepted', async () => {
  const { id, socket } = await connected();
  const message = nextMessage(socket);
  const request = sign(
    {
      method: 'POST',
      host: `127.0.0.1:${gateway.port}`,
      path: `/dev/@connections/${encodeURIComponent(id)}`,
      body: '"hi"',
      service: 'execute-api',
      region: 'eu-central-1',
    },
    { ...poster },
  );
  const { Host: _, ...headers } = request.headers as Record<string, string>;
  const response = await fetch(`http://127.0.0.1:${gateway.port}${request.path}`, {
    method: 'POST',
    headers,
    body: '"hi"',
  });
  expect(response.status).toBe(200);
  expect(await message).toBe('hi');
});

test('GET tells about the connection', async () => {
  const { id } = await connected();
  const before = Date.now();
  await post(id, '1');
  const info = await managementClient().send(new GetConnectionCommand({ ConnectionId: id }));
  expect(info).toMatchObject({
    Identity: { SourceIp: '127.0.0.1', UserAgent: 'test/1' },
    $metadata: { httpStatusCode: 200 },
  });
  expect(info.ConnectedAt?.getTime()).toBeLessThanOrEqual(before);
  expect(info.LastActiveAt?.getTime()).toBeGreaterThanOrEqual(before);
});

test('DELETE closes with 1000, and the connection is gone at once', async () => {
  const { id, socket, disconnect } = await connected();
  const closed = closeOf(socket);
  const client = managementClient();
  const { $metadata } = await client.send(new DeleteConnectionCommand({ ConnectionId: id }));
  expect($metadata.httpStatusCode).toBe(204);
  await expect(post(id, 'x', client)).rejects.toBeInstanceOf(GoneException);
  expect((await closed).code).toBe(1000);
  expect(await disconnect).toMatchObject({ disconnectStatusCode: 1000 });
});

test('a connection that was never there, or is closed, is gone', async () => {
  const { id, socket, disconnect } = await connected();
  await expect(post('AAAAAAAAAAAAAAA=', 'x')).rejects.toMatchObject({
    name: 'GoneException',
    $metadata: { httpStatusCode: 410 },
  });
  socket.close();
  await disconnect;
  await expect(post(id, 'x')).rejects.toBeInstanceOf(GoneException);
});

test('a connection is gone to a post from inside $connect', async () => {
  const outcome = deferred<unknown>();
  gateway = await startGateway({
    connect: async event => {
      outcome.resolve(await post(event.requestContext.connectionId, 'x').catch(error => error));
      return { statusCode: 200 };
    },
  });
  await gateway.open();
  expect(await outcome.promise).toBeInstanceOf(GoneException);
});

test('a malformed id is 400', async () => {
  await connected();
  for (const id of ['short', 'no padding here!', '%%%']) {
    await expect(post(id, 'x')).rejects.toMatchObject({
      message: expect.stringContaining('Invalid connectionId'),
      $metadata: { httpStatusCode: 400 },
    });
  }
});

describe('403', () => {
  const forbidden = { $metadata: { httpStatusCode: 403 } };

  test('without permission, which the log names', async () => {
    const { id } = await connected();
    const other = credentials.forRole('arn:aws:iam::123456789012:role/Other', 'f');
    await expect(post(id, 'x', managementClient(other))).rejects.toMatchObject(forbidden);
    expect(gateway.logged.join('\n')).toMatch(
      /assumed-role\/Other\/f is not authorized to perform: execute-api:ManageConnections on resource: \S+:abcdefghij\/dev\/POST\/@connections\//,
    );
  });

  test('where only another method is allowed', async () => {
    const { id } = await connected();
    const remove = managementClient(poster).send(new DeleteConnectionCommand({ ConnectionId: id }));
    await expect(remove).rejects.toMatchObject(forbidden);
  });

  test('on a stage that is not there, as on a custom domain', async () => {
    const { id } = await connected();
    await expect(post(id, 'x', managementClient(credentials.developer, 'world'))).rejects.toMatchObject(forbidden);
  });

  test('without or with a wrong signature', async () => {
    const { id } = await connected();
    const url = `http://127.0.0.1:${gateway.port}/dev/@connections/${encodeURIComponent(id)}`;
    const unsigned = await fetch(url, { method: 'POST', body: 'x' });
    expect(unsigned.status).toBe(403);
    expect(unsigned.headers.get('x-amzn-errortype')).toBe('MissingAuthenticationTokenException');
    expect(await unsigned.json()).toEqual({ message: 'Missing Authentication Token' });
    const forged = { ...credentials.developer, secretAccessKey: 'forged' };
    await expect(post(id, 'x', managementClient(forged))).rejects.toMatchObject({
      ...forbidden,
      name: 'InvalidSignatureException',
    });
  });

  test('on any other path', async () => {
    await connected();
    expect((await fetch(`http://127.0.0.1:${gateway.port}/dev`)).status).toBe(403);
  });
});

test('a message over 128 KB is 413, and 128 KB is not', async () => {
  const { id, socket } = await connected();
  const received = once(socket, 'message');
  await post(id, 'x'.repeat(128 * 1024));
  expect(String((await received)[0])).toHaveLength(128 * 1024);
  await expect(post(id, 'x'.repeat(128 * 1024 + 1))).rejects.toMatchObject({
    name: 'PayloadTooLargeException',
    $metadata: { httpStatusCode: 413 },
  });
});

test('above the account quota is 429', async () => {
  const quotas = createAccountQuotas({ requestsPerSecond: 0, requestBurst: 2 });
  const { id } = await connected({ quotas });
  await post(id, 'x');
  await expect(post(id, 'x')).rejects.toMatchObject({
    name: 'LimitExceededException',
    $metadata: { httpStatusCode: 429 },
  });
});

test('a client that does not read is 429 to its poster, and harms no other', async () => {
  const { id, socket } = await connected({ limits: { maxBufferedBytes: 100_000 } });
  socket.pause();
  const client = managementClient();
  const big = 'x'.repeat(128 * 1024);
  let refusal: unknown;
  for (let i = 0; i < 500 && refusal === undefined; i += 1) {
    refusal = await post(id, big, client).then(
      () => undefined,
      error => error,
    );
  }
  expect(refusal).toMatchObject({ name: 'LimitExceededException', $metadata: { httpStatusCode: 429 } });
  const other = await gateway.open();
  const answered = once(other, 'pong');
  other.ping();
  await answered;
  socket.resume();
});

test('posts to one connection arrive in the order in which they were answered', async () => {
  const { id, socket } = await connected();
  const received: string[] = [];
  const all = deferred();
  socket.on('message', data => {
    received.push(String(data));
    if (received.length === 50) all.resolve();
  });
  const client = managementClient(poster);
  for (let i = 0; i < 50; i += 1) await post(id, String(i), client);
  await all.promise;
  expect(received).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
});
