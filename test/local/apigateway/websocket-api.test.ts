import { once } from 'node:events';
import { createAccountQuotas } from '../../../local/apigateway/quotas.ts';
import { closeOf, deferred, type Event, frame, type Gateway, nextMessage, rawClient, startGateway } from './gateway.ts';

let gateway: Gateway;
afterEach(() => gateway.stop());

const allow = (event: Event, more: object = {}) => ({
  principalId: 'alice',
  policyDocument: {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'execute-api:Invoke', Resource: event.methodArn }],
  },
  ...more,
});

describe('the handshake', () => {
  test('invokes $connect with the event of API Gateway', async () => {
    const events: Event[] = [];
    const sources: string[] = [];
    gateway = await startGateway({
      connect: (event, source) => {
        events.push(event);
        sources.push(source);
        return { statusCode: 200 };
      },
    });
    await gateway.open('/dev?room=a&room=b', [], { 'X-Custom-Name': 'v' });
    expect(sources).toEqual(['arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/dev/$connect']);
    const [event] = events;
    expect(event).toMatchObject({
      headers: { 'X-Custom-Name': 'v', 'X-Forwarded-For': '127.0.0.1', 'Sec-WebSocket-Version': '13' },
      multiValueHeaders: { 'X-Custom-Name': ['v'] },
      queryStringParameters: { room: 'b' },
      multiValueQueryStringParameters: { room: ['a', 'b'] },
      isBase64Encoded: false,
      requestContext: {
        routeKey: '$connect',
        eventType: 'CONNECT',
        messageDirection: 'IN',
        stage: 'dev',
        apiId: 'abcdefghij',
        domainName: 'abcdefghij.execute-api.eu-central-1.amazonaws.com',
        connectionId: expect.stringMatching(/^[A-Za-z0-9_-]{15}=$/),
        identity: { sourceIp: '127.0.0.1' },
        requestTime: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
      },
    });
    expect(event.requestContext.authorizer).toBeUndefined();
  });

  test('of any other path is taken as a custom domain that maps to the stage', async () => {
    let event: Event;
    gateway = await startGateway({
      connect: received => {
        event = received;
        return { statusCode: 200 };
      },
    });
    await gateway.open('/world', [], { Host: 'ws.example.com' });
    expect(event.requestContext).toMatchObject({ stage: 'dev', domainName: 'ws.example.com' });
  });

  test('passes the status code of $connect on', async () => {
    gateway = await startGateway({ connect: () => ({ statusCode: 418, body: 'secret' }) });
    const { status, body } = await gateway.refused();
    expect(status).toBe(418);
    expect(Object.keys(body)).toEqual(['message', 'connectionId', 'requestId']);
    expect(gateway.metrics.ClientError).toBe(1);
  });

  test.each<[string, () => unknown]>([
    ['throws', () => Promise.reject(new Error('bug'))],
    ['does not answer in the form of a proxy response', () => 'connected'],
  ])('fails with 502 where $connect %s', async (_what, connect) => {
    gateway = await startGateway({ connect });
    expect((await gateway.refused()).status).toBe(502);
  });

  test('fails with 500 without the Lambda permission, which the log names', async () => {
    gateway = await startGateway({ connect: undefined as never }, { routes: ['$connect'] });
    expect((await gateway.refused()).status).toBe(500);
    expect(gateway.logged.join('\n')).toMatch(
      /Lambda permission for apigateway\.amazonaws\.com is missing.*function:connect.*dev\/\$connect/,
    );
    expect(gateway.metrics.ExecutionError).toBeGreaterThan(0);
  });

  test('fails with 504 where $connect takes too long', async () => {
    const never = deferred<never>();
    gateway = await startGateway({ connect: () => never.promise }, {}, { limits: { integrationTimeoutMs: 20 } });
    expect((await gateway.refused()).status).toBe(504);
  });

  test('selects the subprotocol that $connect answers with, and none where it answers with none', async () => {
    let headers: object = { 'sec-websocket-protocol': 'steadysocket.v1' };
    gateway = await startGateway({ connect: () => ({ statusCode: 200, headers }) });
    expect((await gateway.open('/dev', ['steadysocket.v1', 'bearer.x'])).protocol).toBe('steadysocket.v1');
    headers = {};
    const socket = gateway.client('/dev', ['steadysocket.v1']);
    const [error] = await once(socket, 'error');
    expect(String(error)).toContain('Server sent no subprotocol');
  });

  test('of more clients a second than the quota is refused with 429', async () => {
    const quotas = createAccountQuotas({ newConnectionsPerSecond: 2 });
    gateway = await startGateway({}, {}, { quotas });
    await gateway.open();
    await gateway.open();
    expect((await gateway.refused()).status).toBe(429);
  });

  test('that is not a WebSocket request, or has too long a URL, reaches no function', async () => {
    let connects = 0;
    gateway = await startGateway({
      connect: () => {
        connects += 1;
        return { statusCode: 200 };
      },
    });
    await expect(rawClient(gateway.port, 'short')).rejects.toThrow('HTTP/1.1 400 Bad Request');
    expect((await gateway.refused(`/dev?${'x'.repeat(4096)}`)).status).toBe(414);
    expect(connects).toBe(0);
  });

  test('that the client leaves is followed by $disconnect', async () => {
    const entered = deferred();
    const answer = deferred<object>();
    const disconnect = deferred<Event>();
    gateway = await startGateway({
      connect: () => {
        entered.resolve();
        return answer.promise;
      },
      disconnect: event => disconnect.resolve(event),
    });
    const socket = gateway.client().on('error', () => {});
    await entered.promise;
    socket.terminate();
    answer.resolve({ statusCode: 200 });
    expect((await disconnect.promise).requestContext).toMatchObject({ eventType: 'DISCONNECT' });
  });
});

describe('the authorizer', () => {
  const shape = { authorizer: { identitySource: [] as string[] } };

  test('gets the documented event, and its context is on every later event as strings', async () => {
    const seen: Record<string, Event> = {};
    const see = (name: string, answer: (event: Event) => unknown) => (event: Event, source: string) => {
      seen[name] = { ...event, source };
      return answer(event);
    };
    const done = deferred();
    gateway = await startGateway(
      {
        authorizer: see('authorizer', event => allow(event, { context: { user: 'alice', level: 3, admin: true } })),
        connect: see('connect', () => ({ statusCode: 200 })),
        default: see('default', () => ({ statusCode: 200, body: '{}' })),
        disconnect: see('disconnect', () => done.resolve()),
      },
      shape,
    );
    const socket = await gateway.open('/dev?x=1');
    socket.send('hello');
    await nextMessage(socket);
    socket.close(4000, 'bye');
    await done.promise;
    expect(seen.authorizer).toMatchObject({
      type: 'REQUEST',
      methodArn: 'arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/dev/$connect',
      source: 'arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/authorizers/auth123',
      queryStringParameters: { x: '1' },
      stageVariables: {},
      requestContext: { eventType: 'CONNECT', routeKey: '$connect', connectedAt: expect.any(Number) },
    });
    for (const name of ['connect', 'default', 'disconnect']) {
      expect(seen[name].requestContext.authorizer).toMatchObject({
        principalId: 'alice',
        user: 'alice',
        level: '3',
        admin: 'true',
      });
    }
    expect(seen.default.headers).toBeUndefined();
    expect(seen.disconnect.requestContext).toMatchObject({ disconnectStatusCode: 4000, disconnectReason: 'bye' });
  });

  test.each<[string, number, (event: Event) => unknown]>([
    [
      'denies',
      403,
      event => ({ ...allow(event), policyDocument: { Statement: [{ Effect: 'Deny', Action: '*', Resource: '*' }] } }),
    ],
    [
      'allows another stage',
      403,
      event => ({
        ...allow(event),
        policyDocument: {
          Statement: [
            { Effect: 'Allow', Action: 'execute-api:Invoke', Resource: `${event.methodArn.replace('dev', 'prod')}` },
          ],
        },
      }),
    ],
    ['throws Unauthorized', 401, () => Promise.reject(new Error('Unauthorized'))],
    ['throws anything else', 500, () => Promise.reject(new Error('jwks unreachable'))],
    ['answers without a principal', 500, event => ({ ...allow(event), principalId: undefined })],
    ['answers with nested context', 500, event => allow(event, { context: { channels: ['a'] } })],
    ['answers with more than 8 KB', 500, event => allow(event, { context: { big: 'x'.repeat(8192) } })],
  ])('that %s means status %i, without $connect', async (_what, expected, authorizer) => {
    let connects = 0;
    gateway = await startGateway(
      {
        authorizer,
        connect: () => {
          connects += 1;
          return { statusCode: 200 };
        },
      },
      shape,
    );
    expect((await gateway.refused()).status).toBe(expected);
    expect(connects).toBe(0);
  });

  test('may allow by a wildcard', async () => {
    const policyDocument = {
      Statement: { Effect: 'Allow', Action: '*', Resource: 'arn:aws:execute-api:*:*:abcdefghij/*' },
    };
    gateway = await startGateway({ authorizer: () => ({ principalId: 'p', policyDocument }) }, shape);
    await gateway.open();
  });

  test('is not called where a declared identity source is missing', async () => {
    let calls = 0;
    gateway = await startGateway(
      {
        authorizer: event => {
          calls += 1;
          return allow(event);
        },
      },
      { authorizer: { identitySource: ['route.request.header.Authorization', 'route.request.querystring.room'] } },
    );
    expect((await gateway.refused('/dev?room=a')).status).toBe(401);
    expect((await gateway.refused('/dev', [], { authorization: 'x' })).status).toBe(401);
    expect(calls).toBe(0);
    await gateway.open('/dev?room=a', [], { authorization: 'x' });
    expect(calls).toBe(1);
  });
});

describe('messages', () => {
  const echo = (event: Event) => ({
    statusCode: 200,
    body: JSON.stringify({ route: event.requestContext.routeKey, body: event.body }),
  });

  test('take the route that the expression selects, else $default', async () => {
    gateway = await startGateway(
      { publish: echo, default: echo },
      { routes: ['$default', 'publish'], responding: ['$default', 'publish'] },
    );
    const socket = await gateway.open();
    const routeOf = async (text: string) => {
      socket.send(text);
      return (await nextMessage(socket)).route;
    };
    expect(await routeOf('{"action":"publish"}')).toBe('publish');
    expect(await routeOf('{"action":"other"}')).toBe('$default');
    expect(await routeOf('{"action":"$connect"}')).toBe('$default');
    expect(await routeOf('{"action":{"a":1}}')).toBe('$default');
    expect(await routeOf('[1]')).toBe('$default');
    expect(await routeOf('not json')).toBe('$default');
  });

  test('without a route are answered with Forbidden', async () => {
    gateway = await startGateway({}, { routes: ['$connect'] });
    const socket = await gateway.open();
    socket.send('{"action":"nothing"}');
    expect(await nextMessage(socket)).toEqual({
      message: 'Forbidden',
      connectionId: expect.any(String),
      requestId: expect.any(String),
    });
  });

  test('of one connection are handled concurrently: the second is answered before a slow first', async () => {
    const slow = deferred();
    gateway = await startGateway({
      default: async event => {
        if (event.body === 'slow') await slow.promise;
        return { statusCode: 200, body: JSON.stringify(event.body) };
      },
    });
    const socket = await gateway.open();
    socket.send('slow');
    socket.send('fast');
    expect(await nextMessage(socket)).toBe('fast');
    slow.resolve();
    expect(await nextMessage(socket)).toBe('slow');
  });

  test('are not answered without a route response', async () => {
    const handled: string[] = [];
    gateway = await startGateway(
      {
        default: event => {
          handled.push(event.body);
          return { statusCode: 200, body: '"unwanted"' };
        },
        ask: () => ({ statusCode: 200, body: '"answer"' }),
      },
      { routes: ['$default', 'ask'], responding: ['ask'] },
    );
    const socket = await gateway.open();
    const first = nextMessage(socket);
    socket.send('quiet');
    socket.send('{"action":"ask"}');
    expect(await first).toBe('answer');
    expect(handled).toEqual(['quiet']);
  });

  test.each<[string, (event: Event) => unknown]>([
    ['fails', () => Promise.reject(new Error('bug'))],
    ['answers without a status code', () => ({ body: 'x' })],
    ['answers nothing', () => undefined],
    ['takes longer than its timeout', () => new Promise(() => {})],
    ['answers with more than 128 KB', () => ({ statusCode: 200, body: 'x'.repeat(128 * 1024 + 1) })],
  ])('whose function %s are answered with Internal server error', async (_what, handler) => {
    gateway = await startGateway({ default: handler }, { integration: { TimeoutInMillis: 50 } });
    const socket = await gateway.open();
    socket.send('x');
    expect(await nextMessage(socket)).toEqual({
      message: 'Internal server error',
      connectionId: expect.any(String),
      requestId: expect.any(String),
    });
    expect((gateway.metrics.IntegrationError ?? 0) + (gateway.metrics.ExecutionError ?? 0)).toBe(1);
  });

  test('above the stage throttling are answered with Too Many Requests', async () => {
    const stage = { DefaultRouteSettings: { ThrottlingRateLimit: 0.001, ThrottlingBurstLimit: 2 } };
    gateway = await startGateway({ default: echo }, { stage });
    const socket = await gateway.open();
    socket.send('first');
    expect(await nextMessage(socket)).toMatchObject({ body: 'first' });
    socket.send('second');
    expect(await nextMessage(socket)).toMatchObject({ message: 'Too Many Requests' });
  });

  test('above the account quota are answered with Too Many Requests', async () => {
    const quotas = createAccountQuotas({ requestsPerSecond: 0, requestBurst: 1 });
    gateway = await startGateway({ default: echo }, {}, { quotas });
    const socket = await gateway.open();
    socket.send('x');
    expect(await nextMessage(socket)).toMatchObject({ message: 'Too Many Requests' });
  });

  test('are all throttled on a stage that enables metrics only', async () => {
    gateway = await startGateway({}, { stage: { DefaultRouteSettings: { DetailedMetricsEnabled: true } } });
    expect((await gateway.refused()).status).toBe(429);
    expect(gateway.logged.join()).toContain('throttle everything');
  });

  test('longer than a frame come back as several frames', async () => {
    const text = 'ä'.repeat(40_000);
    gateway = await startGateway({ default: () => ({ statusCode: 200, body: text }) });
    const socket = await rawClient(gateway.port);
    const chunks: Buffer[] = [];
    const done = deferred();
    socket.on('data', chunk => {
      chunks.push(chunk);
      if (Buffer.concat(chunks).length >= 80_000 + 3 * 4) done.resolve();
    });
    socket.write(frame(Buffer.from('x')));
    await done.promise;
    const bytes = Buffer.concat(chunks);
    const payloads: Buffer[] = [];
    const firstBytes: number[] = [];
    for (let offset = 0; offset < bytes.length; ) {
      firstBytes.push(bytes[offset] as number);
      const length = bytes.readUInt16BE(offset + 2);
      payloads.push(bytes.subarray(offset + 4, offset + 4 + length));
      offset += 4 + length;
    }
    expect(firstBytes).toEqual([0x01, 0x00, 0x80]);
    expect(payloads.map(({ length }) => length)).toEqual([32_768, 32_768, 80_000 - 65_536]);
    expect(Buffer.concat(payloads).toString()).toBe(text);
    socket.destroy();
  });
});

describe('limits of what a client sends', () => {
  async function closedAfter(...frames: Buffer[]): Promise<{ code: number; handled: string[]; disconnect: Event }> {
    const handled: string[] = [];
    const disconnect = deferred<Event>();
    gateway = await startGateway({
      default: event => {
        handled.push(event.body);
        return { statusCode: 200 };
      },
      disconnect: event => disconnect.resolve(event.requestContext),
    });
    const socket = await rawClient(gateway.port);
    const closeFrame = deferred<number>();
    socket.on('data', (chunk: Buffer) => {
      if (chunk.readUInt8(0) === 0x88) closeFrame.resolve(chunk.readUInt16BE(2));
    });
    for (const each of frames) socket.write(each);
    const result = { code: await closeFrame.promise, handled, disconnect: await disconnect.promise };
    socket.destroy();
    return result;
  }

  test('a frame over 32 KB closes with 1009', async () => {
    const { code, handled, disconnect } = await closedAfter(
      frame(Buffer.from('ok')),
      frame(Buffer.alloc(32 * 1024 + 1, 'x')),
    );
    expect(code).toBe(1009);
    expect(handled).toEqual(['ok']);
    expect(disconnect).toMatchObject({ disconnectStatusCode: 1009 });
  });

  test('a message over 128 KB in small frames closes with 1009', async () => {
    const part = (opcode: number) => frame(Buffer.alloc(32 * 1024, 'x'), { opcode, fin: false });
    const { code, handled } = await closedAfter(
      part(1),
      part(0),
      part(0),
      part(0),
      frame(Buffer.from('y'), { opcode: 0 }),
    );
    expect(code).toBe(1009);
    expect(handled).toEqual([]);
  });

  test('a binary frame closes with 1003', async () => {
    const { code, handled } = await closedAfter(frame(Buffer.from('x'), { opcode: 2 }));
    expect(code).toBe(1003);
    expect(handled).toEqual([]);
  });

  test('128 KB in frames of 32 KB are one message', async () => {
    gateway = await startGateway({ default: event => ({ statusCode: 200, body: String(event.body.length) }) });
    const socket = await rawClient(gateway.port);
    const part = (opcode: number, fin: boolean) => frame(Buffer.alloc(32 * 1024, 'x'), { opcode, fin });
    for (const each of [part(1, false), part(0, false), part(0, false), part(0, true)]) socket.write(each);
    const [answer] = await once(socket, 'data');
    expect(String(answer.subarray(2))).toBe('131072');
    socket.destroy();
  });
});

describe('the end of a connection', () => {
  async function ended(limits: object = {}) {
    const disconnect = deferred<Event>();
    gateway = await startGateway({ disconnect: event => disconnect.resolve(event) }, {}, { limits });
    return { socket: await gateway.open(), disconnect: disconnect.promise };
  }

  test('without a message for the idle timeout is 1001 Going away', async () => {
    const { socket, disconnect } = await ended({ idleTimeoutMs: 30 });
    expect(await closeOf(socket)).toEqual({ code: 1001, reason: 'Going away' });
    expect((await disconnect).requestContext).toMatchObject({
      routeKey: '$disconnect',
      eventType: 'DISCONNECT',
      disconnectStatusCode: 1001,
      disconnectReason: 'Going away',
    });
  });

  test('comes after the longest duration even if messages flow', async () => {
    const { socket } = await ended({ maxDurationMs: 120, idleTimeoutMs: 60 });
    const openedAt = performance.now();
    const sending = setInterval(() => socket.send('x'), 20);
    expect((await closeOf(socket)).code).toBe(1001);
    clearInterval(sending);
    expect(performance.now() - openedAt).toBeGreaterThan(80);
  });

  test('by a client without a code is 1005, by a broken connection 1006', async () => {
    const first = await ended();
    first.socket.close();
    expect((await first.disconnect).requestContext.disconnectStatusCode).toBe(1005);
    await gateway.stop();
    const second = await ended();
    second.socket.terminate();
    expect((await second.disconnect).requestContext.disconnectStatusCode).toBe(1006);
  });

  test('by the end of the environment is 1001, and $disconnect is done before close resolves', async () => {
    const done: Event[] = [];
    const entered = deferred();
    const message = deferred();
    gateway = await startGateway({
      default: async () => {
        entered.resolve();
        await message.promise;
        done.push('message');
        return { statusCode: 200 };
      },
      disconnect: async event => {
        await new Promise(setImmediate);
        done.push(event.requestContext.disconnectStatusCode);
      },
    });
    const sockets = [await gateway.open(), await gateway.open()];
    sockets[0]?.send('x');
    await entered.promise;
    const codes = Promise.all(sockets.map(closeOf));
    const closed = gateway.close();
    expect((await codes).map(({ code }) => code)).toEqual([1001, 1001]);
    message.resolve();
    await closed;
    expect(done.sort()).toEqual([1001, 1001, 'message']);
  });
});
