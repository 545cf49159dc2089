import { EventEmitter, once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

export type Frame = Record<string, unknown>;

/** One connection of a client, as the service sees it. */
export class ServedConnection {
  readonly url: string;
  readonly protocols: string;
  readonly frames: Frame[] = [];
  readonly #socket: WebSocket;
  readonly #events = new EventEmitter();
  #closed = false;
  #code: number | undefined;

  constructor(socket: WebSocket, request: IncomingMessage, answer: (frame: Frame) => Frame | undefined) {
    this.#socket = socket;
    this.url = request.url ?? '';
    this.protocols = request.headers['sec-websocket-protocol'] ?? '';
    socket.on('message', data => {
      const frame: Frame = JSON.parse(String(data));
      this.frames.push(frame);
      const given = answer(frame);
      if (given) this.send({ ...(frame.request !== undefined && { request: frame.request }), ...given });
      this.#events.emit('changed');
    });
    socket.on('close', code => {
      this.#closed = true;
      this.#code = code;
      this.#events.emit('changed');
    });
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** The nth frame with this action, from 1, received already or to come. */
  async frame(action: string, nth = 1): Promise<Frame> {
    for (;;) {
      const frame = this.frames.filter(frame => frame.action === action)[nth - 1];
      if (frame) return frame;
      await once(this.#events, 'changed');
    }
  }

  /** @returns the code that it was closed with */
  async closed(): Promise<number | undefined> {
    while (!this.#closed) await once(this.#events, 'changed');
    return this.#code;
  }

  send(frame: Frame | string): void {
    this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  kill(): void {
    this.#socket.terminate();
  }
}

export interface ScriptedService {
  readonly url: string;
  /** The nth connection, from 1, made already or to come. */
  connection(nth: number): Promise<ServedConnection>;
  readonly connections: readonly ServedConnection[];
  close(): Promise<void>;
}

/** A service on a free port of this machine that answers each frame as told, with the frame's `request`. */
export async function startScriptedService(answer: (frame: Frame) => Frame | undefined): Promise<ScriptedService> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'steadysocket.v1' });
  await once(server, 'listening');
  const connections: ServedConnection[] = [];
  const events = new EventEmitter();
  server.on('connection', (socket, request) => {
    connections.push(new ServedConnection(socket, request, answer));
    events.emit('connection');
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/dev`,
    connections,
    async connection(nth) {
      for (;;) {
        const connection = connections[nth - 1];
        if (connection) return connection;
        await once(events, 'connection');
      }
    },
    async close() {
      for (const connection of connections) connection.kill();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
