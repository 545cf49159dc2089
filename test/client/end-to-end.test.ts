import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { type Loss, type Message, Refused, SteadySocket, type WebSocketConstructor } from '../../client/index.ts';
import { type LocalService, startLocalService } from '../end-to-end/local-service.ts';

jest.setTimeout(60_000);

const clientCount = 20;
const messageCount = 60;
/** What the nth publication carries: every tenth goes out in parts. */
const dataOf = (number: number) => (number % 10 === 0 ? String(number).padEnd(70_000, 'x') : number);
/** The crowd loses a socket this often, and so each client its own about every 2 s. */
const killEveryMs = 2_000 / clientCount;

let service: LocalService;
const sockets: SteadySocket[] = [];

beforeAll(async () => {
  service = await startLocalService({ service: 'matchbook' });
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});
afterAll(() => service.end());

function connect(user: string, WebSocket?: WebSocketConstructor): SteadySocket {
  const socket = new SteadySocket({
    url: service.endpoints.websocketUrl,
    token: () => service.token({ user }),
    client: 'test/1.0.0',
    heartbeatIntervalMs: 30_000,
    // A machine that tests elsewhere too may take long to answer, which is no reason to try less often.
    backoff: { baseMs: 200, capMs: 2_000 },
    ...(WebSocket && { WebSocket }),
  });
  sockets.push(socket);
  return socket;
}

/** Resolves when the condition holds, which is looked at after each call of `check`. */
function condition(holds: () => boolean): { readonly met: Promise<void>; check(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { met: promise, check: () => holds() && resolve() };
}

it('works with the global WebSocket: publishes, delivers, tells who is there', async () => {
  const [ann, bob] = [connect('ann'), connect('bob')];
  const received: Message[] = [];
  const done = condition(() => received.length === 2);
  const since = '0'.repeat(39);
  bob.subscribe('room:global', {
    since,
    onMessage: message => {
      received.push(message);
      done.check();
    },
  });
  const accepted = await Promise.all([ann.publish('room:global', 'one'), ann.publish('room:global', { two: 2 })]);
  await done.met;
  expect(received.map(({ data }) => data)).toEqual(['one', { two: 2 }]);
  expect(received.map(({ cursor }) => cursor)).toEqual(accepted.map(({ cursor }) => cursor));
  const { members } = await ann.presence('room:global');
  expect(members).toEqual([expect.objectContaining({ user: 'bob', clientVersion: 'test/1.0.0' })]);
});

it('rejects a publication that the service refuses, and goes on with the next', async () => {
  const ann = connect('ann');
  const refused = ann.publish('room:refusal', 'x', { id: 'i'.repeat(129) });
  const next = ann.publish('room:refusal', 'y');
  await expect(refused).rejects.toThrow(Refused);
  await expect(next).resolves.toEqual({ cursor: expect.any(String) });
});

it('delivers every message once and in order to clients whose sockets are killed all the time', async () => {
  const open = new Set<WebSocket>();
  class MortalWebSocket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      this.on('open', () => open.add(this));
      this.on('close', () => open.delete(this));
    }
  }
  const channel = 'room:killed';
  const received: Message[][] = [];
  const losses: Loss[] = [];
  const done = condition(() => received.every(messages => messages.length >= messageCount));
  const clients = Array.from({ length: clientCount }, (_, index) => {
    const client = connect(`user-${index}`, MortalWebSocket);
    const messages: Message[] = [];
    received.push(messages);
    client.subscribe(channel, {
      since: '0'.repeat(39),
      onMessage: message => {
        messages.push(message);
        done.check();
      },
      onLost: loss => losses.push(loss),
    });
    return client;
  });
  await Promise.all(
    clients.map(client => new Promise<void>(resolve => client.on('state', state => state === 'open' && resolve()))),
  );

  let kills = 0;
  const killer = setInterval(() => {
    const victims = [...open];
    const victim = victims[Math.floor(Math.random() * victims.length)];
    if (!victim) return;
    open.delete(victim);
    victim.terminate();
    kills++;
  }, killEveryMs);
  const publications: Promise<unknown>[] = [];
  try {
    for (let number = 0; number < messageCount; number++) {
      // The publishers lose their sockets as well.
      const publisher = clients[number % 3] as SteadySocket;
      publications.push(publisher.publish(channel, dataOf(number), { id: `m${number}` }));
      await sleep(150);
    }
  } finally {
    clearInterval(killer);
  }
  await Promise.all(publications);
  await done.met;

  const reference = received[0]?.map(({ cursor }) => cursor) ?? [];
  expect(reference).toEqual([...new Set(reference)].sort());
  expect(new Set(received[0]?.map(({ id }) => id)).size).toBe(messageCount);
  for (const messages of received) {
    expect(messages.map(({ cursor }) => cursor)).toEqual(reference);
    // Not by `toEqual`, which would write the data out where it fails.
    expect(messages.every(({ id, data }) => data === dataOf(Number(id.slice(1))))).toBe(true);
  }
  expect(losses).toEqual([]);
  expect(kills).toBeGreaterThan(3 * clientCount);
});
