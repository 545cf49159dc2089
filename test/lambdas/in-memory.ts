import type { Callback, PostResult } from '../../lambdas/shared/callback.ts';
import type { ConnectionCount } from '../../lambdas/shared/connection-count.ts';
import type { Connection, Connections } from '../../lambdas/shared/connections.ts';
import { logPageMessages, type MessageLog } from '../../lambdas/shared/message-log.ts';
import type { Presence } from '../../lambdas/shared/presence.ts';
import type { Message, MessageFrame } from '../../lambdas/shared/protocol.ts';
import type { Publication, PublicationQueue } from '../../lambdas/shared/publication.ts';
import type { Subscriptions } from '../../lambdas/shared/subscriptions.ts';

/**
 * Awaited before each operation, which then happens at once and whole, as one request does at the store. A scheduler
 * that decides when a step goes on decides the interleaving; a step that never goes on is a crash before the operation.
 */
export type Step = (operation: string) => Promise<void>;

export const immediately: Step = async () => {};

/** What the functions of one environment see of the state, each operation after a step of its own. */
export interface View {
  readonly log: MessageLog;
  readonly presence: Presence;
  readonly callback: Callback;
  readonly queue: PublicationQueue;
}

type StoredConnection = Omit<Connection, 'channels'> & { channels: Map<string, number>; evictedAt?: number };

const connectionOf = ({ channels, evictedAt: _, ...connection }: StoredConnection): Connection => ({
  ...connection,
  channels: Object.fromEntries(channels),
});

/** A WebSocket as the gateway has it. */
export interface Socket {
  /** What was delivered to it, in order. */
  readonly frames: string[];
  open: boolean;
}

export interface QueuedPublication {
  readonly publication: Publication;
  readonly sequenceNumber: string;
}

/** The state that all functions share: tables, queue and gateway. It is strongly consistent. */
export class InMemoryService {
  readonly messages = new Map<string, Message[]>();
  readonly heads = new Map<string, { cursor: string | null; shardCount: number }>();
  readonly connections = new Map<string, StoredConnection>();
  /** Channel and shard to connections. */
  readonly subscriptions = new Map<string, Set<string>>();
  readonly sockets = new Map<string, Socket>();
  /** Channel to what is not deleted yet, in order. */
  readonly queued = new Map<string, QueuedPublication[]>();
  connectionCount = 0;
  /** What a post to an open connection comes to; delivered where it returns nothing. */
  onPost: (connectionId: string, frame: string) => PostResult | undefined = () => undefined;
  /** Called before a connection is closed: throws where the gateway refuses. */
  onClose: (connectionId: string) => void = () => {};
  readonly #accepted = new Map<string, string>();
  #sequence = 0n;

  /** Opens a socket and registers its connection, as `$connect` does. */
  open(connectionId: string, connection: Partial<Omit<Connection, 'connectionId' | 'channels'>> = {}): Socket {
    const socket: Socket = { frames: [], open: true };
    this.sockets.set(connectionId, socket);
    this.connections.set(connectionId, {
      ip: '192.0.2.1',
      connectedAt: 0,
      ...connection,
      connectionId,
      channels: new Map(),
    });
    this.connectionCount += 1;
    return socket;
  }

  /** Subscribes at once, in the first shard. */
  subscribe(connectionId: string, channel: string): void {
    this.connections.get(connectionId)?.channels.set(channel, 0);
    this.subscribersOf(channel, 0).add(connectionId);
  }

  subscribersOf(channel: string, shard: number): Set<string> {
    const key = `${channel}#${shard}`;
    const subscribers = this.subscriptions.get(key) ?? new Set();
    this.subscriptions.set(key, subscribers);
    return subscribers;
  }

  messagesOf(channel: string): readonly Message[] {
    return this.messages.get(channel) ?? [];
  }

  headOf(channel: string) {
    return this.heads.get(channel) ?? { cursor: null, shardCount: 1 };
  }

  /** Puts a publication into the queue. Sequence numbers leave gaps, as those of SQS do. */
  enqueue(publication: Publication, deduplicationId: string): string {
    const known = this.#accepted.get(deduplicationId);
    if (known !== undefined) return known;
    this.#sequence += 256n;
    const sequenceNumber = String(18_869_000_000_000_000_000n + this.#sequence);
    this.#accepted.set(deduplicationId, sequenceNumber);
    const channel = this.queued.get(publication.channel) ?? [];
    this.queued.set(publication.channel, [...channel, { publication, sequenceNumber }]);
    return sequenceNumber;
  }

  /** Takes out of the queue what a consumer has done. */
  dequeue(channel: string, sequenceNumbers: readonly string[]): void {
    const left = (this.queued.get(channel) ?? []).filter(entry => !sequenceNumbers.includes(entry.sequenceNumber));
    this.queued.set(channel, left);
  }

  view(step: Step = immediately): View {
    return {
      log: this.#log(step),
      presence: {
        connections: this.#connections(step),
        subscriptions: this.#subscriptions(step),
        count: this.#count(step),
      },
      callback: this.#callback(step),
      queue: {
        send: async (publication, deduplicationId) => {
          await step('queue.send');
          return this.enqueue(structuredClone(publication), deduplicationId);
        },
      },
    };
  }

  #log(step: Step): MessageLog {
    return {
      head: async channel => {
        await step('log.head');
        return { ...this.headOf(channel) };
      },
      last: async channel => {
        await step('log.last');
        return this.messagesOf(channel).at(-1)?.cursor ?? null;
      },
      append: async message => {
        await step('log.append');
        const messages = this.messagesOf(message.channel);
        if (messages.some(({ cursor }) => cursor === message.cursor)) return;
        const all = [...messages, structuredClone(message)].sort((a, b) => (a.cursor < b.cursor ? -1 : 1));
        this.messages.set(message.channel, all);
      },
      between: async (channel, from, to) => {
        await step('log.between');
        return structuredClone(this.messagesOf(channel).filter(({ cursor }) => from <= cursor && cursor <= to));
      },
      from: async (channel, from) => {
        await step('log.from');
        const messages = this.messagesOf(channel).filter(({ cursor }) => from <= cursor);
        const page = messages.slice(0, logPageMessages);
        return { messages: structuredClone(page), more: page.length === logPageMessages };
      },
      moveHead: async (channel, cursor) => {
        await step('log.moveHead');
        const head = this.headOf(channel);
        if (head.cursor === null || head.cursor < cursor) this.heads.set(channel, { ...head, cursor });
        return { ...this.headOf(channel) };
      },
    };
  }

  #subscriptions(step: Step): Subscriptions {
    return {
      add: async (channel, shard, connectionId) => {
        await step('subscriptions.add');
        this.subscribersOf(channel, shard).add(connectionId);
      },
      remove: async (channel, shard, connectionId) => {
        await step('subscriptions.remove');
        this.subscribersOf(channel, shard).delete(connectionId);
      },
      removeAll: async (connectionId, channels) => {
        await step('subscriptions.removeAll');
        for (const [channel, shard] of Object.entries(channels))
          this.subscribersOf(channel, shard).delete(connectionId);
      },
      subscribers: async (channel, shard, limit) => {
        await step('subscriptions.subscribers');
        return [...this.subscribersOf(channel, shard)].sort().slice(0, limit);
      },
    };
  }

  #connections(step: Step): Connections {
    const all = () => [...this.connections.values()];
    return {
      add: async connection => {
        await step('connections.add');
        this.connections.set(connection.connectionId, { ...connection, channels: new Map() });
      },
      remove: async connectionId => {
        await step('connections.remove');
        const connection = this.connections.get(connectionId);
        this.connections.delete(connectionId);
        return connection && connectionOf(connection);
      },
      beat: async (connectionId, now, sinceMs) => {
        await step('connections.beat');
        const connection = this.connections.get(connectionId);
        if (!connection) return 'gone';
        if (connection.lastSeenAt !== undefined && connection.lastSeenAt > now - sinceMs) return 'recent';
        this.connections.set(connectionId, { ...connection, lastSeenAt: now });
        return 'moved';
      },
      addChannel: async (connectionId, channel, shard, maxChannels) => {
        await step('connections.addChannel');
        const connection = this.connections.get(connectionId);
        if (!connection) return 'gone';
        if (connection.channels.size >= maxChannels && !connection.channels.has(channel)) return 'full';
        connection.channels.set(channel, shard);
        return 'added';
      },
      removeChannel: async (connectionId, channel) => {
        await step('connections.removeChannel');
        const channels = this.connections.get(connectionId)?.channels;
        const shard = channels?.get(channel);
        channels?.delete(channel);
        return shard;
      },
      countByUser: async (user, limit) => {
        await step('connections.countByUser');
        return Math.min(limit, all().filter(connection => connection.user === user).length);
      },
      countByAddress: async (ip, limit) => {
        await step('connections.countByAddress');
        return Math.min(limit, all().filter(connection => connection.ip === ip).length);
      },
      get: async connectionIds => {
        await step('connections.get');
        return connectionIds.flatMap(id => this.connections.get(id) ?? []).map(connectionOf);
      },
      pages: async function* (this: InMemoryService) {
        // Two pages, so that what happens between them can be tested; the second is read when it is asked for.
        const half = Math.ceil(this.connections.size / 2);
        await step('connections.pages');
        const first = all().slice(0, half).map(connectionOf);
        yield first;
        await step('connections.pages');
        const read = new Set(first.map(({ connectionId }) => connectionId));
        yield all()
          .filter(({ connectionId }) => !read.has(connectionId))
          .map(connectionOf);
      }.bind(this),
      markSilent: async (connectionId, lastSeenAt, now) => {
        await step('connections.markSilent');
        const connection = this.connections.get(connectionId);
        if (connection?.lastSeenAt !== lastSeenAt) return false;
        this.connections.set(connectionId, { ...connection, evictedAt: now });
        return true;
      },
    };
  }

  #count(step: Step): ConnectionCount {
    return {
      add: async difference => {
        await step('count.add');
        this.connectionCount += difference;
      },
      read: async () => {
        await step('count.read');
        return this.connectionCount;
      },
    };
  }

  #callback(step: Step): Callback {
    return {
      post: async (connectionId, frame) => {
        await step('callback.post');
        const socket = this.sockets.get(connectionId);
        if (!socket?.open) return 'gone';
        const result = this.onPost(connectionId, frame) ?? 'delivered';
        if (result === 'delivered') socket.frames.push(frame);
        return result;
      },
      close: async connectionId => {
        await step('callback.close');
        const socket = this.sockets.get(connectionId);
        if (!socket?.open) return 'gone';
        this.onClose(connectionId);
        socket.open = false;
        return 'closed';
      },
    };
  }
}

/** The messages that frames carry, alone or several in one. */
export const messagesIn = (frames: readonly string[]): readonly MessageFrame[] =>
  frames.flatMap(text => {
    const frame = JSON.parse(text);
    return frame.type === 'messages' ? frame.messages : [frame];
  });
