import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket as ServerSocket, WebSocketServer } from 'ws';
import { probe } from '../../../lambdas/probe/probe.ts';
import { probeChannel } from '../../../lambdas/shared/rights.ts';

type Frame = Record<string, unknown>;
type Answer = (frame: Frame, send: (frame: Frame) => void, socket: ServerSocket) => void;

let server: WebSocketServer;
beforeEach(async () => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'steadysocket.v1' });
  await once(server, 'listening');
});
afterEach(async () => {
  for (const socket of server.clients) socket.terminate();
  await new Promise(resolve => server.close(resolve));
});

/** A service that works. */
const works: Answer = (frame, send) => {
  if (frame.type === 'ping') send({ type: 'pong' });
  if (frame.action === 'subscribe') send({ type: 'subscribed', channel: frame.channel });
  if (frame.action === 'publish') {
    // Another probe's, and the message before it is told to be accepted.
    send({ type: 'messages', messages: [{ type: 'message', id: 'other' }] });
    send({ type: 'message', channel: frame.channel, id: frame.id });
    send({ type: 'accepted', id: frame.id });
  }
};

async function probed(answer: Answer, timeoutMs = 5_000) {
  const frames: Frame[] = [];
  server.on('connection', socket => {
    socket.on('message', data => {
      const frame = JSON.parse(String(data));
      frames.push(frame);
      answer(frame, reply => socket.send(JSON.stringify(reply)), socket);
    });
  });
  const { port } = server.address() as AddressInfo;
  let now = 0;
  const result = await probe({
    url: `ws://127.0.0.1:${port}/dev`,
    token: 'the.probe.token',
    id: 'p1',
    timeoutMs,
    now: () => {
      now += 7;
      return now;
    },
  }).catch((error: unknown) => error);
  return { result, frames };
}

test('a service that works is measured from publishing to receiving, and the connection closed', async () => {
  const { result, frames } = await probed(works);
  expect(result).toEqual({ latencyMs: 7 });
  expect(frames.map(frame => frame.action ?? frame.type)).toEqual(['ping', 'subscribe', 'publish']);
  expect(new Set(frames.slice(1).map(({ channel }) => channel))).toEqual(new Set([probeChannel]));
  expect([...server.clients].every(socket => socket.readyState !== socket.OPEN)).toBe(true);
});

const without =
  (part: string): Answer =>
  (frame, send, socket) => {
    if ((frame.action ?? frame.type) !== part) works(frame, send, socket);
  };

test.each<[string, string, Answer]>([
  ['ping', 'no answer in time', without('ping')],
  ['subscribe', 'no answer in time', without('subscribe')],
  [
    'receive',
    'no answer in time',
    (frame, send, socket) => {
      if (frame.action === 'publish') send({ type: 'accepted', id: frame.id });
      else works(frame, send, socket);
    },
  ],
  [
    'subscribe',
    'refused: internal',
    (frame, send, socket) => {
      if (frame.action === 'subscribe') send({ type: 'error', code: 'internal' });
      else works(frame, send, socket);
    },
  ],
  [
    'subscribe',
    'refused: Internal server error',
    (frame, send, socket) => {
      if (frame.action === 'subscribe') send({ message: 'Internal server error', connectionId: 'c' });
      else works(frame, send, socket);
    },
  ],
  [
    'subscribe',
    'closed with 1011',
    (frame, send, socket) => {
      if (frame.action === 'subscribe') socket.close(1011);
      else works(frame, send, socket);
    },
  ],
])('what fails is told: %s: %s', async (step, reason, answer) => {
  const { result } = await probed(answer, 300);
  expect(result).toMatchObject({ name: 'ProbeFailure', step, message: `${step}: ${reason}` });
});

test('a service that refuses the connection is told', async () => {
  server.options.verifyClient = (_: unknown, done: (admitted: boolean, status: number) => void) => done(false, 503);
  const { result } = await probed(works);
  expect(result).toMatchObject({ name: 'ProbeFailure', step: 'connect' });
});
