import { sign } from 'aws4';
import { type HttpApiOptions, startHttpApi } from '../../../local/apigateway/http-api.ts';
import { createAccountQuotas } from '../../../local/apigateway/quotas.ts';
import type { RunningApi } from '../../../local/apigateway/websocket-api.ts';
import type { Resource } from '../../../local/assembly/resource.ts';
import type { KeyPair } from '../../../local/iam/credentials.ts';
import { createAuthorization } from '../../../local/iam/policies.ts';
import { apiId, credentials, type Event, functionArn, type Handlers, invokerOf, place, resource } from './gateway.ts';

interface Shape {
  readonly api?: Record<string, unknown>;
  readonly stages?: readonly Record<string, unknown>[];
  readonly integration?: Record<string, unknown>;
}

/** An HTTP API: each route invokes the function of its value; `iam ` before a key asks for a signature. */
function httpResources(routes: Record<string, string>, shape: Shape = {}): Resource[] {
  const member = (type: string, id: string, properties: Record<string, unknown>) =>
    resource(`AWS::ApiGatewayV2::${type}`, id, { ApiId: apiId, ...properties });
  return [
    resource('AWS::ApiGatewayV2::Api', apiId, { Name: 'http', ProtocolType: 'HTTP', ...shape.api }),
    ...(shape.stages ?? [{ StageName: '$default' }]).map(stage =>
      member('Stage', String(stage.StageName), { AutoDeploy: true, ...stage }),
    ),
    ...Object.entries(routes).flatMap(([key, name], i) => [
      member('Integration', `i${i}`, {
        IntegrationType: 'AWS_PROXY',
        IntegrationUri: functionArn(name),
        PayloadFormatVersion: '2.0',
        ...shape.integration,
      }),
      member('Route', `r${i}`, {
        RouteKey: key.replace('iam ', ''),
        Target: `integrations/i${i}`,
        AuthorizationType: key.startsWith('iam ') ? 'AWS_IAM' : 'NONE',
      }),
    ]),
  ];
}

const publisher = resource('AWS::IAM::Role', 'Publisher', {
  AssumeRolePolicyDocument: { Statement: [] },
  Policies: [
    {
      PolicyName: 'P',
      PolicyDocument: {
        Statement: [
          {
            Effect: 'Allow',
            Action: 'execute-api:Invoke',
            Resource: `arn:aws:execute-api:eu-central-1:123456789012:${apiId}/*/POST/channels/*`,
          },
        ],
      },
    },
  ],
});

let api: RunningApi;
let logged: string[];
afterEach(() => api.close());

async function start(
  routes: Record<string, string>,
  handlers: Handlers,
  shape: Shape = {},
  options: Partial<HttpApiOptions> = {},
) {
  logged = [];
  api = await startHttpApi({
    resources: httpResources(routes, shape),
    place,
    port: 0,
    invoker: invokerOf(handlers),
    authorization: createAuthorization({ resources: [publisher], place }),
    authenticate: credentials.authenticate,
    log: (_level, _component, message, fields) => logged.push(`${message} ${JSON.stringify(fields ?? {})}`),
    ...options,
  });
}

async function call(path: string, init: RequestInit = {}) {
  const response = await fetch(`${api.url}${path}`, { ...init, keepalive: false });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

async function signedCall(path: string, keys: KeyPair, body = '{}', service = 'execute-api') {
  const host = `127.0.0.1:${api.port}`;
  const request = sign({ method: 'POST', host, path, body, service, region: 'eu-central-1' }, { ...keys });
  const { Host: _, ...headers } = request.headers as Record<string, string>;
  return call(path, { method: 'POST', headers, body });
}

test('the event is of payload format 2.0', async () => {
  const seen: { event: Event; source: string }[] = [];
  await start({ 'POST /channels/{channel}/messages': 'f' }, { f: (event, source) => seen.push({ event, source }) });
  await call('/channels/room%3A1/messages?a=1&a=2&b=', {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: 'x=1; y=2', 'X-Twice': 'v' },
    body: '{"text":"hi"}',
  });
  expect(seen[0]?.source).toBe(
    `arn:aws:execute-api:eu-central-1:123456789012:${apiId}/$default/POST/channels/{channel}/messages`,
  );
  expect(seen[0]?.event).toMatchObject({
    version: '2.0',
    routeKey: 'POST /channels/{channel}/messages',
    rawPath: '/channels/room:1/messages',
    rawQueryString: 'a=1&a=2&b=',
    cookies: ['x=1', 'y=2'],
    headers: { 'content-type': 'application/json', 'x-twice': 'v', 'x-forwarded-for': '127.0.0.1' },
    queryStringParameters: { a: '1,2', b: '' },
    pathParameters: { channel: 'room:1' },
    body: '{"text":"hi"}',
    isBase64Encoded: false,
    requestContext: {
      accountId: '123456789012',
      apiId,
      domainName: `${apiId}.execute-api.eu-central-1.amazonaws.com`,
      http: { method: 'POST', path: '/channels/room:1/messages', protocol: 'HTTP/1.1', sourceIp: '127.0.0.1' },
      routeKey: 'POST /channels/{channel}/messages',
      stage: '$default',
    },
  });
  expect(seen[0]?.event.headers.cookie).toBeUndefined();
});

test('a body that is not text arrives in base64, and a body in base64 leaves as bytes', async () => {
  let event: Event;
  const bytes = Buffer.from([0, 255, 1]);
  await start(
    { 'POST /': 'f' },
    {
      f: received => {
        event = received;
        return { statusCode: 201, body: bytes.toString('base64'), isBase64Encoded: true };
      },
    },
  );
  const response = await fetch(api.url, {
    method: 'POST',
    body: bytes,
    headers: { 'content-type': 'application/octet-stream' },
  });
  expect(event).toMatchObject({ body: bytes.toString('base64'), isBase64Encoded: true });
  expect(response.status).toBe(201);
  expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
});

describe('routes', () => {
  const routes = [
    'GET /channels/{channel}',
    'GET /channels/{proxy+}',
    'GET /channels/own',
    'ANY /channels/own',
    'ANY /{any}/own',
    '$default',
  ];

  test.each([
    ['GET', '/channels/own', 'GET /channels/own'],
    ['PUT', '/channels/own', 'ANY /channels/own'],
    ['GET', '/channels/a', 'GET /channels/{channel}'],
    ['GET', '/channels/a/b', 'GET /channels/{proxy+}'],
    ['PUT', '/channels/a', '$default'],
    ['GET', '/other/own', 'ANY /{any}/own'],
    ['GET', '/channels', '$default'],
  ])('%s %s takes %s', async (method, path, expected) => {
    for (const order of [routes, [...routes].reverse()]) {
      await start(Object.fromEntries(order.map(key => [key, 'f'])), { f: event => event.routeKey });
      expect((await call(path, { method })).text).toBe(expected);
      await api.close();
    }
  });

  test('without a match are 404', async () => {
    await start({ 'GET /a': 'f' }, {});
    for (const path of ['/b', '/a/b', '/a/', '/']) {
      expect(await call(path)).toMatchObject({ status: 404, text: '{"message":"Not Found"}' });
    }
  });

  test('of a named stage are below its name, which is part of rawPath', async () => {
    await start(
      { 'GET /a': 'f' },
      { f: event => ({ path: event.rawPath, stage: event.requestContext.stage, variables: event.stageVariables }) },
      {
        stages: [{ StageName: 'dev', StageVariables: { colour: 'blue' } }],
      },
    );
    expect(JSON.parse((await call('/dev/a')).text)).toEqual({
      path: '/dev/a',
      stage: 'dev',
      variables: { colour: 'blue' },
    });
    expect((await call('/a')).status).toBe(404);
  });
});

describe('the response', () => {
  test.each<[string, unknown, number, string, string]>([
    ['without statusCode is the body', { ok: true }, 200, '{"ok":true}', 'application/json'],
    ['that is a string is the body', 'Hello', 200, 'Hello', 'application/json'],
    [
      'with statusCode',
      { statusCode: 404, body: 'no', headers: { 'Content-Type': 'text/css' } },
      404,
      'no',
      'text/css',
    ],
    ['without a content type', { statusCode: 200, body: 'x' }, 200, 'x', 'text/plain; charset=utf-8'],
    ['of an invalid shape', { statusCode: 'x' }, 500, '{"message":"Internal Server Error"}', 'application/json'],
    [
      'with a body that is no string',
      { statusCode: 200, body: {} },
      500,
      '{"message":"Internal Server Error"}',
      'application/json',
    ],
  ])('%s', async (_what, payload, status, text, type) => {
    await start({ $default: 'f' }, { f: () => payload });
    const response = await call('/');
    expect(response).toMatchObject({ status, text });
    expect(response.headers.get('content-type')).toBe(type);
  });

  test('carries cookies', async () => {
    await start({ $default: 'f' }, { f: () => ({ statusCode: 200, cookies: ['a=1', 'b=2'] }) });
    expect((await call('/')).headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  });

  test('of a function that fails, or may not be invoked, is 500', async () => {
    await start(
      { 'GET /fails': 'fails', 'GET /forbidden': 'forbidden' },
      { fails: () => Promise.reject(new Error('bug')) },
    );
    const expected = { status: 500, text: '{"message":"Internal Server Error"}' };
    expect(await call('/fails')).toMatchObject(expected);
    expect(await call('/forbidden')).toMatchObject(expected);
    expect(logged.join('\n')).toMatch(/Lambda permission.*is missing.*function:forbidden/);
  });

  test('of a function that takes too long is 503', async () => {
    await start({ $default: 'f' }, { f: () => new Promise(() => {}) }, { integration: { TimeoutInMillis: 50 } });
    expect(await call('/')).toMatchObject({ status: 503, text: '{"message":"Service Unavailable"}' });
  });
});

describe('a route with AWS_IAM', () => {
  const routes = { 'iam POST /channels/{channel}/messages': 'f', 'iam POST /admin': 'f' };
  const handlers: Handlers = { f: event => event.requestContext.authorizer.iam };
  const keys = credentials.forRole('arn:aws:iam::123456789012:role/Publisher', 'server');

  test('lets a role that may through, and tells the function who it is', async () => {
    await start(routes, handlers);
    const response = await signedCall('/channels/room/messages', keys);
    expect(response.status).toBe(200);
    expect(JSON.parse(response.text)).toMatchObject({
      userArn: 'arn:aws:sts::123456789012:assumed-role/Publisher/server',
      accountId: '123456789012',
      accessKey: keys.accessKeyId,
    });
  });

  test.each<[string, () => Promise<unknown>]>([
    ['the path is not allowed', () => signedCall('/admin', keys)],
    ['the request is not signed', () => call('/admin', { method: 'POST' })],
    ['the signature is wrong', () => signedCall('/channels/a/messages', { ...keys, secretAccessKey: 'x' })],
    ['the signature is for another service', () => signedCall('/channels/a/messages', keys, '{}', 'sqs')],
  ])('answers 403 where %s', async (_what, request) => {
    await start(routes, handlers);
    expect(await request()).toMatchObject({ status: 403, text: '{"message":"Forbidden"}' });
  });
});

describe('limits', () => {
  test('a payload over 10 MB is 413', async () => {
    await start(
      { $default: 'f' },
      { f: event => String(event.body?.length) },
      {},
      { limits: { maxPayloadBytes: 1000 } },
    );
    const headers = { 'content-type': 'text/plain' };
    expect((await call('/', { method: 'POST', body: 'x'.repeat(1000), headers })).text).toBe('1000');
    expect((await call('/', { method: 'POST', body: 'x'.repeat(1001), headers })).status).toBe(413);
  });

  test('above the account quota is 429', async () => {
    const quotas = createAccountQuotas({ requestsPerSecond: 0, requestBurst: 1 });
    await start({ $default: 'f' }, { f: () => 'ok' }, {}, { quotas });
    expect((await call('/')).status).toBe(200);
    expect(await call('/')).toMatchObject({ status: 429, text: '{"message":"Too Many Requests"}' });
  });

  test('above the throttling of a route is 429 for that route', async () => {
    const RouteSettings = { 'GET /a': { ThrottlingRateLimit: 0.001, ThrottlingBurstLimit: 1 } };
    const stages = [{ StageName: '$default', RouteSettings }];
    await start({ 'GET /a': 'f', 'GET /b': 'f' }, { f: () => 'ok' }, { stages });
    expect([(await call('/a')).status, (await call('/a')).status, (await call('/b')).status]).toEqual([200, 429, 200]);
  });
});

describe('CORS', () => {
  const CorsConfiguration = {
    AllowOrigins: ['https://app.example.com'],
    AllowMethods: ['POST'],
    AllowHeaders: ['authorization'],
    MaxAge: 600,
  };
  const handlers: Handlers = {
    f: () => ({ statusCode: 200, headers: { 'Access-Control-Allow-Origin': 'https://other' } }),
  };
  const preflight = (origin: string) =>
    call('/x', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } });

  test('preflight requests are answered by the gateway', async () => {
    await start({ $default: 'f' }, handlers, { api: { CorsConfiguration } });
    const { status, headers } = await preflight('https://app.example.com');
    expect(status).toBe(204);
    expect(Object.fromEntries(headers)).toMatchObject({
      'access-control-allow-origin': 'https://app.example.com',
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'authorization',
      'access-control-max-age': '600',
    });
    expect((await preflight('https://evil.example.com')).headers.get('access-control-allow-origin')).toBeNull();
  });

  test("the configuration takes the place of the function's own headers", async () => {
    await start({ $default: 'f' }, handlers, { api: { CorsConfiguration } });
    const origin = { origin: 'https://app.example.com' };
    expect((await call('/', { headers: origin })).headers.get('access-control-allow-origin')).toBe(
      'https://app.example.com',
    );
    expect(
      (await call('/', { headers: { origin: 'https://other' } })).headers.get('access-control-allow-origin'),
    ).toBeNull();
  });

  test('without a configuration is up to the function', async () => {
    await start({ $default: 'f' }, handlers);
    expect((await call('/')).headers.get('access-control-allow-origin')).toBe('https://other');
  });
});

test.each([
  ['PayloadFormatVersion', { integration: { PayloadFormatVersion: '1.0' } }],
  ['Target', { api: { Target: 'arn:aws:lambda:x' } }],
  ['AccessPolicyId', { stages: [{ StageName: '$default', AccessPolicyId: 'x' }] }],
])('%s that cannot be honoured is an error at start', async (name, shape) => {
  await expect(start({ $default: 'f' }, {}, shape)).rejects.toThrow(new RegExp(`Test\\..* property ${name}: `));
  await start({ $default: 'f' }, {});
});
