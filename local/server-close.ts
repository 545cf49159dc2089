import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/** How long clients have for what they began (a request, the answer to a close frame), milliseconds. */
const graceMs = 1_000;

/**
 * Watches a server from its start. The returned function closes it, once however often it is called: no connection is
 * accepted any more, requests that have arrived are answered, and what else is still connected after a second is cut.
 */
export function createServerClose(server: Server): () => Promise<void> {
  const connected = new Set<Socket>();
  const underWay = new Set<IncomingMessage>();
  let closed: Promise<void> | undefined;

  server.on('connection', (socket: Socket) => {
    connected.add(socket);
    socket.once('close', () => connected.delete(socket));
  });
  server.on('request', (request, response) => {
    underWay.add(request);
    response.once('close', () => {
      underWay.delete(request);
      // The connection is idle only after this event.
      if (closed) setImmediate(() => server.closeIdleConnections());
    });
  });

  function cut(): void {
    const answering = new Set([...underWay].filter(({ complete }) => complete).map(({ socket }) => socket));
    for (const socket of connected) if (!answering.has(socket)) socket.destroy();
  }

  async function close(): Promise<void> {
    const stopped = new Promise<void>((resolve, reject) => server.close(error => (error ? reject(error) : resolve())));
    server.closeIdleConnections();
    const timer = setTimeout(cut, graceMs);
    await stopped.finally(() => clearTimeout(timer));
  }

  return () => (closed ??= close());
}
