import type { WebSocketConstructor, WebSocketLike } from '../../client/index.ts';
import { isCounter } from '../../lambdas/shared/shards.ts';
import type { Functions } from './functions.ts';
import { between } from './random.ts';
import { InjectedFault, type World } from './world.ts';

/** "Quotas for configuring and running a WebSocket API": idle connection timeout. */
const idleMs = 600_000;
const functionErrorFrame = JSON.stringify({ message: 'Internal server error', connectionId: 'c', requestId: 'r' });

/** Who a connection belongs to, and what is told of it. */
export interface Owner {
  readonly name: string;
  /** Around each frame that comes in. */
  receives(text: string, take: () => void): void;
  /** A frame was said to be delivered, and was not; nothing tells the client. */
  misses(text: string): void;
}

type Listener = (event: { readonly data: unknown }) => void;

/** The client's end of a connection. */
class Socket implements WebSocketLike {
  readonly owner: Owner;
  /** Whether what is sent arrives; the ends may not know. */
  isLinked = true;
  isClosed = false;
  connectionId = '';
  readonly #listeners = new Map<string, Listener[]>();
  readonly #gateway: Gateway;

  constructor(owner: Owner, gateway: Gateway) {
    this.owner = owner;
    this.#gateway = gateway;
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(text: string): void {
    if (!this.isClosed && this.isLinked) this.#gateway.take(this, text);
  }

  close(): void {
    this.isClosed = true;
    if (this.isLinked) this.#gateway.leave(this);
  }

  tell(type: string, data?: string): void {
    if (this.isClosed || !this.isLinked) return;
    const tell = () => {
      for (const listener of this.#listeners.get(type) ?? []) listener({ data });
    };
    if (data === undefined) tell();
    else this.owner.receives(data, tell);
  }

  shut(): void {
    this.tell('close');
    this.isClosed = true;
  }
}

/**
 * API Gateway: it runs `$connect`, handles frames of one connection at once and in any order, posts, closes, and tells of
 * the end of a connection late or never.
 */
export class Gateway {
  readonly #world: World;
  readonly #functions: Functions;
  readonly #sockets = new Map<string, Socket>();
  readonly #asked = new Set<string>();
  #connections = 0;
  /** Until when all posts are refused, epoch milliseconds. */
  outageUntil = 0;

  constructor(world: World, functions: Functions) {
    this.#world = world;
    this.#functions = functions;
    const { service, faults } = world;
    service.onPost = (connectionId, frame) => {
      const socket = this.#sockets.get(connectionId);
      if (!socket) return undefined;
      if (world.now() < this.outageUntil || faults.happens('postThrottled'))
        return { failed: 'throttled', detail: 'injected 429' };
      if (faults.happens('postFailed')) return { failed: 'server', detail: 'injected 500' };
      if (faults.happens('postTimeout')) {
        if (world.chance() < 0.5) this.#deliver(socket, frame);
        return { failed: 'timeout', detail: 'injected timeout' };
      }
      if (faults.happens('lostPost')) {
        world.tell(() => `post to ${connectionId} is lost: ${frame}`);
        socket.owner.misses(frame);
      } else this.#deliver(socket, frame);
      return undefined;
    };
    service.onClose = connectionId => {
      if (faults.happens('refusedClose')) throw new InjectedFault('the gateway does not close');
      world.timeline.after(0, () => this.#ended(connectionId));
    };
  }

  /** The constructor of one owner's sockets. */
  webSocket(owner: Owner): WebSocketConstructor {
    const gateway = this;
    return class extends Socket {
      constructor() {
        super(owner, gateway);
        gateway.#accept(this);
      }
    };
  }

  get open(): readonly string[] {
    return [...this.#sockets.keys()];
  }

  connectionsOf(owner: Owner): readonly string[] {
    return [...this.#sockets].filter(([, socket]) => socket.owner === owner).map(([connectionId]) => connectionId);
  }

  /** The network ends a connection, and both ends notice. */
  cut(connectionId: string): void {
    this.#world.tell(() => `${connectionId} is cut`);
    this.#ended(connectionId);
  }

  /** The network ends a connection, and no end notices at once. */
  halve(connectionId: string): void {
    const socket = this.#sockets.get(connectionId);
    if (!socket) return;
    this.#world.tell(() => `${connectionId} is half open`);
    socket.isLinked = false;
    this.#world.timeline.after(between(this.#world.chance, 1_000, idleMs), () => this.#ended(connectionId));
  }

  /** A client sends a frame. */
  take(socket: Socket, text: string): void {
    const { faults, timeline, chance } = this.#world;
    if (faults.happens('lostFrame')) return;
    const late = faults.happens('lateFrame') ? chance() * 3_000 : 0;
    timeline.after(this.#world.latency() + late, () => void this.#handle(socket, text));
  }

  /** A client closes. */
  leave(socket: Socket): void {
    this.#world.timeline.after(this.#world.latency(), () => this.#ended(socket.connectionId));
  }

  async #accept(socket: Socket): Promise<void> {
    const world = this.#world;
    await world.timeline.wait(world.latency());
    const connectionId = this.#newId(socket.owner);
    socket.connectionId = connectionId;
    const isOpen =
      !world.faults.happens('refusedConnect') && (await this.#functions.connect(connectionId, socket.owner.name));
    if (isOpen !== true) {
      world.count('refused connection');
      socket.shut();
      return;
    }
    world.count('connection');
    world.service.sockets.set(connectionId, { frames: [], open: true });
    this.#sockets.set(connectionId, socket);
    if (socket.isClosed) this.#ended(connectionId);
    else world.timeline.after(world.latency(), () => socket.tell('open'));
  }

  /** Many of them are counters: else one in 32 would be. */
  #newId({ name }: Owner): string {
    const wanted = this.#world.chance() < 0.3;
    for (;;) {
      this.#connections += 1;
      const id = `${name}-${this.#connections}`;
      if (!wanted || isCounter(id)) return id;
    }
  }

  async #handle(socket: Socket, text: string): Promise<void> {
    const world = this.#world;
    const { connectionId, owner } = socket;
    if (!this.#sockets.has(connectionId)) return;
    world.tell(() => `${connectionId} sends ${text.slice(0, 200)}`);
    this.#countSubscription(connectionId, text);
    const reply = await this.#functions.message(connectionId, owner.name, text);
    if (world.faults.happens('lostReply')) return;
    this.#deliver(socket, reply ?? functionErrorFrame);
  }

  #countSubscription(connectionId: string, text: string): void {
    const { action, channel, since } = JSON.parse(text);
    if (action !== 'subscribe') return;
    if (since !== undefined) this.#world.count('resume');
    const asked = `${connectionId} ${channel}`;
    if (this.#asked.has(asked)) this.#world.count('subscribed again on the same connection');
    this.#asked.add(asked);
  }

  #deliver(socket: Socket, frame: string): void {
    const { faults, timeline, chance } = this.#world;
    const late = faults.happens('latePost') ? chance() * 3_000 : 0;
    timeline.after(this.#world.latency() + late, () => {
      this.#world.tell(() => `${socket.connectionId} gets ${frame.slice(0, 240)}`);
      socket.tell('message', frame);
    });
  }

  #ended(connectionId: string): void {
    const world = this.#world;
    const socket = this.#sockets.get(connectionId);
    const state = world.service.sockets.get(connectionId);
    if (!socket || !state) return;
    this.#sockets.delete(connectionId);
    state.open = false;
    world.timeline.after(world.latency(), () => socket.shut());
    if (world.faults.happens('lostDisconnect')) return;
    const late = world.faults.happens('lateDisconnect') ? world.chance() * 120_000 : 0;
    world.timeline.after(world.latency() + late, () => void this.#functions.disconnect(connectionId));
  }
}
