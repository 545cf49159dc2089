import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** How long clients have to answer a close frame before their sockets are cut, milliseconds. */
const closeHandshakeMs = 5_000;

/** Completes an admitted handshake. Returns undefined where the client has left. */
export type Upgrade = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  subprotocol: string | undefined,
) => WebSocket | undefined;

/** @param maxPayloadBytes a guard of memory only: the gateway's own limits close before */
export function createUpgrade(maxPayloadBytes: number): Upgrade {
  const subprotocols = new WeakMap<IncomingMessage, string>();
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    clientTracking: false,
    maxPayload: maxPayloadBytes,
    // Known to ws 8.19 and later, not to its type definitions.
    ...{ closeTimeout: closeHandshakeMs },
    handleProtocols: (_offered, request) => subprotocols.get(request) ?? false,
  });
  server.on('headers', (headers, request) => {
    const subprotocol = subprotocols.get(request);
    // The gateway passes the integration's header on whether or not the client offered any.
    if (subprotocol !== undefined && request.headers['sec-websocket-protocol'] === undefined) {
      headers.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
    }
  });
  return (request, socket, head, subprotocol) => {
    if (subprotocol !== undefined) subprotocols.set(request, subprotocol);
    let upgraded: WebSocket | undefined;
    // Calls back before it returns, or not at all.
    server.handleUpgrade(request, socket, head, webSocket => {
      upgraded = webSocket;
    });
    return upgraded;
  };
}
