import { postBudget } from '../../../lambdas/fan-out/budget.ts';
import { type DeliverDependencies, deliver } from '../../../lambdas/fan-out/deliver.ts';
import { type DeliverToShardDependencies, deliverToShard } from '../../../lambdas/fan-out/deliver-to-shard.ts';
import type { Delivery, ResyncMarker } from '../../../lambdas/fan-out/delivery.ts';
import type { PostFailure } from '../../../lambdas/shared/callback.ts';
import { cursorOf } from '../../../lambdas/shared/protocol.ts';
import type { Publication } from '../../../lambdas/shared/publication.ts';
import {
  InMemoryService,
  immediately,
  messagesIn,
  type QueuedPublication,
  type QueuedTask,
  type Step,
} from '../in-memory.ts';

export const channel = 'room:1';
export const delivery = (n: number, changes: Partial<Publication> = {}): Delivery => {
  const publication = { channel, id: `m${n}`, data: { n }, publishedAt: 1_700_000_000_000 + n, ...changes };
  return {
    cursor: cursorOf(String(n)),
    publication,
    body: JSON.stringify(publication),
    sentAt: publication.publishedAt,
  };
};
export const unreadable = (n: number): Delivery => ({
  cursor: cursorOf(String(n)),
  publication: undefined,
  body: '{',
  sentAt: 1_700_000_000_000 + n,
});

/** The messages that frames carry, in order. */
export const idsIn = (frames: readonly string[]): readonly string[] => messagesIn(frames).map(({ id }) => id);

type Changes = Partial<DeliverDependencies & DeliverToShardDependencies>;

export function fanOut(service: InMemoryService, step: Step = immediately, changes: Changes = {}) {
  const failures: PostFailure[] = [];
  const closed: { readonly connectionId: string; readonly failure: PostFailure }[] = [];
  const delivered: { readonly ids: readonly string[]; readonly recipients: number }[] = [];
  const { fanOut: sends, ...view } = service.view(step);
  const dependencies: DeliverDependencies & DeliverToShardDependencies = {
    ...view,
    ...sends,
    parallelism: 3,
    budget: postBudget(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, () => 0),
    shardSize: 1_000,
    minimumShards: 1,
    flush: null,
    now: () => service.now,
    postFailed: failure => failures.push(failure),
    closing: (connectionId, failure) => closed.push({ connectionId, failure }),
    closeFailed: () => {},
    delivered: (entries, recipients) =>
      delivered.push({ ids: entries.flatMap(entry => ('id' in entry ? entry.id : [])), recipients }),
    ...changes,
  };
  return {
    failures,
    closed,
    delivered,
    deliver: (...items: (Delivery | ResyncMarker)[]) => deliver(channel, items, dependencies),
    /** @returns whether it is done */
    serve: ({ task, sentAt }: QueuedTask) => deliverToShard(task, sentAt, dependencies),
    /** Does what the queue of shard tasks has, group by group. */
    async serveShards(): Promise<void> {
      for (const [group, tasks] of service.shardTasks.groups) {
        for (const { task, sequenceNumber, sentAt } of tasks) {
          if (!(await deliverToShard(task, sentAt, dependencies))) return;
          service.shardTasks.delete(group, [sequenceNumber]);
        }
      }
    },
  };
}

/** What a consumer reads of a queued publication. */
export const received = ({ publication, sequenceNumber, sentAt }: QueuedPublication): Delivery | ResyncMarker =>
  'resync' in publication
    ? publication
    : { cursor: cursorOf(sequenceNumber), publication, body: JSON.stringify(publication), sentAt };

export function subscribed(...connectionIds: string[]): InMemoryService {
  const service = new InMemoryService();
  for (const connectionId of connectionIds) {
    service.open(connectionId);
    service.subscribe(connectionId, channel);
  }
  return service;
}
