import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Log } from '../aws/service.ts';
import type { Admission } from './admission.ts';
import type { Connection } from './connections.ts';
import { createFrameMeter, type FrameLimits, type FrameViolation } from './frame-lengths.ts';
import type { OnMetric } from './invocation.ts';

export interface OpenConnectionOptions {
  readonly limits: FrameLimits & { readonly idleTimeoutMs: number; readonly maxDurationMs: number };
  readonly log: Log;
  readonly onMetric: OnMetric;
  readonly onMessage: (connection: Connection, text: string) => void;
  /** Called once, as soon as the connection counts as closed. */
  readonly onEnd: (code: number, reason: string) => void;
}

const closeFrames: Readonly<Record<FrameViolation, readonly [code: number, reason: string]>> = {
  'frame-too-large': [1009, 'Message too long'],
  'message-too-large': [1009, 'Message too long'],
  // "Binary media types for WebSocket APIs"
  binary: [1003, 'Binary frames are not supported'],
};

/** Hands out the messages of an upgraded connection, and ends it where it breaks a limit of size or time. */
export function openConnection(
  { facts, authorizer }: Admission,
  socket: WebSocket,
  stream: Duplex,
  { limits, log, onMetric, onMessage, onEnd }: OpenConnectionOptions,
): Connection {
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  function gone(code: number, reason: string): void {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    onEnd(code, reason);
  }

  const connection: Connection = {
    facts,
    socket,
    stream,
    authorizer,
    lastActiveAt: facts.connectedAt,
    end(code, reason) {
      gone(code, reason);
      socket.close(code, reason);
    },
  };

  function watchLifetime(): void {
    const due = Math.min(facts.connectedAt + limits.maxDurationMs, connection.lastActiveAt + limits.idleTimeoutMs);
    const left = due - Date.now();
    if (left > 0) timer = setTimeout(watchLifetime, left);
    else connection.end(1001, 'Going away');
  }

  const meter = createFrameMeter(limits, violation => {
    onMetric('ClientError', 1);
    // The messages before it in the same chunk are handed out after this listener.
    process.nextTick(() => connection.end(...closeFrames[violation]));
  });
  // Before the WebSocket library's own listener: it must not hand out a message that is refused here.
  stream.prependListener('data', meter.read);
  let messages = 0;
  socket.on('message', data => {
    messages += 1;
    if (ended || messages > meter.acceptedMessages) return;
    connection.lastActiveAt = Date.now();
    onMetric('MessageCount', 1);
    onMessage(connection, data.toString());
  });
  socket.on('close', (code, reason) => gone(code, reason.toString()));
  socket.on('error', error => {
    log('debug', 'apigateway', 'a connection broke', { connectionId: facts.connectionId, error: error.message });
  });
  // Not at once: an end must not come before the caller has the connection.
  timer = setTimeout(watchLifetime, 0);
  return connection;
}
