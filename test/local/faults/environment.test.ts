import { setTimeout as wait } from 'node:timers/promises';
import { sign } from 'aws4';
import { connectToFaults } from '../../../local/faults/control-client.ts';
import { TestClient } from '../../end-to-end/client.ts';
import { type LocalService, startLocalService } from '../../end-to-end/local-service.ts';

jest.setTimeout(120_000);

let service: LocalService;
const clients: TestClient[] = [];

beforeAll(async () => {
  service = await startLocalService({ service: 'chat-backend' });
});
afterEach(async () => {
  service.faults.clear();
  for (const client of clients.splice(0)) client.socket.terminate();
});
afterAll(() => service.end());

async function connect(user: string): Promise<TestClient> {
  const client = await TestClient.connect(service.endpoints.websocketUrl, await service.token({ user }));
  clients.push(client);
  return client;
}

async function subscribed(channel: string): Promise<TestClient> {
  const client = await connect('bob');
  expect(await client.ask({ action: 'subscribe', channel })).toMatchObject({ type: 'subscribed' });
  return client;
}

/** Publishes as a server does. */
async function post(channel: string, ...ids: string[]) {
  const { host, origin } = new URL(service.endpoints.httpUrl);
  const path = `/channels/${encodeURIComponent(channel)}/messages`;
  const body = JSON.stringify({ messages: ids.map(id => ({ id, data: id })) });
  const { headers } = sign(
    { service: 'execute-api', region: service.endpoints.region, host, method: 'POST', path, body },
    service.developer,
  );
  const startedAt = performance.now();
  const response = await fetch(origin + path, { method: 'POST', body, headers: headers as Record<string, string> });
  const { messages, code } = (await response.json()) as { messages: { id: string; cursor?: string }[]; code?: string };
  return { status: response.status, code, messages, tookMs: performance.now() - startedAt };
}

const idsOf = (client: TestClient, channel: string): unknown[] => {
  const byCursor = new Map(client.messages(channel).map(({ cursor, id }) => [cursor, id]));
  return [...byCursor].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)).map(([, id]) => id);
};
const hasAll = (client: TestClient, channel: string, count: number) =>
  client.until(() => (idsOf(client, channel).length >= count ? true : undefined), `${count} messages`);

describe('servers that publish', () => {
  it('have several messages accepted in one request, which subscribers get in order', async () => {
    const client = await subscribed('news:1');
    const ids = Array.from({ length: 10 }, (_, n) => `m${n}`);
    const { status, messages } = await post('news:1', ...ids);
    expect(status).toBe(200);
    expect(messages.map(({ id }) => id)).toEqual(ids);
    expect(messages.map(({ cursor }) => cursor)).toEqual(messages.map(({ cursor }) => cursor).sort());
    await hasAll(client, 'news:1', 10);
    expect(idsOf(client, 'news:1')).toEqual(ids);
  });

  it('are answered within a second while the queue is silent, and lose and double nothing', async () => {
    const client = await subscribed('news:2');
    await post('news:2', 'm0');
    service.faults.inject({ fault: 'queue-outage', queue: 'publications', answer: 'silence' });
    const refused = await post('news:2', 'm1', 'm2');
    expect(refused).toMatchObject({
      status: 503,
      code: 'unavailable',
      messages: [
        { id: 'm1', code: 'unavailable' },
        { id: 'm2', code: 'unavailable' },
      ],
    });
    expect(refused.tookMs).toBeLessThan(1_700);
    service.faults.clear();
    expect((await post('news:2', 'm1', 'm2')).status).toBe(200);
    await hasAll(client, 'news:2', 3);
    expect(idsOf(client, 'news:2')).toEqual(['m0', 'm1', 'm2']);
  });
});

it.each([2, 4])('a fan-out that dies after %d calls loses nothing once its batch is received again', async calls => {
  const channel = `crash:${calls}`;
  const client = await subscribed(channel);
  const { id } = service.faults.inject({ fault: 'function-crash', function: 'fan-out', afterCalls: calls, times: 1 });
  // Left to itself the batch would come again after the queue's visibility timeout only, which is minutes.
  service.faults.inject({ fault: 'queue-redelivery', queue: 'publications', hiddenMs: 1_000, times: 1 });
  await post(channel, 'm1', 'm2', 'm3');
  await hasAll(client, channel, 3);
  expect(idsOf(client, channel)).toEqual(['m1', 'm2', 'm3']);
  expect(service.faults.list().find(fault => fault.id === id)).toMatchObject({ happened: 1 });
});

it('a store that throttles a third of its requests delays messages and loses none', async () => {
  const client = await subscribed('slow:1');
  service.faults.inject({ fault: 'store-throttle', table: 'messages', share: 0.33, seed: 1 });
  await post('slow:1', 'm1', 'm2', 'm3', 'm4', 'm5');
  await hasAll(client, 'slow:1', 5);
  expect(idsOf(client, 'slow:1')).toEqual(['m1', 'm2', 'm3', 'm4', 'm5']);
  expect(service.faults.list()[0]?.happened).toBeGreaterThan(0);
});

it('a client whose socket is killed is seen to be gone, unless its $disconnect is lost', async () => {
  const watcher = await subscribed('present:1');
  const members = async () =>
    ((await watcher.ask({ action: 'presence', channel: 'present:1' })).members as object[]).length;
  const carol = await connect('carol');
  await carol.ask({ action: 'subscribe', channel: 'present:1' });
  expect(await members()).toBe(2);
  service.faults.inject({ fault: 'disconnect-loss', times: 1 });
  const gone = carol.closed();
  carol.socket.terminate();
  await gone;
  while (service.faults.list()[0]?.happened === 0) await wait(5);
  expect(await members()).toBe(2);
});

it('the command reaches the environment by its state directory', async () => {
  const remote = await connectToFaults(service.stateDirectory);
  const { id } = await remote.inject({ fault: 'store-latency', delayMs: 1 });
  expect(service.faults.list()).toMatchObject([{ id, fault: 'store-latency' }]);
  await remote.clear(id);
  expect(service.faults.list()).toEqual([]);
});
