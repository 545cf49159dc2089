import { once } from 'node:events';
import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import type { WebSocket } from 'ws';
import { createFaults, type Faults } from '../../../local/faults/faults.ts';
import {
  closeOf,
  credentials,
  deferred,
  type Event,
  type Gateway,
  nextMessage,
  startGateway,
} from '../apigateway/gateway.ts';

let faults: Faults;
let gateway: Gateway;
let management: ApiGatewayManagementApiClient;
let ids: string[];
let disconnected: Event[];
let onDisconnect: () => void;

beforeEach(async () => {
  faults = createFaults({ resources: [], log: () => {} });
  ids = [];
  disconnected = [];
  onDisconnect = () => {};
  gateway = await startGateway(
    {
      connect: event => {
        ids.push(event.requestContext.connectionId);
        return { statusCode: 200 };
      },
      disconnect: event => {
        disconnected.push(event.requestContext);
        onDisconnect();
      },
      default: event => ({ statusCode: 200, body: event.body }),
    },
    {},
    { faults, limits: { maxBufferedBytes: 10_000, idleTimeoutMs: 60_000 } },
  );
  const { accessKeyId, secretAccessKey } = credentials.developer;
  management = new ApiGatewayManagementApiClient({
    endpoint: `http://127.0.0.1:${gateway.port}/dev`,
    region: 'eu-central-1',
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  });
});
afterEach(async () => {
  faults.close();
  management.destroy();
  await gateway.stop();
});

const post = (n: number, text: string) =>
  management.send(new PostToConnectionCommand({ ConnectionId: ids[n], Data: JSON.stringify(text) }));
const statusOf = (call: Promise<unknown>) =>
  call.then(
    () => 200,
    error => error.$metadata?.httpStatusCode ?? error.message,
  );
/** All messages of a client, as they come. */
function received(socket: WebSocket): unknown[] {
  const all: unknown[] = [];
  socket.on('message', data => all.push(JSON.parse(String(data))));
  return all;
}
const arrived = (socket: WebSocket, count: number) =>
  new Promise<void>(resolve => {
    let left = count;
    socket.on('message', () => {
      left -= 1;
      if (left === 0) resolve();
    });
  });
const disconnects = async (count: number) => {
  while (disconnected.length < count) {
    await new Promise<void>(resolve => {
      onDisconnect = resolve;
    });
  }
};

describe('posts', () => {
  test('are lost: answered, but not sent', async () => {
    const client = await gateway.open();
    const messages = received(client);
    faults.inject({ fault: 'post-loss', times: 1 });
    expect(await statusOf(post(0, 'lost'))).toBe(200);
    const message = once(client, 'message');
    expect(await statusOf(post(0, 'sent'))).toBe(200);
    await message;
    expect(messages).toEqual(['sent']);
  });

  test('are lost for connections that were open when it began', async () => {
    const old = await gateway.open();
    await new Promise(resolve => setTimeout(resolve, 5));
    faults.inject({ fault: 'post-loss', of: 'present' });
    await new Promise(resolve => setTimeout(resolve, 5));
    const client = await gateway.open();
    const messages = received(old);
    const message = once(client, 'message');
    expect([await statusOf(post(0, 'a')), await statusOf(post(1, 'b'))]).toEqual([200, 200]);
    await message;
    expect(messages).toEqual([]);
  });

  test('are lost for a share of the connections, always the same', async () => {
    const clients: WebSocket[] = [];
    for (let n = 0; n < 10; n += 1) clients.push(await gateway.open());
    const messages = clients.map(received);
    faults.inject({ fault: 'post-loss', of: 'connections', share: 0.5, seed: 3 });
    for (const n of clients.keys()) for (const text of ['a', 'b']) await post(n, text);
    faults.clear();
    const last = clients.map(client => once(client, 'message'));
    for (const n of clients.keys()) await post(n, 'end');
    await Promise.all(last);
    const kinds = new Set(messages.map(list => list.join()));
    expect(kinds).toEqual(new Set(['a,b,end', 'end']));
  });

  test('come late', async () => {
    const client = await gateway.open();
    faults.inject({ fault: 'post-delay', delayMs: 60 });
    const startedAt = performance.now();
    const [message] = await Promise.all([nextMessage(client), post(0, 'late')]);
    expect([message, performance.now() - startedAt >= 59]).toEqual(['late', true]);
  });

  test.each([403, 410, 429, 500, 503] as const)('are refused with %d', async status => {
    await gateway.open();
    faults.inject({ fault: 'post-refusal', status });
    expect(await statusOf(post(0, 'refused'))).toBe(status);
    const close = management.send(new DeleteConnectionCommand({ ConnectionId: ids[0] }));
    expect(await statusOf(close)).toBe(200);
  });

  test('are not answered, and cut when the fault ends', async () => {
    await gateway.open();
    faults.inject({ fault: 'post-timeout' });
    const status = statusOf(post(0, 'silence'));
    while (faults.list()[0]?.happened === 0) await new Promise(setImmediate);
    faults.clear();
    expect(await status).toContain('socket hang up');
    expect(await statusOf(post(0, 'heard'))).toBe(200);
  });

  test('go on while closes are refused', async () => {
    await gateway.open();
    faults.inject({ fault: 'post-refusal', method: 'DELETE', status: 429 });
    expect(await statusOf(management.send(new DeleteConnectionCommand({ ConnectionId: ids[0] })))).toBe(429);
    expect(await statusOf(post(0, 'sent'))).toBe(200);
  });
});

describe('sockets', () => {
  test('that are open are killed without a close frame, and later ones are not', async () => {
    const clients = [await gateway.open(), await gateway.open()];
    const closed = Promise.all(clients.map(closeOf));
    faults.inject({ fault: 'socket-kill' });
    expect((await closed).map(({ code }) => code)).toEqual([1006, 1006]);
    await disconnects(2);
    expect(disconnected.map(({ disconnectStatusCode }) => disconnectStatusCode)).toEqual([1006, 1006]);
    const later = await gateway.open();
    later.send('"alive"');
    expect(await nextMessage(later)).toBe('alive');
  });

  test('are killed to a share, in the order in which they were opened', async () => {
    for (let n = 0; n < 12; n += 1) await gateway.open();
    const { happened } = faults.inject({ fault: 'socket-kill', share: 0.5, seed: 'again' });
    await disconnects(happened);
    // As the seed has it in this order.
    const killed = disconnected.map(({ connectionId }) => ids.indexOf(connectionId));
    expect(killed.sort((a, b) => a - b)).toEqual([4, 5, 7, 9, 10, 11]);
  });

  test('are killed again and again', async () => {
    faults.inject({ fault: 'socket-churn', everyMs: 100 });
    for (let n = 0; n < 2; n += 1) expect((await closeOf(await gateway.open())).code).toBe(1006);
  });

  test('that are half open tell neither side; what was held back comes when the fault ends', async () => {
    const [silent, other] = [await gateway.open(), await gateway.open()];
    faults.inject({ fault: 'socket-half-open', share: 0.5, seed: 4 });
    expect(faults.list()).toMatchObject([{ seen: 2, happened: 1 }]);
    const messages = received(silent);
    silent.send('"into the void"');
    expect(await statusOf(post(0, 'unheard'))).toBe(200);
    // A way that is open, there and back, is as long as one that is not would take.
    other.send('"round trip"');
    expect(await nextMessage(other)).toBe('round trip');
    expect([messages, disconnected]).toEqual([[], []]);
    const later = await gateway.open();
    later.send('"new"');
    expect(await nextMessage(later)).toBe('new');
    const both = arrived(silent, 2);
    faults.clear();
    await both;
    expect(messages).toEqual(['unheard', 'into the void']);
  });

  test('that are half open stay connected for the gateway when their client goes', async () => {
    const client = await gateway.open();
    faults.inject({ fault: 'socket-half-open' });
    const closed = closeOf(client);
    client.terminate();
    await closed;
    expect(await statusOf(post(0, 'to nobody'))).toBe(200);
    expect(disconnected).toEqual([]);
    faults.clear();
    await disconnects(1);
    expect(disconnected[0].disconnectStatusCode).toBe(1006);
    expect(await statusOf(post(0, 'to nobody'))).toBe(410);
  });

  test('that are half open do not tell their client when the gateway closes them', async () => {
    const client = await gateway.open();
    faults.inject({ fault: 'socket-half-open' });
    let told = false;
    const closed = closeOf(client);
    void closed.then(() => {
      told = true;
    });
    expect(await statusOf(management.send(new DeleteConnectionCommand({ ConnectionId: ids[0] })))).toBe(200);
    await disconnects(1);
    const other = await gateway.open();
    other.send('"round trip"');
    await nextMessage(other);
    expect(told).toBe(false);
    faults.clear();
    await closed;
  });

  test('are slow: they take what was sent every so often, and more than their buffer is refused', async () => {
    faults.inject({ fault: 'socket-slow', everyMs: 150 });
    const client = await gateway.open();
    const messages = received(client);
    const all = arrived(client, 4);
    const openedAt = performance.now();
    for (let n = 0; n < 3; n += 1) await post(0, `${n}`);
    expect(await statusOf(post(0, 'x'.repeat(11_000)))).toBe(200);
    expect(await statusOf(post(0, 'too much'))).toBe(429);
    expect(messages).toEqual([]);
    await all;
    // The interval began before the client knew.
    expect(performance.now() - openedAt).toBeGreaterThan(100);
    faults.clear();
    const next = nextMessage(client);
    expect(await statusOf(post(0, 'at once'))).toBe(200);
    expect(await next).toBe('at once');
  });

  test('that are slow can be closed, which leaves no timer behind', async () => {
    faults.inject({ fault: 'socket-slow', everyMs: 50 });
    const client = await gateway.open();
    const closed = closeOf(client);
    client.close(1000);
    expect((await closed).code).toBe(1000);
  });

  test('end without $disconnect', async () => {
    const [first, second] = [await gateway.open(), await gateway.open()];
    faults.inject({ fault: 'disconnect-loss', times: 1 });
    const closed = [closeOf(first)];
    first.close(1000);
    await closed[0];
    second.close(1000);
    await disconnects(1);
    expect(disconnected.map(({ connectionId }) => connectionId)).toEqual([ids[1]]);
    expect(await statusOf(post(0, 'gone'))).toBe(410);
  });
});

test('a gateway that closes is not held up by a fault', async () => {
  await gateway.open();
  faults.inject({ fault: 'socket-half-open' });
  faults.inject({ fault: 'post-timeout' });
  const status = deferred<unknown>();
  void statusOf(post(0, 'x')).then(status.resolve);
  while (faults.list().every(({ fault, happened }) => fault !== 'post-timeout' || happened === 0)) {
    await new Promise(setImmediate);
  }
  faults.close();
  await gateway.api.close();
  expect(await status.promise).toContain('socket hang up');
});
