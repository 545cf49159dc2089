import { setTimeout as wait } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { readEndpoints } from '../endpoints.ts';
import { createIssuer } from '../tokens/issuer.ts';
import { readIssuerClaims } from '../tokens/server.ts';
import { FaultError } from './fault-error.ts';

export interface StormOptions {
  /** Of the environment. */
  readonly stateDirectory: string;
  readonly connections: number;
  readonly perSecond: number;
  readonly holdSeconds: number;
}

/** A client's own wait before it gives a handshake up, milliseconds. */
const patienceMs = 30_000;

/** @returns the status of the handshake, or why there is none */
function open(url: string, token: string): Promise<{ readonly outcome: string; readonly socket: WebSocket }> {
  const socket = new WebSocket(url, ['steadysocket.v1', `bearer.${token}`], { handshakeTimeout: patienceMs });
  return new Promise(resolve => {
    socket.once('open', () => resolve({ outcome: '101', socket }));
    socket.once('unexpected-response', (_, response) => {
      resolve({ outcome: String(response.statusCode), socket });
      response.resume();
      socket.terminate();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ outcome: error.code ?? error.message, socket }));
  });
}

/**
 * Opens connections at a rate, each of another user, holds and closes them.
 * @returns how the handshakes ended, e.g. `101: 480, 429: 20`
 * @throws FaultError where no environment runs
 */
export async function storm({ stateDirectory, connections, perSecond, holdSeconds }: StormOptions): Promise<string> {
  const endpoints = await readEndpoints(stateDirectory);
  if (!endpoints) throw new FaultError(`no environment runs with the state directory '${stateDirectory}': npm start`);
  const [claims, issuer] = await Promise.all([readIssuerClaims(stateDirectory), createIssuer(stateDirectory)]);
  const channels = { read: ['*'], write: ['*'] };
  const opening: ReturnType<typeof open>[] = [];
  const startedAt = performance.now();
  for (let n = 0; n < connections; n += 1) {
    const token = await issuer.sign({ user: `storm-${n}`, channels, expires: '2h', algorithm: 'ES256', ...claims });
    const due = startedAt + (n * 1000) / perSecond - performance.now();
    if (due > 0) await wait(due);
    opening.push(open(endpoints.websocketUrl, token));
  }
  const opened = await Promise.all(opening);
  const tookMs = Math.round(performance.now() - startedAt);
  await wait(holdSeconds * 1000);
  for (const { socket } of opened) socket.close();
  const counts = Map.groupBy(opened, ({ outcome }) => outcome);
  const told = [...counts].sort().map(([outcome, { length }]) => `${outcome}: ${length}`);
  return `${told.join(', ')} (${tookMs} ms)`;
}
