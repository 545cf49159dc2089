import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { SteadySocket, type Subscription } from '../client/index.ts';
import type { ClientEvents, Connect } from './contestant.ts';
import type { Link } from './link.ts';
import type { RunningService } from './service.ts';

/** A WebSocket on a link, that tells what browsers do not: how a handshake was refused. */
function webSocketOn(link: Link, events: ClientEvents) {
  return class extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { agent: link, perMessageDeflate: false });
      this.once('unexpected-response', (_, response) => {
        events.refused?.(response.statusCode ?? 0);
        response.resume();
        this.terminate();
      });
      this.once('open', () => this.once('close', code => events.closed?.(code)));
    }
  };
}

async function subscribed(subscription: Subscription): Promise<void> {
  // There is no event for it, since an application needs none.
  while (subscription.cursor === undefined) await sleep(20);
}

/** Clients of this project's library, with its defaults. */
export const steadyClients =
  ({
    websocketUrl,
    heartbeatIntervalMs,
    token,
  }: Pick<RunningService, 'websocketUrl' | 'heartbeatIntervalMs' | 'token'>): Connect =>
  async ({ user, link, channel, events }) => {
    let refusal: Error | undefined;
    const socket = new SteadySocket({
      url: websocketUrl,
      token: () => token(user),
      heartbeatIntervalMs,
      WebSocket: webSocketOn(link, events),
    });
    let isOpen = false;
    socket.on('state', state => {
      if ((state === 'open') === isOpen) return;
      isOpen = state === 'open';
      if (isOpen) events.opened();
      else if (state !== 'closed') events.lost();
    });
    if (channel !== undefined) {
      await subscribed(
        socket.subscribe(channel, {
          onMessage: ({ data }) => events.message((data as { n: number }).n),
          onLost: () => events.toldOfLoss(),
          onUndeliverable: () => events.toldOfLoss(),
          onRefused: error => {
            refusal = error;
          },
        }),
      );
      if (refusal) throw refusal;
    }
    return {
      publish: (name, n) => socket.publish(name, { n, text: 'x'.repeat(100) }),
      close: () => socket.close(),
    };
  };
