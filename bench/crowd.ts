import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { z } from 'zod';

const messageSchema = z.object({ type: z.literal('message'), cursor: z.string(), id: z.string() });
const frameSchema = z.union([
  messageSchema.transform(message => [message]),
  z.object({ type: z.literal('messages'), messages: z.array(messageSchema) }).transform(({ messages }) => messages),
  z.object({ type: z.string() }).transform(() => []),
]);

export interface CrowdOptions {
  readonly url: string;
  readonly clients: number;
  readonly token: (user: string) => Promise<string>;
}

const channel = 'bench';
/** Connections of one user, below the limit of the environment dev. */
const perUser = 40;
/** Below API Gateway's 500 new connections a second. */
const connectsPerSecond = 200;

class Member {
  readonly socket: WebSocket;
  /** Times of receipt by message number. */
  received = new Map<number, number>();
  last = '';
  disordered = 0;
  constructor(socket: WebSocket) {
    this.socket = socket;
  }
}

/** Many subscribers of one channel and a publisher, in one process. */
export class Crowd {
  private readonly members: readonly Member[];
  private readonly publisher: WebSocket;
  private readonly publishedAt = new Map<number, number>();
  private run = 0;
  private deliveries = 0;
  private lastDelivery = 0;
  private cpu = process.cpuUsage();

  private constructor(members: readonly Member[], publisher: WebSocket) {
    this.members = members;
    this.publisher = publisher;
    for (const member of members) member.socket.on('message', data => this.take(member, String(data)));
  }

  static async connect({ url, clients, token }: CrowdOptions): Promise<Crowd> {
    const open = async (user: string) => {
      const socket = new WebSocket(url, ['steadysocket.v1', `bearer.${await token(user)}`]);
      await once(socket, 'open');
      return socket;
    };
    const subscribe = async (n: number) => {
      await sleep((n * 1000) / connectsPerSecond);
      const socket = await open(`user-${Math.floor(n / perUser)}`);
      socket.send(JSON.stringify({ action: 'subscribe', channel }));
      const [data] = await once(socket, 'message');
      const answer = z.object({ type: z.string() }).parse(JSON.parse(String(data)));
      if (answer.type !== 'subscribed') throw new Error(`not subscribed: ${data}`);
      return new Member(socket);
    };
    const members = await Promise.all(Array.from({ length: clients }, (_, n) => subscribe(n)));
    return new Crowd(members, await open('publisher'));
  }

  get size(): number {
    return this.members.length;
  }

  reset(): void {
    this.run += 1;
    this.deliveries = 0;
    this.publishedAt.clear();
    this.cpu = process.cpuUsage();
    for (const member of this.members) {
      member.received = new Map();
      member.disordered = 0;
    }
  }

  /** Latency counts from here: before the frame is sent. */
  publish(n: number): void {
    this.publishedAt.set(n, performance.now());
    const id = `${this.run}:${n}`;
    this.publisher.send(JSON.stringify({ action: 'publish', channel, id, data: { n, price: 101.25 + n } }));
  }

  /** Resolves when every member has every message, or no delivery has come for `patienceMs`. */
  async settled(messages: number, patienceMs: number): Promise<void> {
    this.lastDelivery = performance.now();
    while (this.deliveries < messages * this.size && performance.now() - this.lastDelivery < patienceMs)
      await sleep(50);
  }

  result(messages: number): { latencies: Float64Array; complete: number; disordered: number } {
    const latencies: number[] = [];
    let complete = 0;
    let disordered = 0;
    for (const { received, disordered: outOfOrder } of this.members) {
      if (received.size === messages) complete += 1;
      disordered += outOfOrder;
      for (const [n, at] of received) latencies.push(at - (this.publishedAt.get(n) ?? Number.NaN));
    }
    return { latencies: Float64Array.from(latencies).sort(), complete, disordered };
  }

  cpuCores(seconds: number): number {
    const { user, system } = process.cpuUsage(this.cpu);
    return (user + system) / 1e6 / seconds;
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.members.map(({ socket }) => socket), this.publisher].map(async socket => {
        const closed = once(socket, 'close');
        socket.close();
        await closed;
      }),
    );
  }

  private take(member: Member, text: string): void {
    const now = performance.now();
    for (const { cursor, id } of frameSchema.parse(JSON.parse(text))) {
      const [run, n] = id.split(':').map(Number);
      if (run !== this.run || n === undefined) continue;
      if (cursor === member.last) continue;
      if (cursor < member.last) member.disordered += 1;
      member.last = cursor;
      member.received.set(n, now);
      this.deliveries += 1;
      this.lastDelivery = now;
    }
  }
}
