import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface ScriptedServer {
  readonly url: string;
  /** Requests so far. */
  readonly requests: readonly ReceivedRequest[];
  /** Sockets that were opened so far. */
  readonly sockets: number;
  /** Those of them that are open. */
  readonly openSockets: readonly number[];
  close(): Promise<void>;
}

export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** Which of the sockets it came over, the first is 1. */
  readonly socket: number;
}

/** What a request is answered with; `never` leaves it without an answer. */
export type ScriptedAnswer = { readonly status: number; readonly body?: string } | 'never' | 'reset';

/** An HTTP server on a free port of this machine. */
export async function startScriptedServer(
  answer: (request: ReceivedRequest, n: number) => ScriptedAnswer | Promise<ScriptedAnswer>,
): Promise<ScriptedServer> {
  const requests: ReceivedRequest[] = [];
  let sockets = 0;
  const open = new Map<Socket, number>();
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = request;
    const socket = open.get(request.socket) ?? 0;
    const received = { method, url, headers, body: Buffer.concat(chunks), socket };
    requests.push(received);
    const given = await answer(received, requests.length);
    if (given === 'reset') request.socket.destroy();
    else if (given !== 'never') response.writeHead(given.status).end(given.body);
  };
  const server = createServer((request, response) => {
    respond(request, response).catch(error => response.destroy(error));
  });
  server.on('connection', socket => {
    sockets += 1;
    open.set(socket, sockets);
    socket.on('close', () => open.delete(socket));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get sockets() {
      return sockets;
    },
    get openSockets() {
      return [...open.values()];
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
