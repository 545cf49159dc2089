import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';

/**
 * A Socket.IO server with connection state recovery, as its documentation sets it up ("Connection state recovery"), in a
 * process of its own. Neither tokens nor limits nor a store: it holds sessions and messages in its memory.
 */
function serve(greeting: boolean): void {
  const server = createServer();
  const io = new Server(server, {
    transports: ['websocket'],
    connectionStateRecovery: { maxDisconnectionDuration: 2 * 60_000, skipMiddlewares: true },
  });
  io.on('connection', socket => {
    // A session that was recovered has its rooms.
    const { channel } = socket.handshake.query;
    if (!socket.recovered && typeof channel === 'string') socket.join(channel);
    // "For the recovery to succeed, the server must send at least one event, in order to initialize the offset".
    if (!socket.recovered && greeting) socket.emit('hello');
    socket.on('publish', (name: string, message: unknown, accepted: () => void) => {
      io.to(name).emit('message', message);
      accepted();
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.on('disconnect', () => process.exit());
}

export interface SocketIoServer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** @param greeting whether every new session is sent an event, without which it cannot be recovered */
export async function startSocketIo(greeting: boolean): Promise<SocketIoServer> {
  const child: ChildProcess = fork(import.meta.filename, ['serve', ...(greeting ? ['greeting'] : [])]);
  const [port] = await once(child, 'message');
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid as number,
    async stop() {
      child.disconnect();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

if (process.argv[1] === import.meta.filename && process.argv[2] === 'serve') serve(process.argv[3] === 'greeting');
