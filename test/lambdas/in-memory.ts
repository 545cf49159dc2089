import type { DeliverDependencies } from '../../lambdas/fan-out/deliver.ts';
import type { DeliverToShardDependencies } from '../../lambdas/fan-out/deliver-to-shard.ts';
import type { ResyncMarker, ShardTask } from '../../lambdas/fan-out/delivery.ts';
import { groupOf } from '../../lambdas/fan-out/queues.ts';
import type { Callback, PostResult } from '../../lambdas/shared/callback.ts';
import type { ConnectionCount } from '../../lambdas/shared/connection-count.ts';
import type { Connection, Connections } from '../../lambdas/shared/connections.ts';
import { type Head, type LogEntry, logPageMessages, type MessageLog } from '../../lambdas/shared/message-log.ts';
import type { Presence } from '../../lambdas/shared/presence.ts';
import type { MessageFrame } from '../../lambdas/shared/protocol.ts';
import type { Publication, PublicationQueue } from '../../lambdas/shared/publication.ts';
import type { Subscriptions } from '../../lambdas/shared/subscriptions.ts';
import type { UnwrittenBeats } from '../../lambdas/shared/unwritten-beats.ts';

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
  readonly unwritten: UnwrittenBeats;
  /** What fan-out sends. */
  readonly fanOut: Pick<DeliverDependencies, 'sendTasks' | 'sendMarker' | 'deadLetter'> &
    Pick<DeliverToShardDependencies, 'sendShardMarker'>;
}

type StoredConnection = Omit<Connection, 'channels'> & {
  channels: Map<string, number>;
  resync?: ReadonlySet<string>;
};
type StoredHead = Omit<Head, 'fullShards'> & Partial<Pick<Head, 'fullShards'>>;

const connectionOf = ({ channels, resync: _, ...connection }: StoredConnection): Connection => ({
  ...connection,
  channels: Object.fromEntries(channels),
});

/** A WebSocket as the gateway has it. */
export interface Socket {
  /** What was delivered to it, in order. */
  readonly frames: string[];
  open: boolean;
}

export interface Queued {
  readonly sequenceNumber: string;
  /** Epoch milliseconds. */
  readonly sentAt: number;
}
export type QueuedPublication = Queued &
  ({ readonly publication: Publication } | { readonly publication: ResyncMarker });
export type QueuedTask = Queued & { readonly task: ShardTask };

/** "Exactly-once processing in Amazon SQS": the deduplication interval. */
const deduplicationMs = 300_000;

/** A queue whose messages are in order within their groups. */
export class OrderedQueue<Entry extends Queued> {
  /** By group, what is not deleted yet. */
  readonly groups = new Map<string, Entry[]>();
  readonly #accepted = new Map<string, { readonly sequenceNumber: string; readonly at: number }>();
  readonly #now: () => number;
  /** Called with what is put, and is no repetition. */
  onPut: (entry: Entry) => void = () => {};
  #sequence = 0n;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Sequence numbers leave gaps, as those of SQS do. A repetition within its group is accepted and not queued again. */
  put(group: string, deduplicationId: string, entryOf: (sequenceNumber: string) => Entry): string {
    const id = `${group} ${deduplicationId}`;
    const known = this.#accepted.get(id);
    if (known && this.#now() - known.at < deduplicationMs) return known.sequenceNumber;
    this.#sequence += 256n;
    const sequenceNumber = String(18_869_000_000_000_000_000n + this.#sequence);
    this.#accepted.set(id, { sequenceNumber, at: this.#now() });
    const entry = entryOf(sequenceNumber);
    this.groups.set(group, [...(this.groups.get(group) ?? []), entry]);
    this.onPut(entry);
    return sequenceNumber;
  }

  delete(group: string, sequenceNumbers: readonly string[]): void {
    const left = (this.groups.get(group) ?? []).filter(entry => !sequenceNumbers.includes(entry.sequenceNumber));
    this.groups.set(group, left);
  }
}

/** The state that all functions share: tables, queue and gateway. It is strongly consistent. */
export class InMemoryService {
  readonly messages = new Map<string, LogEntry[]>();
  readonly heads = new Map<string, StoredHead>();
  readonly connections = new Map<string, StoredConnection>();
  /** Channel and shard to connections. */
  readonly subscriptions = new Map<string, Set<string>>();
  readonly sockets = new Map<string, Socket>();
  readonly publications = new OrderedQueue<QueuedPublication>(() => this.now);
  readonly shardTasks = new OrderedQueue<QueuedTask>(() => this.now);
  readonly deadLetters: { readonly channel: string; readonly body: string; readonly reason: string }[] = [];
  /** Epoch milliseconds. */
  now = 0;
  connectionCount = 0;
  /** Until when heartbeats may not have been written, epoch milliseconds. */
  unwrittenUntil = 0;
  /** What a post to an open connection comes to; delivered where it returns nothing. */
  onPost: (connectionId: string, frame: string) => PostResult | undefined = () => undefined;
  /** Called before a connection is closed: throws where the gateway refuses. */
  onClose: (connectionId: string) => void = () => {};
  /** Called before an entry is appended: throws where the store refuses it. */
  onAppend: (entry: LogEntry) => void = () => {};
  /** Called with an entry that was not there. */
  onAppended: (entry: LogEntry) => void = () => {};
  /** Messages of a page of the log. */
  logPage = logPageMessages;
  /** Whether an entry's time to live is over: it is not replayed, and may still be there. */
  isExpired: (entry: LogEntry) => boolean = () => false;

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

  messagesOf(channel: string): readonly LogEntry[] {
    return this.messages.get(channel) ?? [];
  }

  headOf(channel: string): Head {
    return { cursor: null, shardCount: 1, fullShards: [], ...this.heads.get(channel) };
  }

  /** Channel to what is not deleted yet, in order. */
  get queued(): ReadonlyMap<string, readonly QueuedPublication[]> {
    return this.publications.groups;
  }

  /** Puts a publication into the queue. */
  enqueue(publication: Publication, deduplicationId: string): string {
    return this.publications.put(publication.channel, deduplicationId, sequenceNumber => ({
      publication,
      sequenceNumber,
      sentAt: this.now,
    }));
  }

  /** Takes out of the queue what a consumer has done. */
  dequeue(channel: string, sequenceNumbers: readonly string[]): void {
    this.publications.delete(channel, sequenceNumbers);
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
      unwritten: {
        extend: async until => {
          await step('unwritten.extend');
          this.unwrittenUntil = Math.max(this.unwrittenUntil, until);
        },
        until: async () => {
          await step('unwritten.until');
          return this.unwrittenUntil;
        },
      },
      fanOut: this.#fanOut(step),
    };
  }

  #fanOut(step: Step): View['fanOut'] {
    const putTask = (task: ShardTask, deduplicationId: string) =>
      this.shardTasks.put(groupOf(task), deduplicationId, sequenceNumber => ({
        task: structuredClone(task),
        sequenceNumber,
        sentAt: this.now,
      }));
    return {
      sendTasks: async tasks => {
        // One request for each, as SQS may take some of a batch and not others.
        for (const task of tasks) {
          await step('fanOut.sendTasks');
          putTask(task, task.entries?.to ?? `resync@${this.now}`);
        }
      },
      sendMarker: async (marker, flushUntil) => {
        await step('fanOut.sendMarker');
        this.publications.put(marker.channel, `resync#${flushUntil}`, sequenceNumber => ({
          publication: marker,
          sequenceNumber,
          sentAt: this.now,
        }));
      },
      sendShardMarker: async (task, flushUntil) => {
        await step('fanOut.sendShardMarker');
        putTask(task, `resync#${flushUntil}`);
      },
      deadLetter: async (channel, { body }, reason) => {
        await step('fanOut.deadLetter');
        this.deadLetters.push({ channel, body, reason });
      },
    };
  }

  #log(step: Step): MessageLog {
    return {
      head: async channel => {
        await step('log.head');
        return this.headOf(channel);
      },
      last: async channel => {
        await step('log.last');
        return this.messagesOf(channel).at(-1)?.cursor ?? null;
      },
      append: async entry => {
        await step('log.append');
        // What is not valid is refused whatever is there.
        this.onAppend(entry);
        const entries = this.messagesOf(entry.channel);
        if (entries.some(({ cursor }) => cursor === entry.cursor)) return;
        this.onAppended(entry);
        const all = [...entries, structuredClone(entry)].sort((a, b) => (a.cursor < b.cursor ? -1 : 1));
        this.messages.set(entry.channel, all);
      },
      between: async (channel, from, to) => {
        await step('log.between');
        return structuredClone(this.messagesOf(channel).filter(({ cursor }) => from <= cursor && cursor <= to));
      },
      from: async (channel, from) => {
        await step('log.from');
        // A page is a number of items read; those that are filtered out count too.
        const page = this.messagesOf(channel)
          .filter(({ cursor }) => from <= cursor)
          .slice(0, this.logPage);
        const messages = page.filter(entry => !this.isExpired(entry));
        return { messages: structuredClone(messages), more: page.length === this.logPage };
      },
      moveHead: async (channel, cursor) => {
        await step('log.moveHead');
        const head = this.headOf(channel);
        if (head.cursor === null || head.cursor < cursor) this.heads.set(channel, { ...head, cursor });
        return this.headOf(channel);
      },
      raiseShards: async (channel, shardCount) => {
        await step('log.raiseShards');
        const head = this.headOf(channel);
        if (head.shardCount < shardCount) this.heads.set(channel, { ...head, shardCount });
      },
      markShard: async (channel, shard, full) => {
        await step('log.markShard');
        const head = this.headOf(channel);
        const others = head.fullShards.filter(other => other !== shard);
        this.heads.set(channel, { ...head, fullShards: full ? [...others, shard] : others });
        return this.headOf(channel);
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
      count: async (channel, shard, limit) => {
        await step('subscriptions.count');
        return Math.min(limit, this.subscribersOf(channel, shard).size);
      },
    };
  }

  #resynced(connectionId: string, channel: string): void {
    const connection = this.connections.get(connectionId);
    if (!connection?.resync) return;
    const resync = [...connection.resync].filter(marked => marked !== channel);
    this.connections.set(connectionId, { ...connection, resync: new Set(resync) });
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
        if (!connection) return { beat: 'gone' };
        const resync = [...(connection.resync ?? [])];
        if (connection.lastSeenAt !== undefined && connection.lastSeenAt > now - sinceMs)
          return { beat: 'recent', resync };
        this.connections.set(connectionId, { ...connection, lastSeenAt: now });
        return { beat: 'moved', resync };
      },
      addChannel: async (connectionId, channel, shard, maxChannels) => {
        await step('connections.addChannel');
        const connection = this.connections.get(connectionId);
        if (!connection) return 'gone';
        if (connection.channels.size >= maxChannels && !connection.channels.has(channel)) return 'full';
        const held = connection.channels.get(channel) ?? shard;
        connection.channels.set(channel, held);
        this.#resynced(connectionId, channel);
        return { shard: held };
      },
      removeChannel: async (connectionId, channel) => {
        await step('connections.removeChannel');
        const channels = this.connections.get(connectionId)?.channels;
        const shard = channels?.get(channel);
        channels?.delete(channel);
        this.#resynced(connectionId, channel);
        return shard;
      },
      markResync: async (connectionId, channel) => {
        await step('connections.markResync');
        const connection = this.connections.get(connectionId);
        if (!connection) return;
        this.connections.set(connectionId, { ...connection, resync: new Set([...(connection.resync ?? []), channel]) });
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
      scan: async (_, visit) => {
        // Two pages, so that what happens between them can be tested; the second is read when it is asked for.
        const half = Math.ceil(this.connections.size / 2);
        await step('connections.scan');
        const first = all().slice(0, half).map(connectionOf);
        await visit(first, 1);
        await step('connections.scan');
        const read = new Set(first.map(({ connectionId }) => connectionId));
        await visit(
          all()
            .filter(({ connectionId }) => !read.has(connectionId))
            .map(connectionOf),
          1,
        );
      },
      page: async (after, limit) => {
        await step('connections.page');
        const rest = all()
          .map(connectionOf)
          .sort((a, b) => (a.connectionId < b.connectionId ? -1 : 1))
          .filter(({ connectionId }) => after === undefined || connectionId > after);
        const connections = rest.slice(0, limit);
        const next = connections.at(-1)?.connectionId;
        return { connections, ...(rest.length > limit && next !== undefined && { next }) };
      },
      markEnding: async (connectionId, ending, lastSeenAt) => {
        await step('connections.markEnding');
        const connection = this.connections.get(connectionId);
        if (!connection || (lastSeenAt !== undefined && connection.lastSeenAt !== lastSeenAt)) return false;
        this.connections.set(connectionId, { ending, ...connection });
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
      exists: async connectionId => {
        await step('callback.exists');
        return this.sockets.get(connectionId)?.open ?? false;
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
