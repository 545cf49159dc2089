import { once } from 'node:events';
import { io } from 'socket.io-client';
import type { Connect } from './contestant.ts';

/** Clients of Socket.IO with its own defaults of reconnection, on WebSocket alone as all others here. */
export const socketIoClients =
  (url: string): Connect =>
  async ({ link, channel, events }) => {
    const socket = io(url, {
      transports: ['websocket'],
      forceNew: true,
      // Its type is the browser's; in Node it is the agent of the request.
      agent: link as never,
      query: channel === undefined ? {} : { channel },
    });
    socket.on('connect', () => events.opened());
    socket.on('disconnect', reason => {
      if (reason !== 'io client disconnect') events.lost();
    });
    socket.on('message', ({ n }: { n: number }) => events.message(n));
    if (!socket.connected) await once(socket as never, 'connect');
    return {
      publish: (name, n) => socket.emitWithAck('publish', name, { n, text: 'x'.repeat(100) }),
      close: () => socket.disconnect(),
    };
  };
