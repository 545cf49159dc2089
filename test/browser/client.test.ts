import type { Browser } from 'playwright-core';
import { type Message, SteadySocket } from '../../client/index.ts';
import { type LocalService, startLocalService } from '../end-to-end/local-service.ts';
import { document, launchChromium, openHideablePage, openPage, type Page } from './browser.ts';
import { startWire, type Wire } from './wire.ts';

jest.setTimeout(60_000);

let browser: Browser;
let html: string;
let service: LocalService;
const pages: Page[] = [];
const sockets: SteadySocket[] = [];
const wires: Wire[] = [];
/** Long enough to play no part. */
const heartbeatIntervalMs = 30_000;

beforeAll(async () => {
  browser = await launchChromium();
  html = await document();
  service = await startLocalService({ service: 'vitalstream' });
}, 180_000);
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  for (const page of pages.splice(0)) await page.close();
  for (const wire of wires.splice(0)) await wire.close();
});
afterAll(async () => {
  await browser?.close();
  await service?.end();
});

const opened = <P extends Page>(page: P): P => {
  pages.push(page);
  return page;
};
const newPage = async (policy?: string) => opened(await openPage(browser, html, policy));

async function connectPage(page: Page, url = service.endpoints.websocketUrl, beats = heartbeatIntervalMs) {
  const tokens = [await service.token({ user: 'carol' })];
  await page.call('connect', { url, tokens, heartbeatIntervalMs: beats });
}

/** A client in Node that hears a channel from its beginning. */
function nodeClient(channel: string) {
  const socket = new SteadySocket({
    url: service.endpoints.websocketUrl,
    token: () => service.token({ user: 'nora' }),
    heartbeatIntervalMs,
  });
  sockets.push(socket);
  const received: Message[] = [];
  const arrivals = new EventTarget();
  socket.subscribe(channel, {
    since: '0'.repeat(39),
    onMessage: message => {
      received.push(message);
      arrivals.dispatchEvent(new Event('message'));
    },
  });
  const messages = async (count: number) => {
    while (received.length < count) {
      await new Promise(resolve => arrivals.addEventListener('message', resolve, { once: true }));
    }
    return received;
  };
  return { socket, messages };
}

it('connects with its token as a subprotocol, and exchanges messages with Node', async () => {
  const { socket, messages } = nodeClient('ward:1');
  const page = await newPage();
  await connectPage(page);
  await page.call('subscribe', 'ward:1');
  await page.call('publish', 'ward:1', { from: 'Chromium', text: 'µV 🎈' }, 'c1');
  expect((await messages(1))[0]).toMatchObject({ id: 'c1', data: { from: 'Chromium', text: 'µV 🎈' } });
  await socket.publish('ward:1', 'from Node', { id: 'n1' });
  expect((await page.call('messages', 2)).map(({ id }) => id)).toEqual(['c1', 'n1']);
  const { members } = await socket.presence('ward:1');
  expect(members).toContainEqual(expect.objectContaining({ user: 'carol', clientVersion: 'browser/1.0.0' }));
});

it('asks for another token where the handshake is refused, which a browser does not show', async () => {
  const page = await newPage();
  const tokens = ['no.token.atall', await service.token({ user: 'carol' })];
  await page.call('connect', { url: service.endpoints.websocketUrl, tokens, heartbeatIntervalMs });
});

it('has what it missed after its connection was cut, once and in order', async () => {
  const wire = await startWire(service.endpoints.websocketUrl);
  wires.push(wire);
  const { socket } = nodeClient('ward:2');
  const page = await newPage();
  await connectPage(page, wire.url);
  await page.call('subscribe', 'ward:2');
  await socket.publish('ward:2', 1, { id: 'm1' });
  await page.call('messages', 1);
  wire.cut();
  await page.call('state', 'waiting');
  for (let n = 2; n <= 5; n++) await socket.publish('ward:2', n, { id: `m${n}` });
  wire.mend();
  const received = await page.call('messages', 5);
  expect(received.map(({ id }) => id)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5']);
  expect(received.slice(1).every(({ replay }) => replay)).toBe(true);
});

/** A text that has so many bytes as JSON, some of them of characters of several bytes, or that are escaped. */
function textOf(jsonBytes: number): string {
  const sample = '"µV"\\ 🎈';
  const sizeOf = (text: string) => Buffer.byteLength(JSON.stringify(text));
  const samples = sample.repeat(Math.floor((jsonBytes - 2) / (sizeOf(sample) - 2)));
  return samples + 'x'.repeat(jsonBytes - sizeOf(samples));
}

it('carries a message of 1 MiB to Node and back, and no larger one', async () => {
  const { messages } = nodeClient('ward:3');
  const page = await newPage();
  await connectPage(page);
  await page.call('subscribe', 'ward:3');
  const exact = textOf(1024 * 1024);
  await page.call('publish', 'ward:3', exact, 'there');
  const [there] = await messages(1);
  expect(there?.id).toBe('there');
  expect(there?.data === exact).toBe(true);
  await page.call('messages', 1);
  expect(await page.call('echo', 'ward:3', 'back')).toBe(JSON.stringify(exact).length);
  const [, back] = await messages(2);
  expect(back?.id).toBe('back');
  expect(back?.data === exact).toBe(true);
  expect(await page.call('refusal', 'ward:3', `${exact}x`)).toBe('message_too_large');
});

it('beats from a Worker while its page is hidden, whose own timers have come to a stand', async () => {
  const page = opened(await openHideablePage(browser, html));
  await connectPage(page, service.endpoints.websocketUrl, 500);
  await page.hide();
  expect(await page.visibility()).toBe('hidden');
  await page.call('beginTicking', 500);
  // Chromium leaves a page that was just loaded 10 s before it slows its timers down to one a minute.
  await page.call('beats', 24);
  const { heartbeats, ticks } = await page.call('beats', 12);
  const [from = 0, to = 0] = [heartbeats.at(0), heartbeats.at(-1)];
  expect(ticks.filter(tick => tick > from && tick < to)).toEqual([]);
  const longest = Math.max(...heartbeats.slice(1).map((beat, n) => beat - (heartbeats[n] ?? 0)));
  expect(longest).toBeLessThan(2_000);
});

it('beats all the same where the page allows no Worker', async () => {
  const page = await newPage("worker-src 'none'");
  await connectPage(page, service.endpoints.websocketUrl, 200);
  const { heartbeats } = await page.call('beats', 5);
  expect(heartbeats).toHaveLength(5);
});
