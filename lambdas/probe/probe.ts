import { once } from 'node:events';
import { subprotocol } from '../shared/protocol.ts';
import { probeChannel } from '../shared/rights.ts';

export type ProbeStep = 'connect' | 'ping' | 'subscribe' | 'publish' | 'receive';

/** The service does not do for a client what it should. */
export class ProbeFailure extends Error {
  readonly step: ProbeStep;
  constructor(step: ProbeStep, reason: string) {
    super(`${step}: ${reason}`);
    this.name = 'ProbeFailure';
    this.step = step;
  }
}

export interface ProbeOptions {
  /** `wss://…/<stage>` */
  readonly url: string;
  readonly token: string;
  /** Unique among the probe's messages. */
  readonly id: string;
  /** For all steps together, milliseconds. */
  readonly timeoutMs: number;
  readonly now?: () => number;
}

export interface ProbeResult {
  /** From sending the publication until the message came back, milliseconds. */
  readonly latencyMs: number;
}

type Frame = Readonly<Record<string, unknown>>;

/** A close that is not answered does not hold the probe up longer, milliseconds. */
const closeMs = 1_000;

/**
 * Does what a client does: connects, pings, subscribes, publishes, and receives its own message.
 * @throws ProbeFailure that names the step
 */
export async function probe({ url, token, id, timeoutMs, now = Date.now }: ProbeOptions): Promise<ProbeResult> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const socket = new WebSocket(url, [subprotocol, `bearer.${token}`]);
  const frames = new Frames(socket);
  const expect = (step: ProbeStep, send: object | undefined, wanted: (frame: Frame) => boolean) => {
    if (send) socket.send(JSON.stringify(send));
    return frames.next(step, wanted, deadline);
  };
  try {
    await frames.opened(deadline);
    await expect('ping', { type: 'ping' }, ({ type }) => type === 'pong');
    await expect('subscribe', { action: 'subscribe', channel: probeChannel }, ({ type }) => type === 'subscribed');
    const publishedAt = now();
    const received = expect('receive', undefined, frame => messagesOf(frame).some(message => message.id === id));
    const publication = { action: 'publish', channel: probeChannel, id, data: null };
    const accepted = expect('publish', publication, frame => frame.type === 'accepted' && frame.id === id);
    // Which of the two comes first is open.
    const receivedAt = received.then(now);
    await Promise.all([accepted, receivedAt]);
    return { latencyMs: (await receivedAt) - publishedAt };
  } finally {
    await close(socket);
  }
}

const messagesOf = (frame: Frame): readonly Frame[] =>
  frame.type === 'messages' ? (frame.messages as readonly Frame[]) : frame.type === 'message' ? [frame] : [];

async function close(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return;
  const closed = once(socket, 'close', { signal: AbortSignal.timeout(closeMs) });
  socket.close();
  // What does not close in time is the environment's to end.
  await closed.catch(() => {});
}

/** The frames of a socket, to be waited for one by one. */
class Frames {
  readonly #socket: WebSocket;
  readonly #waiting = new Set<{
    wanted(frame: Frame): boolean;
    resolve(frame: Frame): void;
    fail(reason: string): void;
  }>();
  #over: string | undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#take(String(data)));
    socket.addEventListener('close', ({ code }) => this.#end(`closed with ${code}`));
    // The close that follows says it.
    socket.addEventListener('error', () => {});
  }

  async opened(deadline: AbortSignal): Promise<void> {
    const failed = new Promise<never>((_, reject) => {
      const fail = (reason: string) => reject(new ProbeFailure('connect', reason));
      this.#socket.addEventListener('close', ({ code }) => fail(`refused, or closed with ${code}`), { once: true });
      deadline.addEventListener('abort', () => fail('no answer in time'), { once: true });
    });
    // It may fail when nobody waits for it any more.
    failed.catch(() => {});
    await Promise.race([once(this.#socket, 'open'), failed]);
  }

  /** The next frame that is wanted; an error frame is what fails meanwhile. */
  next(step: ProbeStep, wanted: (frame: Frame) => boolean, deadline: AbortSignal): Promise<Frame> {
    return new Promise<Frame>((resolve, reject) => {
      const waiting = {
        wanted,
        resolve: (frame: Frame) => {
          this.#waiting.delete(waiting);
          resolve(frame);
        },
        fail: (reason: string) => {
          this.#waiting.delete(waiting);
          reject(new ProbeFailure(step, reason));
        },
      };
      this.#waiting.add(waiting);
      if (this.#over !== undefined) waiting.fail(this.#over);
      else deadline.addEventListener('abort', () => waiting.fail('no answer in time'), { once: true });
    });
  }

  #take(text: string): void {
    let frame: Frame;
    try {
      frame = JSON.parse(text) as Frame;
    } catch {
      this.#end('a frame that is not JSON');
      return;
    }
    // What the gateway answers by itself has a message and no type.
    const refused = frame.type === 'error' || frame.type === undefined;
    for (const waiting of [...this.#waiting]) {
      if (refused) waiting.fail(`refused: ${String(frame.code ?? frame.message)}`);
      else if (waiting.wanted(frame)) waiting.resolve(frame);
    }
  }

  #end(reason: string): void {
    this.#over ??= reason;
    for (const waiting of [...this.#waiting]) waiting.fail(reason);
  }
}
