import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServerClose } from './server-close.ts';

export interface Listening {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/**
 * Starts a server on this machine's own address.
 * @param port 0 takes a free one
 * @throws Error `EADDRINUSE` where the port is taken
 */
export async function listen(server: Server, port: number): Promise<Listening> {
  const close = createServerClose(server);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close };
}
