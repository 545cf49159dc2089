import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteMessageCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import aws4 from 'aws4';
import WebSocket from 'ws';
import { addressOf, Link } from '../bench/link.ts';
import { steadyClients } from '../bench/steady-client.ts';
import type { Lift } from './scenario.ts';
import type { Stage } from './stage.ts';

/** Load beside the audience's, as the faults of drills have it. It goes on until it is lifted. */

/** Does something so often a second. */
function steadily(perSecond: number, act: (n: number) => Promise<unknown> | unknown): Lift {
  const end = new AbortController();
  const underWay = new Set<Promise<unknown>>();
  const running = (async () => {
    const began = performance.now();
    for (let n = 0; !end.signal.aborted; n += 1) {
      await sleep(Math.max(0, began + (n * 1000) / perSecond - performance.now()));
      // What is refused is what the drill is about: the platform's own figures tell of it.
      const each = Promise.resolve(act(n)).catch(() => {});
      underWay.add(each);
      void each.finally(() => underWay.delete(each));
    }
  })();
  return async () => {
    end.abort();
    await running;
    await Promise.all(underWay);
  };
}

/** Opens a connection. Resolves when it is open or refused. */
async function open({ websocketUrl }: Stage, token: string, localAddress: string): Promise<WebSocket | undefined> {
  const socket = new WebSocket(websocketUrl, ['steadysocket.v1', `bearer.${token}`], { localAddress });
  return new Promise(resolve => {
    socket.once('open', () => resolve(socket));
    socket.on('error', () => resolve(undefined));
  });
}

/** Addresses of these clients begin after those of the audience. */
const strangerFrom = 120;

/** Clients that come, and leave again once they are in; with `token` if given, or those of users of their own. */
export const arrivals = (stage: Stage, perSecond: number, token?: string, address?: string): Lift =>
  steadily(perSecond, async n => {
    const socket = await open(
      stage,
      token ?? (await stage.token(`arrival-${n % 50}`)),
      address ?? addressOf(strangerFrom + (n % 50)),
    );
    socket?.close(1000);
  });

/** Publishers that send on a channel each without waiting for an answer. @param perSecond of each */
export async function flood(
  stage: Stage,
  publishers: number,
  perSecond: number,
  channelOf: (n: number) => string,
): Promise<Lift> {
  const sockets = await Promise.all(
    Array.from({ length: publishers }, async (_, n) =>
      open(stage, await stage.token(`flood-${n}`), addressOf(strangerFrom + n)),
    ),
  );
  const text = 'x'.repeat(100);
  const lift = steadily(publishers * perSecond, n => {
    const publisher = n % publishers;
    sockets[publisher]?.send(
      // Numbered far beyond the audience's own, which are the ones that are counted.
      JSON.stringify({
        action: 'publish',
        channel: channelOf(publisher),
        id: `flood-${n}`,
        data: { n: 1e9 + n, text },
      }),
    );
  });
  return async () => {
    await lift();
    for (const socket of sockets) socket?.close(1000);
  };
}

/** Connections that an application forgot: open, with one heartbeat at the beginning, and silent from then on. */
export async function forgotten(stage: Stage, count: number, address?: string): Promise<Lift> {
  const sockets: (WebSocket | undefined)[] = [];
  for (let n = 0; n < count; n += 1) {
    const socket = await open(
      stage,
      await stage.token(`leak-${n % 20}`),
      address ?? addressOf(strangerFrom + (n % 50)),
    );
    socket?.send(JSON.stringify({ action: 'heartbeat' }));
    sockets.push(socket);
  }
  return async () => {
    for (const socket of sockets) socket?.terminate();
  };
}

/** Clients of the service's own library, who come and stay. Lifted, they leave one after the other, as people do. */
export async function visitors(stage: Stage, count: number, minutesApart: number): Promise<Lift> {
  const connect = steadyClients(stage);
  const unheard = () => {};
  const events = { opened: unheard, lost: unheard, message: unheard, toldOfLoss: unheard };
  const clients = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      connect({ user: `visitor-${n}`, link: new Link(addressOf(strangerFrom + n)), channel: 'visitors', events }),
    ),
  );
  return async () => {
    for (const client of clients) {
      await client.close();
      await stage.minutes(minutesApart);
    }
  };
}

/** A server that publishes over HTTP. */
export function serverPublications(stage: Stage, perSecond: number): Lift {
  const { host } = new URL(stage.httpUrl);
  return steadily(perSecond, async n => {
    const path = '/channels/server:1/messages';
    const body = JSON.stringify({ id: `server-${n}`, data: { n } });
    const headers = { host, 'content-type': 'application/json' };
    const request = { service: 'execute-api', region: stage.region, method: 'POST', host, path, body, headers };
    const signed = aws4.sign(request, stage.developer);
    const response = await fetch(`${stage.httpUrl}${path}`, {
      method: 'POST',
      body,
      headers: signed.headers as Record<string, string>,
    });
    await response.arrayBuffer();
  });
}

const sqsOf = ({ awsUrl, region, developer }: Stage) =>
  new SQSClient({ endpoint: awsUrl, region, credentials: developer });

async function queueUrls(client: SQSClient, of: 'publications' | 'dead letters'): Promise<string[]> {
  const { QueueUrls = [] } = await client.send(new ListQueuesCommand({ MaxResults: 100 }));
  return QueueUrls.filter(url =>
    of === 'dead letters'
      ? url.includes('DeadLetters')
      : /Publications/.test(url) && !/DeadLetters|ShardTasks/.test(url),
  );
}

/** Something puts messages into the queue that are none. @returns ends it; a person then takes away what was put aside */
export async function poison(stage: Stage, perSecond: number): Promise<Lift> {
  const client = sqsOf(stage);
  const [QueueUrl] = await queueUrls(client, 'publications');
  const lift = steadily(perSecond, n =>
    client.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: `not a publication ${n}`,
        MessageGroupId: 'drill:poison',
        MessageDeduplicationId: `poison-${n}`,
      }),
    ),
  );
  return async () => {
    await lift();
    // What was under way has been put aside by then.
    await sleep(2_000);
    for (const url of await queueUrls(client, 'dead letters')) {
      for (;;) {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
        );
        if (Messages.length === 0) break;
        for (const { ReceiptHandle } of Messages)
          await client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
      }
    }
    client.destroy();
  };
}
