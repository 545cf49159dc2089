import { once } from 'node:events';
import WebSocket from 'ws';

export type Frame = Record<string, unknown>;

/** Longest wait for a frame; functions start cold, on two cores. */
const patienceMs = 20_000;

/** A client as an application would be one: a real socket, whose frames are awaited by what they are. */
export class TestClient {
  readonly socket: WebSocket;
  readonly received: Frame[] = [];
  private readonly waiting = new Set<() => void>();

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', data => {
      this.received.push(JSON.parse(String(data)));
      for (const check of this.waiting) check();
    });
  }

  static async connect(url: string, token?: string, options: WebSocket.ClientOptions = {}): Promise<TestClient> {
    const socket = token
      ? new WebSocket(url, ['steadysocket.v1', `bearer.${token}`], options)
      : new WebSocket(url, options);
    const client = new TestClient(socket);
    await once(socket, 'open');
    return client;
  }

  send(frame: Frame | string): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The first frame that has these fields, received already or to come. */
  frame(expected: Frame): Promise<Frame> {
    return this.until(
      () => this.received.find(frame => Object.entries(expected).every(([key, value]) => frame[key] === value)),
      JSON.stringify(expected),
    );
  }

  /** Sends and awaits the answer, matched by a request id where the frame can carry one. */
  async ask(frame: Frame): Promise<Frame> {
    const request = `r${Math.random()}`;
    this.send({ ...frame, request });
    return this.frame({ request });
  }

  /** All messages of a channel so far, those that share a frame too. */
  messages(channel: string): Frame[] {
    return this.received
      .flatMap(frame => (frame.type === 'messages' ? (frame.messages as Frame[]) : [frame]))
      .filter(frame => frame.type === 'message' && frame.channel === channel);
  }

  until<T>(look: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = look();
        if (found === undefined) return;
        clearTimeout(timer);
        this.waiting.delete(check);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.waiting.delete(check);
        reject(new Error(`no ${what} within ${patienceMs} ms among ${JSON.stringify(this.received).slice(0, 2_000)}`));
      }, patienceMs);
      this.waiting.add(check);
      check();
    });
  }

  closed(): Promise<{ readonly code: number; readonly reason: string }> {
    return new Promise(resolve => {
      this.socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = this.closed();
    this.socket.close();
    await closed;
  }
}

/** The status that a handshake is refused with. */
export async function refusedStatus(
  url: string,
  protocols: readonly string[] = [],
  options: WebSocket.ClientOptions = {},
): Promise<number | undefined> {
  const socket = new WebSocket(url, [...protocols], options);
  const [, response] = await Promise.race([
    once(socket, 'unexpected-response'),
    once(socket, 'open').then(() => {
      socket.close();
      throw new Error('the handshake was not refused');
    }),
  ]);
  response.resume();
  socket.terminate();
  return response.statusCode;
}
