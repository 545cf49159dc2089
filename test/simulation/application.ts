import { type Message, OutcomeUnknown, SteadySocket, type Subscription } from '../../client/index.ts';
import { heartbeat } from './functions.ts';
import type { Gateway, Owner } from './gateway.ts';
import { randomOf } from './random.ts';
import type { Truth } from './truth.ts';
import type { World } from './world.ts';

/** What one subscription of an application has seen, held against what was accepted. */
export class Subscriber {
  readonly channel: string;
  readonly #truth: Truth;
  readonly #world: World;
  readonly #name: string;
  subscription: Subscription | undefined;
  /** Index of the last message that it had, or was told of; undefined until it knows where it begins. */
  position: number | undefined;
  /** The last message that the network lost on the way to it. */
  missed = '';

  constructor(name: string, channel: string, truth: Truth, world: World) {
    this.#name = name;
    this.channel = channel;
    this.#truth = truth;
    this.#world = world;
  }

  begin(cursor: string): void {
    this.position = this.#truth.indexOf(this.channel, cursor);
    if (this.position === undefined) this.#violate(`begins at ${cursor}, which is no position`);
  }

  take({ cursor, id }: Pick<Message, 'cursor'> & { readonly id: string | undefined }, isUndeliverable: boolean): void {
    const { position } = this;
    if (position === undefined) {
      this.#violate(`gets ${cursor.slice(-5)} before its beginning`);
      return;
    }
    const index = this.#truth.indexOf(this.channel, cursor);
    const next = this.#truth.of(this.channel)[position + 1];
    const got = `gets ${cursor.slice(-5)}${isUndeliverable ? ' as undeliverable' : ''}`;
    if (index !== position + 1) this.#violate(`${got}, and the next one is ${next?.cursor.slice(-5) ?? 'none'}`);
    else if (next?.isRefused !== isUndeliverable) this.#violate(`${got}, which is not so`);
    else if (id !== undefined && next.id !== id) this.#violate(`${got} with the id ${id}, which is ${next.id}`);
    this.position = index;
    this.#world.count(isUndeliverable ? 'told of an undeliverable message' : 'message delivered');
  }

  lose(after: string, resumesAt: string): void {
    const [from, to] = [after, resumesAt].map(cursor => this.#truth.indexOf(this.channel, cursor));
    const told = `is told of a loss from ${after.slice(-5)} to ${resumesAt.slice(-5)}`;
    if (from !== this.position) this.#violate(`${told}, and had another position`);
    else if (from === undefined || to === undefined || !this.#hasExpired(from, to))
      this.#violate(`${told}, where nothing has expired`);
    this.position = to;
    this.#world.count('told of a loss');
  }

  /** Whether something after one position, up to a later one, has expired. */
  #hasExpired(from: number, to: number): boolean {
    const between = this.#truth.of(this.channel).slice(from + 1, to + 1);
    return between.some(accepted => this.#truth.isExpired(accepted));
  }

  get isCurrent(): boolean {
    return this.position === this.#truth.of(this.channel).length - 1;
  }

  /** Whether the network lost the last message on the way to it, so that nothing can tell it that there is one. */
  get isExcused(): boolean {
    return this.missed !== '' && this.missed >= this.#truth.last(this.channel);
  }

  toString(): string {
    const all = this.#truth.of(this.channel);
    const at = this.position === undefined ? 'nowhere' : (all[this.position]?.cursor.slice(-5) ?? 'the beginning');
    return `${this.#name} on ${this.channel} is at ${at} of ${all.at(-1)?.cursor.slice(-5) ?? 'none'}`;
  }

  #violate(text: string): void {
    this.#world.violate(`${this.#name} on ${this.channel} ${text}`);
  }
}

/** After all cursors: what is missed cannot be told. */
const anything = '~';

/** An application with the client library, and what it has seen. */
export class Application implements Owner {
  readonly name: string;
  readonly #world: World;
  readonly #gateway: Gateway;
  readonly #truth: Truth;
  readonly #clock;
  readonly #subscribers = new Map<string, Subscriber>();
  #socket: SteadySocket;
  #incarnation = 0;
  #published = 0;

  constructor(name: string, world: World, gateway: Gateway, truth: Truth) {
    this.name = name;
    this.#world = world;
    this.#gateway = gateway;
    this.#truth = truth;
    this.#clock = world.timeline.clock(randomOf(world.plan.seed, name));
    this.#socket = this.#open();
  }

  get subscribers(): readonly Subscriber[] {
    return [...this.#subscribers.values()];
  }

  get isOpen(): boolean {
    return this.#socket.state === 'open';
  }

  subscribe(channel: string, since?: string): void {
    if (this.#subscribers.has(channel) || this.#socket.state === 'closed') return;
    const subscriber = new Subscriber(this.name, channel, this.#truth, this.#world);
    this.#subscribers.set(channel, subscriber);
    if (since !== undefined) subscriber.begin(since);
    this.#join(subscriber, since);
  }

  /** @returns its position, to come back to */
  leave(channel: string): string | undefined {
    const subscriber = this.#subscribers.get(channel);
    this.#subscribers.delete(channel);
    const cursor = subscriber?.subscription?.cursor;
    subscriber?.subscription?.unsubscribe();
    return cursor;
  }

  publish(channel: string, data: unknown): void {
    this.#published += 1;
    const id = `${this.name}.${this.#incarnation}#${this.#published}`;
    this.#socket.publish(channel, data, { id }).then(
      () => {
        if (!this.#truth.has(id)) this.#world.violate(`${id} is said to be accepted, and is not`);
      },
      error => {
        if (error instanceof OutcomeUnknown) this.#world.count('publication without outcome');
      },
    );
  }

  /** As when a page is loaded anew: it goes on from the positions that it kept. */
  restart(): void {
    const kept = this.subscribers.map(({ channel, subscription }) => ({ channel, since: subscription?.cursor }));
    this.close();
    this.#incarnation += 1;
    this.#socket = this.#open();
    for (const { channel, since } of kept) this.subscribe(channel, since);
  }

  close(): void {
    this.#socket.close();
    this.#subscribers.clear();
  }

  receives(text: string, take: () => void): void {
    const frame = JSON.parse(text);
    const subscriber = frame.type === 'subscribed' ? this.#subscribers.get(frame.channel) : undefined;
    const isFirst = subscriber !== undefined && subscriber.position === undefined;
    // Before, since it may release messages that were held.
    if (isFirst) subscriber.begin(frame.cursor);
    take();
    // It was the answer to a question of before.
    if (isFirst && subscriber.subscription?.cursor === undefined) subscriber.position = undefined;
    if (frame.type === 'resync') this.#world.count('resync');
    for (const { replay } of frame.messages ?? [frame]) if (replay) this.#world.count('message replayed');
  }

  misses(text: string): void {
    const frame = JSON.parse(text);
    for (const { channel, cursor = anything } of frame.messages ?? [frame]) {
      const subscriber = this.#subscribers.get(channel);
      if (subscriber && cursor > subscriber.missed) subscriber.missed = cursor;
    }
  }

  #open(): SteadySocket {
    return new SteadySocket({
      url: 'wss://service.example/sim',
      token: () => 'token',
      heartbeatIntervalMs: heartbeat.intervalMs,
      WebSocket: this.#gateway.webSocket(this),
      clock: this.#clock,
      backoff: { baseMs: 500, capMs: 5_000 },
    });
  }

  #join(subscriber: Subscriber, since: string | undefined): void {
    subscriber.subscription = this.#socket.subscribe(subscriber.channel, {
      since,
      onMessage: message => subscriber.take(message, false),
      onUndeliverable: ({ cursor }) => subscriber.take({ cursor, id: undefined }, true),
      onLost: ({ after, resumesAt }) => subscriber.lose(after, resumesAt),
      onRefused: error => this.#world.violate(`${this.name} is refused ${subscriber.channel}: ${error.message}`),
    });
  }
}
