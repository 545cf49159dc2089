import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** A handshake that is answered with an HTTP status other than 101. */
export class HandshakeRefusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Answers a handshake as API Gateway does, and ends its connection. */
export function sendRefusal(
  socket: Duplex,
  { status, message }: HandshakeRefusal,
  ids: { readonly connectionId: string; readonly requestId: string },
): void {
  if (!socket.writable) return;
  const body = JSON.stringify({ message, connectionId: ids.connectionId, requestId: ids.requestId });
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n` +
      'Connection: close\r\nContent-Type: application/json\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\nx-amzn-RequestId: ${ids.requestId}\r\n\r\n${body}`,
  );
}
