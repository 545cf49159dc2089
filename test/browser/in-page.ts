/** What runs in the page: an application of the client. Bundled for the browser, and driven from the test by name. */
import { type Cursor, SteadySocket } from '../../client/index.ts';

interface ConnectOptions {
  readonly url: string;
  readonly tokens: readonly string[];
  readonly heartbeatIntervalMs: number;
}

interface Received {
  readonly id: string;
  readonly cursor: Cursor;
  readonly data: unknown;
  readonly replay: boolean;
}

type Listener = () => void;

/** Functions start cold, on two cores. */
const patienceMs = 30_000;

// The compiler knows Node's WebSocket only, which is the same where it is used here.
const { WebSocket } = globalThis;

let socket: SteadySocket;
/** When a heartbeat went out, by the page's clock. */
const heartbeats: number[] = [];
/** When the page's own timer ran, which sets itself anew each time. */
const ticks: number[] = [];
const received: Received[] = [];
const states: string[] = [];
const waiting = new Set<Listener>();
const changed = () => {
  for (const check of waiting) check();
};

function until<T>(look: () => T | undefined): Promise<T> {
  return new Promise(resolve => {
    const check = () => {
      const found = look();
      if (found === undefined) return;
      waiting.delete(check);
      resolve(found);
    };
    waiting.add(check);
    check();
  });
}

class RecordingWebSocket extends WebSocket {
  override send(text: string): void {
    if (text.includes('"heartbeat"')) {
      heartbeats.push(performance.now());
      changed();
    }
    super.send(text);
  }
}

/** Begins, and waits for the connection. */
export async function connect({ url, tokens, heartbeatIntervalMs }: ConnectOptions): Promise<void> {
  const left = [...tokens];
  socket = new SteadySocket({
    url,
    token: () => left.shift() ?? tokens.at(-1) ?? '',
    client: 'browser/1.0.0',
    heartbeatIntervalMs,
    backoff: { baseMs: 100, capMs: 1_000 },
    WebSocket: RecordingWebSocket as never,
  });
  socket.on('state', state => {
    states.push(state);
    changed();
  });
  let lost: unknown;
  socket.on('error', error => {
    lost = error;
  });
  const givenUp = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`not connected: ${lost}`)), patienceMs);
  });
  await Promise.race([until(() => (socket.state === 'open' ? true : undefined)), givenUp]);
}

/** Subscribes, and waits until that stands. */
export async function subscribe(channel: string): Promise<void> {
  socket.subscribe(channel, {
    since: '0'.repeat(39),
    onMessage: ({ id, cursor, data, replay }) => {
      received.push({ id, cursor, data, replay: replay ?? false });
      changed();
    },
  });
  // Frames are answered in any order, but this one is about what was asked before.
  for (;;) {
    const { members } = await socket.presence(channel);
    if (members.length > 0) return;
  }
}

export const publish = (channel: string, data: unknown, id: string) => socket.publish(channel, data, { id });

/** Publishes what came last, as it came. */
export async function echo(channel: string, id: string): Promise<number> {
  const last = received.at(-1);
  await socket.publish(channel, last?.data, { id });
  return JSON.stringify(last?.data).length;
}

/** @returns all that came, once it is so many */
export const messages = (count: number) =>
  until(() => (received.length >= count ? received.map(({ id, replay }) => ({ id, replay })) : undefined));

export const state = (expected: string) => until(() => (states.at(-1) === expected ? expected : undefined));

/** The name of the error that a publication is rejected with. */
export const refusal = (channel: string, data: unknown): Promise<string> =>
  socket.publish(channel, data).then(
    () => 'accepted',
    error => String(error.code),
  );

export function beginTicking(everyMs: number): void {
  const tick = () => {
    ticks.push(performance.now());
    setTimeout(tick, everyMs);
  };
  tick();
}

/** @returns when heartbeats were sent and ticks came, milliseconds, once there were so many heartbeats from now on */
export function beats(count: number): Promise<{ heartbeats: readonly number[]; ticks: readonly number[] }> {
  const since = heartbeats.length;
  return until(() => (heartbeats.length >= since + count ? { heartbeats: heartbeats.slice(since), ticks } : undefined));
}

export const close = () => socket.close();
