import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApiGatewayManagementApiClient, PostToConnectionCommand } from '@aws-sdk/client-apigatewaymanagementapi';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { sign } from 'aws4';
import fc from 'fast-check';
import type { Place } from '../../../local/assembly/resource.ts';
import { createCredentials, type KeyPair, type SignedRequest } from '../../../local/iam/credentials.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const roleArn = 'arn:aws:iam::123456789012:role/service/Fan';

/** Runs a call against a server that records it, and returns what arrived. */
async function received(call: (endpoint: string) => Promise<unknown>): Promise<SignedRequest> {
  const requests: SignedRequest[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    requests.push({
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks),
    });
    response.end('{}');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  try {
    await call(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  }
  return requests[0] as SignedRequest;
}

function signedByAws4(
  keys: KeyPair,
  options: { path: string; body: string; service?: string; region?: string },
): SignedRequest {
  const { path, body, service = 'execute-api', region = 'eu-central-1' } = options;
  const signed = sign(
    { method: 'POST', host: '127.0.0.1:3001', path, body, service, region, headers: { 'content-type': 'text/plain' } },
    { ...keys },
  );
  const headers = Object.fromEntries(
    Object.entries(signed.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
  return { method: 'POST', url: signed.path ?? '', headers, body: Buffer.from(body) };
}

function sdkOptions(endpoint: string, { accessKeyId, secretAccessKey, sessionToken }: KeyPair) {
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
  return { endpoint, region: place.region, credentials };
}

describe('a signature of the AWS SDK', () => {
  test('of a function is that of its role session', async () => {
    const credentials = createCredentials({ place });
    const keys = credentials.forRole(roleArn, 'fan-out');
    const request = await received(async endpoint => {
      const client = new DynamoDBClient(sdkOptions(endpoint, keys));
      await client.send(new ListTablesCommand({}));
      client.destroy();
    });
    await expect(credentials.authenticate(request)).resolves.toEqual({
      principal: { kind: 'role', arn: 'arn:aws:sts::123456789012:assumed-role/Fan/fan-out' },
      service: 'dynamodb',
    });
  });

  test('covers a path with an encoded connection id', async () => {
    const credentials = createCredentials({ place });
    const request = await received(async endpoint => {
      const client = new ApiGatewayManagementApiClient(sdkOptions(`${endpoint}/dev`, credentials.developer));
      await client.send(new PostToConnectionCommand({ ConnectionId: 'AbCdEfGhIjKlMn0=', Data: 'hi' }));
      client.destroy();
    });
    expect(request.url).toContain('%3D');
    await expect(credentials.authenticate(request)).resolves.toEqual({
      principal: { kind: 'user', arn: 'arn:aws:iam::123456789012:user/developer' },
      service: 'execute-api',
    });
  });
});

describe('a signature of aws4', () => {
  const credentials = createCredentials({ place });
  const keys = credentials.forRole(roleArn, 'fan-out');

  test('is accepted for any path, query and body', async () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9@=:*'()! ~.,+$-]{1,12}$/).filter(text => !/^\.+$/.test(text));
    await fc.assert(
      fc.asyncProperty(
        fc.array(segment, { minLength: 1, maxLength: 4 }),
        fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.string({ maxLength: 8 }), { maxKeys: 3 }),
        fc.string({ minLength: 1 }),
        async (segments, query, body) => {
          const search = Object.entries(query)
            .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
            .join('&');
          const path = `/${segments.map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`;
          const { service } = await credentials.authenticate(signedByAws4(keys, { path, body }));
          return service === 'execute-api';
        },
      ),
    );
  });

  test.each<[string, (request: SignedRequest) => SignedRequest]>([
    ['body', request => ({ ...request, body: Buffer.from('other') })],
    ['path', request => ({ ...request, url: '/dev/@connections/other' })],
    ['method', request => ({ ...request, method: 'DELETE' })],
    ['query', request => ({ ...request, url: `${request.url}?a=b` })],
    ['host', request => ({ ...request, headers: { ...request.headers, host: 'elsewhere' } })],
    [
      'a header outside the signature',
      request => ({ ...request, headers: { ...request.headers, 'x-amz-target': 'Delete' } }),
    ],
    [
      'an unsigned payload',
      request => ({ ...request, headers: { ...request.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }),
    ],
    [
      'signature',
      request => ({
        ...request,
        headers: {
          ...request.headers,
          authorization: request.headers.authorization?.replace(/.$/, last => (last === '0' ? '1' : '0')),
        },
      }),
    ],
    [
      'date',
      request => ({
        ...request,
        headers: {
          ...request.headers,
          'x-amz-date': String(request.headers['x-amz-date']).replace(/..Z$/, last => (last === '00Z' ? '01Z' : '00Z')),
        },
      }),
    ],
  ])('is refused after a change of its %s', async (_what, change) => {
    const request = signedByAws4(keys, { path: '/dev/@connections/AbC%3D', body: 'hi' });
    await expect(credentials.authenticate(request)).resolves.toBeDefined();
    await expect(credentials.authenticate(change(request))).rejects.toMatchObject({
      code: 'InvalidSignatureException',
      status: 403,
    });
  });

  test('with a wrong secret is refused, as the service words it', async () => {
    const wrong = { ...keys, secretAccessKey: 'wrong' };
    await expect(
      credentials.authenticate(signedByAws4(wrong, { path: '/', body: 'x', service: 'sqs' })),
    ).rejects.toMatchObject({
      code: 'SignatureDoesNotMatch',
      status: 403,
    });
    await expect(
      credentials.authenticate(signedByAws4(wrong, { path: '/', body: 'x', service: 'dynamodb' })),
    ).rejects.toMatchObject({ code: 'InvalidSignatureException', status: 400 });
  });

  test('with unknown keys, or without the session token, is refused', async () => {
    const unknown = { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: 'x' };
    const { sessionToken: _, ...noToken } = keys;
    for (const wrong of [unknown, noToken]) {
      await expect(credentials.authenticate(signedByAws4(wrong, { path: '/', body: 'x' }))).rejects.toMatchObject({
        code: 'UnrecognizedClientException',
      });
    }
    await expect(
      credentials.authenticate(signedByAws4(unknown, { path: '/', body: 'x', service: 'sqs' })),
    ).rejects.toMatchObject({ code: 'InvalidClientTokenId' });
  });

  test('of another region is refused', async () => {
    const request = signedByAws4(keys, { path: '/', body: 'x', region: 'us-east-1' });
    await expect(credentials.authenticate(request)).rejects.toThrow(/us-east-1/);
  });
});

test('a signature is accepted for five minutes either way', async () => {
  const time = Math.floor(Date.now() / 1000) * 1000;
  let now = time;
  const credentials = createCredentials({ place, now: () => now });
  const request = (service: string) => signedByAws4(credentials.developer, { path: '/', body: 'x', service });
  now += 299_000;
  await expect(credentials.authenticate(request('sqs'))).resolves.toBeDefined();
  now = time + 310_000;
  await expect(credentials.authenticate(request('sqs'))).rejects.toMatchObject({ code: 'RequestExpired' });
  await expect(credentials.authenticate(request('dynamodb'))).rejects.toMatchObject({
    code: 'InvalidSignatureException',
    message: expect.stringContaining('Signature expired'),
  });
  now = time - 310_000;
  await expect(credentials.authenticate(request('dynamodb'))).rejects.toThrow('Signature not yet current');
});

test('a request without a signature is told so', async () => {
  const { authenticate } = createCredentials({ place });
  const request = { method: 'GET', url: '/', headers: {}, body: Buffer.alloc(0) };
  await expect(authenticate(request)).rejects.toMatchObject({ code: 'MissingAuthenticationTokenException' });
  await expect(authenticate({ ...request, headers: { authorization: 'Bearer x' } })).rejects.toMatchObject({
    code: 'IncompleteSignatureException',
  });
});

test('the same session of a role has the same keys, another one has others', () => {
  const credentials = createCredentials({ place });
  expect(credentials.forRole(roleArn, 'a')).toBe(credentials.forRole(roleArn, 'a'));
  expect(credentials.forRole(roleArn, 'a').accessKeyId).not.toBe(credentials.forRole(roleArn, 'b').accessKeyId);
});
