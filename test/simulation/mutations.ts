import { ChannelOrder } from '../../client/channel-order.ts';
import { origin, type PlacedFrame } from '../../client/frames.ts';
import type { Head, MessageLog } from '../../lambdas/shared/message-log.ts';
import type { View } from '../lambdas/in-memory.ts';
import { refusedData } from './truth.ts';
import type { World } from './world.ts';

/** A mistake that is built into what the functions or the clients use, to see that it would be noticed. */
export interface Mutation {
  /** What an invocation sees instead. */
  readonly view?: (view: View, world: World) => View;
  /** Which messages of a batch are deleted; those that did not fail where this is not given. */
  readonly deletes?: (failed: boolean) => boolean;
  /** Changes the client's code. @returns what undoes it */
  readonly install?: () => () => void;
}

const withLog = (view: View, changes: Partial<MessageLog>): View => ({ ...view, log: { ...view.log, ...changes } });

/** As a reader has it that took it some time ago and kept it: one for each world, as for a function environment. */
function staleShardCount(keptMs: number) {
  const kept = new WeakMap<World, Map<string, { readonly count: number; readonly at: number }>>();
  return (head: Head, channel: string, world: World): Head => {
    const ofWorld = kept.get(world) ?? new Map();
    kept.set(world, ofWorld);
    const last = ofWorld.get(channel);
    if (last && world.now() - last.at < keptMs) return { ...head, shardCount: last.count };
    ofWorld.set(channel, { count: head.shardCount, at: world.now() });
    return head;
  };
}
const stale = staleShardCount(10_000);

export const mutations = {
  'subscribers read before appending': {
    view(view) {
      const { subscriptions } = view.presence;
      const early = new Map<string, Promise<readonly string[]>>();
      const read = (channel: string, shard: number) => {
        const key = `${channel}#${shard}`;
        const reading = early.get(key) ?? subscriptions.subscribers(channel, shard);
        early.set(key, reading);
        return reading;
      };
      return {
        ...withLog(view, {
          async append(entry) {
            await read(entry.channel, 0);
            return view.log.append(entry);
          },
        }),
        presence: { ...view.presence, subscriptions: { ...subscriptions, subscribers: read } },
      };
    },
  },
  'unordered append': {
    view(view) {
      const underWay: Promise<void>[] = [];
      return withLog(view, {
        async append(entry) {
          const append = view.log.append(entry);
          // What is put in the place of a refused message depends on its refusal.
          if ('data' in entry && entry.data === refusedData) return append;
          append.catch(() => {});
          underWay.push(append);
        },
        async moveHead(channel, cursor) {
          await Promise.all(underWay);
          return view.log.moveHead(channel, cursor);
        },
      });
    },
  },
  'no check of previous': {
    install() {
      const { receive } = ChannelOrder.prototype;
      ChannelOrder.prototype.receive = function (this: ChannelOrder, frame: PlacedFrame) {
        const previous = this.cursor === origin ? null : (this.cursor ?? frame.previous);
        receive.call(this, { ...frame, previous });
      };
      return () => {
        ChannelOrder.prototype.receive = receive;
      };
    },
  },
  'shard count read stale': {
    view: (view, world) =>
      withLog(view, {
        moveHead: async (channel, cursor) => stale(await view.log.moveHead(channel, cursor), channel, world),
      }),
  },
  'deleted after a partial failure': { deletes: () => true },
  'a position given out ahead of the head': {
    view(view) {
      let resuming = false;
      return withLog(view, {
        async from(channel, cursor) {
          resuming = true;
          return view.log.from(channel, cursor);
        },
        moveHead: (channel, cursor) => (resuming ? view.log.head(channel) : view.log.moveHead(channel, cursor)),
      });
    },
  },
  'heartbeats not written, and no trace of it': {
    view: view => ({ ...view, unwritten: { ...view.unwritten, until: async () => 0 } }),
  },
  'unconditional update of Connections': {
    view(view, { service }) {
      const { connections } = view.presence;
      const upsert = (connectionId: string) => {
        if (service.connections.has(connectionId)) return;
        service.connections.set(connectionId, { connectionId, ip: '', connectedAt: service.now, channels: new Map() });
      };
      return {
        ...view,
        presence: {
          ...view.presence,
          connections: {
            ...connections,
            async beat(connectionId, now, sinceMs) {
              const result = await connections.beat(connectionId, now, sinceMs);
              if (result.beat !== 'gone') return result;
              upsert(connectionId);
              return { beat: 'moved', resync: [] };
            },
            async addChannel(connectionId, channel, shard, maxChannels) {
              const result = await connections.addChannel(connectionId, channel, shard, maxChannels);
              if (result !== 'gone') return result;
              upsert(connectionId);
              return connections.addChannel(connectionId, channel, shard, maxChannels);
            },
          },
        },
      };
    },
  },
} satisfies Record<string, Mutation>;
