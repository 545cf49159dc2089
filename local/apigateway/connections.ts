import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { AuthorizerContext, ConnectionFacts } from './websocket-events.ts';

/** An open connection. It is closed, and gone for @connections, as soon as `end` was called or its socket closed. */
export interface Connection {
  readonly facts: ConnectionFacts;
  readonly socket: WebSocket;
  /** What the WebSocket runs on. */
  readonly stream: Duplex;
  readonly authorizer: AuthorizerContext | undefined;
  /** Epoch milliseconds of the last message in either direction. */
  lastActiveAt: number;
  /** Closes it for a reason of the server's; `code` is a WebSocket close code. */
  end(code: number, reason: string): void;
}

/** The open connections by id. */
export type Connections = Map<string, Connection>;

/** "Quotas for configuring and running a WebSocket API": frames of up to 32 KB, so longer messages become several. */
const maxFrameBytes = 32 * 1024;

/** Sends a text message, as several frames where it is longer than one may be. */
export function sendText(connection: Connection, text: Buffer | string): void {
  const { socket } = connection;
  connection.lastActiveAt = Date.now();
  if (typeof text === 'string' && text.length * 3 <= maxFrameBytes) {
    socket.send(text);
    return;
  }
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  if (bytes.length <= maxFrameBytes) {
    socket.send(bytes, { binary: false });
    return;
  }
  for (let offset = 0; offset < bytes.length; offset += maxFrameBytes) {
    const fin = offset + maxFrameBytes >= bytes.length;
    socket.send(bytes.subarray(offset, offset + maxFrameBytes), { binary: false, fin });
  }
}
