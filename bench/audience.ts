import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import pMap from 'p-map';
import type { Client, Connect } from './contestant.ts';
import { addressOf, Link } from './link.ts';
import { Tally } from './tally.ts';

export interface AudienceOptions {
  readonly connect: Connect;
  readonly clients: number;
  /** Channels, each client in one of them. */
  readonly rooms: number;
  /** What the channels' names begin with, so that audiences of one service do not hear each other. */
  readonly prefix?: string;
  /** Below the gateway's 500. */
  readonly connectsPerSecond: number;
}

/** A client that had lost its connection and has it again. Times are of `performance.now`. */
export interface Return {
  readonly lostAt: number;
  /** From when on it could connect. */
  readonly possibleAt: number;
  readonly openedAt: number;
  /** Messages that were accepted by then, and that it had not received when it lost the connection. */
  readonly missed: number;
  /** When it had all of them, not before it was open; undefined where it lost the connection before, or never got them. */
  caughtUpAt?: number;
}

/** A message that a client received. */
export interface Delivery {
  readonly publishedAt: number;
  readonly latencyMs: number;
  /** The client was connected from its publication on. */
  readonly live: boolean;
}

interface Room {
  readonly name: string;
  /** By message number. */
  readonly publishedAt: number[];
  /** Numbers of those that the service took, rising. */
  readonly accepted: number[];
}

export class Member {
  readonly link: Link;
  readonly room: Room;
  readonly tally = new Tally();
  readonly returns: Return[] = [];
  restoredAt = 0;
  losses = 0;
  lostAt: number | undefined;
  receivedWhenLost = 0;
  openSince = 0;
  readonly outstanding = new Set<number>();

  constructor(room: Room, link: Link) {
    this.room = room;
    this.link = link;
  }

  get missing(): number {
    return this.tally.missing(this.room.accepted).length;
  }
}

/** How many of each kind, as `429: 120, 502: 3`. */
export const described = (counts: ReadonlyMap<number, number>): string =>
  [...counts].map(([kind, count]) => `${kind}: ${count.toLocaleString('en')}`).join(', ') || 'none';

const count = (counts: Map<number, number>, kind: number) => counts.set(kind, (counts.get(kind) ?? 0) + 1);

/** Subscribers of some channels and a publisher to all of them, in this process. */
export class Audience {
  readonly members: Member[] = [];
  readonly rooms: readonly Room[];
  readonly deliveries: Delivery[] = [];
  /** Ended connections by close code, and refused handshakes by status. */
  readonly closes = new Map<number, number>();
  readonly refusals = new Map<number, number>();
  toldOfLoss = 0;
  /** Publications that the service did not take. */
  readonly rejections: unknown[] = [];
  #clients: Client[] = [];
  #publisher: Client | undefined;
  #pending = new Set<Promise<void>>();
  #lastDelivery = 0;
  #issued = 0;

  private constructor(rooms: number, prefix: string) {
    this.rooms = Array.from({ length: rooms }, (_, n) => ({ name: `${prefix}:${n}`, publishedAt: [], accepted: [] }));
  }

  /** Resolves when all are connected and subscribed. */
  static async gather({
    connect,
    clients,
    rooms,
    prefix = 'room',
    connectsPerSecond,
  }: AudienceOptions): Promise<Audience> {
    const audience = new Audience(rooms, prefix);
    const ignored = { opened() {}, lost() {}, message() {}, toldOfLoss() {} };
    const publisher = { user: 'publisher', link: new Link(addressOf(0)), events: ignored };
    // The functions start with this one, rather than with many at once.
    audience.#publisher = await connect(publisher);
    const began = performance.now();
    audience.#clients = await pMap(
      Array.from({ length: clients }, (_, n) => n),
      async n => {
        await sleep(Math.max(0, began + (n * 1000) / connectsPerSecond - performance.now()));
        return audience.#join(n, connect);
      },
      { concurrency: 20 },
    );
    return audience;
  }

  #join(n: number, connect: Connect): Promise<Client> {
    const room = this.rooms[n % this.rooms.length] as Room;
    const member = new Member(room, new Link(addressOf(n)));
    this.members.push(member);
    return connect({
      user: `user-${n}`,
      link: member.link,
      channel: room.name,
      events: {
        opened: () => this.#opened(member),
        lost: () => {
          member.losses += 1;
          member.lostAt = performance.now();
          member.receivedWhenLost = member.tally.received;
          member.outstanding.clear();
        },
        message: number => this.#received(member, number),
        toldOfLoss: () => {
          this.toldOfLoss += 1;
        },
        closed: code => count(this.closes, code),
        refused: status => count(this.refusals, status),
      },
    });
  }

  get connected(): number {
    return this.members.filter(({ lostAt }) => lostAt === undefined).length;
  }

  get losses(): number {
    return this.members.reduce((sum, { losses }) => sum + losses, 0);
  }

  get returns(): Return[] {
    return this.members.flatMap(({ returns }) => returns);
  }

  get accepted(): number {
    return this.rooms.reduce((sum, { accepted }) => sum + accepted.length, 0);
  }

  /** Publishes to the rooms in turn, until the signal or so many messages. Resolves when the last one is sent, not accepted. */
  async publish(
    perSecond: number,
    { messages = Number.POSITIVE_INFINITY, until }: { messages?: number; until?: AbortSignal },
  ) {
    const began = performance.now();
    for (let n = 0; n < messages && !until?.aborted; n += 1) {
      await sleep(Math.max(0, began + (n * 1000) / perSecond - performance.now()));
      this.#publishNext();
    }
  }

  #publishNext(): void {
    const room = this.rooms[this.#issued++ % this.rooms.length] as Room;
    const number = room.publishedAt.push(performance.now()) - 1;
    const published = (this.#publisher as Client)
      .publish(room.name, number)
      .then(
        () => void room.accepted.push(number),
        (error: unknown) => void this.rejections.push(error),
      )
      .finally(() => this.#pending.delete(published));
    this.#pending.add(published);
  }

  /** Resolves when all is accepted and has come to everybody, or nothing has come for a while. */
  async settled(patienceMs: number): Promise<void> {
    this.#lastDelivery = performance.now();
    const isDone = () => this.#pending.size === 0 && this.members.every(({ missing }) => missing === 0);
    while (!isDone() && performance.now() - this.#lastDelivery < patienceMs) await sleep(250);
  }

  get missing(): number {
    return this.members.reduce((sum, { missing }) => sum + missing, 0);
  }

  get duplicates(): number {
    return this.members.reduce((sum, { tally }) => sum + tally.duplicates, 0);
  }

  get outOfOrder(): number {
    return this.members.reduce((sum, { tally }) => sum + tally.outOfOrder, 0);
  }

  close(): void {
    for (const client of this.#clients) client.close();
    this.#publisher?.close();
  }

  #opened(member: Member): void {
    const openedAt = performance.now();
    const { lostAt, tally, room, restoredAt } = member;
    member.openSince = openedAt;
    member.lostAt = undefined;
    if (lostAt === undefined) return;
    const missing = tally.missing(room.accepted);
    for (const number of missing) member.outstanding.add(number);
    // Some libraries deliver what was missed before they say that they are connected again.
    const missed = missing.length + tally.received - member.receivedWhenLost;
    const isCaughtUp = missed > 0 && missing.length === 0;
    member.returns.push({
      lostAt,
      possibleAt: Math.max(lostAt, restoredAt),
      openedAt,
      missed,
      ...(isCaughtUp && { caughtUpAt: openedAt }),
    });
  }

  #received(member: Member, number: number): void {
    const now = performance.now();
    this.#lastDelivery = now;
    const publishedAt = member.room.publishedAt[number] ?? Number.NaN;
    const live = member.lostAt === undefined && member.openSince <= publishedAt;
    this.deliveries.push({ publishedAt, latencyMs: now - publishedAt, live });
    member.tally.take(number);
    if (member.outstanding.delete(number) && member.outstanding.size === 0) {
      const last = member.returns.at(-1);
      if (last) last.caughtUpAt = now;
    }
  }
}
