import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Drawn, FaultSource } from './points.ts';

/** The gateway's end of an open connection. */
export interface Line {
  readonly socket: WebSocket;
  /** What the WebSocket runs on. */
  readonly stream: Duplex;
}

/**
 * Does to the gateway's connections what their networks do. What is held back is sent when the fault ends, as TCP sends
 * again what was lost; a client that has given up by then is found to be gone.
 */
export interface SocketFaults {
  /** A connection was opened. */
  opened(connectionId: string, line: Line): void;
  close(): void;
}

/** Holds back what is written, all that is waiting at once when it is released. */
function holdWrites(stream: Duplex): { release(): void } {
  stream.cork();
  return { release: () => stream.uncork() };
}

/** Those to which nothing gets through. */
const silent = new WeakSet<Duplex>();

/** Nothing gets through, and neither side is told: what ends the connection here does not reach the client either. */
function silence({ socket, stream }: Line, ended: AbortSignal): void {
  if (silent.has(stream)) return;
  silent.add(stream);
  const held = holdWrites(stream);
  socket.pause();
  let destroyed = false;
  const destroy = stream.destroy.bind(stream);
  // The WebSocket library cuts the stream where the client does not answer its close frame, by a timer that keeps this.
  stream.destroy = error => {
    destroyed = true;
    return ended.aborted ? destroy(error) : stream;
  };
  ended.addEventListener(
    'abort',
    () => {
      silent.delete(stream);
      if (destroyed) {
        destroy();
        return;
      }
      held.release();
      socket.resume();
    },
    { once: true },
  );
}

/** Lets what was written through every so often only. */
function slow({ stream }: Line, everyMs: number, ended: AbortSignal): void {
  let held = holdWrites(stream);
  const timer = setInterval(() => {
    held.release();
    held = holdWrites(stream);
  }, everyMs);
  const stop = () => {
    clearInterval(timer);
    held.release();
    stream.off('close', stop);
    ended.removeEventListener('abort', stop);
  };
  stream.on('close', stop);
  ended.addEventListener('abort', stop, { once: true });
}

function happen(line: Line, { killed, halfOpen, readsEveryMs, ended }: Drawn<'socket'>): void {
  if (killed) line.stream.destroy();
  else if (halfOpen) silence(line, ended);
  else if (readsEveryMs !== undefined) slow(line, readsEveryMs, ended);
}

export function impairSockets(faults: FaultSource, connections: ReadonlyMap<string, Line>): SocketFaults {
  const close = faults.onSweep('socket', draw => {
    for (const [connectionId, line] of [...connections]) {
      const effect = draw({ connectionId });
      if (effect) happen(line, effect);
    }
  });
  return {
    opened(connectionId, line) {
      const effect = faults.draw('socket', () => ({ connectionId }));
      if (effect) happen(line, effect);
    },
    close,
  };
}
