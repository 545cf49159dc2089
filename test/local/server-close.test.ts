import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createServerClose } from '../../local/server-close.ts';

let server: Server;
let close: () => Promise<void>;

async function start(listener: RequestListener): Promise<void> {
  server = createServer(listener);
  close = createServerClose(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}
afterEach(() => close());

/** A client that sends what the test says; `received` is all it got once the server has closed the connection. */
async function client(text: string): Promise<{ socket: Socket; received: Promise<string> }> {
  const accepted = once(server, 'connection');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
  const received = new Promise<string>(resolve => {
    let all = '';
    socket.on('data', chunk => (all += chunk));
    socket.on('close', () => resolve(all));
  });
  await accepted;
  socket.write(text);
  return { socket, received };
}

const request = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

test('requests that have arrived are answered, however long it takes, also on a connection that is kept alive', async () => {
  const arrived = Promise.withResolvers<() => void>();
  await start((_request, response) => arrived.resolve(() => response.end('done')));
  const { received } = await client(request);
  const answer = await arrived.promise;
  const closed = close();
  // Longer than those have that did not send a whole request.
  await new Promise(resolve => setTimeout(resolve, 1_200));
  answer();
  expect(await received).toMatch(/^HTTP\/1\.1 200 OK.*done/s);
  await closed;
});

test('connections that wait for nothing are closed at once, and none is accepted', async () => {
  await start((_request, response) => response.end('done'));
  const { socket, received } = await client(request);
  const { port } = server.address() as AddressInfo;
  await once(socket, 'data');
  const from = performance.now();
  await close();
  expect(performance.now() - from).toBeLessThan(900);
  expect(await received).toContain('done');
  await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
});

test.each([
  ['nothing', ''],
  ['half of its headers', 'GET / HTTP/1.1\r\nHost'],
  ['half of its body', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf'],
])('a client that has sent %s does not hold it up', async (_what, text) => {
  await start(received => received.resume());
  const { received } = await client(text);
  await close();
  expect(await received).toBe('');
});

test('a second call is the same close', async () => {
  await start(() => {});
  expect(close()).toBe(close());
});
