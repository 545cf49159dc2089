import type { Context, SQSBatchResponse } from 'aws-lambda';
import type { Control } from '../shared/control.ts';
import { functionControl } from '../shared/environment.ts';
import { logger } from '../shared/logger.ts';
import { memoryMeter } from '../shared/memory-meter.ts';
import { serviceMetrics } from '../shared/metrics.ts';
import { readVariables } from '../shared/variables.ts';
import { furtherBatches, handleAnotherBatch } from './another-batch.ts';
import { type BatchHandlers, eachGroup, type Group, type Progress, type QueueRecord, queueOf } from './batch.ts';
import { postBudget } from './budget.ts';
import { type Clients, fanOutEnvironment } from './clients.ts';
import { sendDeadLetter } from './dead-letters.ts';
import { type DeliverDependencies, deliver } from './deliver.ts';
import { type DeliverToShardDependencies, deliverToShard } from './deliver-to-shard.ts';
import { readDelivery, readShardTask } from './delivery.ts';
import { deliveryMeter } from './meter.ts';
import { OutOfTime } from './post-to-subscribers.ts';
import { deliveryQueues } from './queues.ts';
import { groupDelaySeconds, retryAfter } from './retry.ts';
import { fanOutVariables } from './variables.ts';

const variables = readVariables(fanOutVariables);
const {
  PUBLICATIONS_QUEUE_URL,
  SHARD_TASKS_QUEUE_URL,
  SHARD_TASKS_QUEUE_ARN,
  PUBLICATION_DEAD_LETTERS_URL,
  SHARD_TASK_DEAD_LETTERS_URL,
} = variables;
const metrics = serviceMetrics();
const meter = deliveryMeter(metrics, Date.now);
const memory = memoryMeter();
const control = functionControl(variables.OPERATIONS_TABLE);
const environment = fanOutEnvironment(variables, control);

/** Left over at the end of an invocation for the posts that are under way, and for what follows them. */
const reserveMs = 2 * variables.POST_TIMEOUT_SECONDS * 1000 + 2_000;

type Dependencies = DeliverDependencies & DeliverToShardDependencies;

function dependenciesOf(
  { log, presence, sqs, pace, callback, parallelism }: Clients,
  control: Control,
  remainingMs: number,
) {
  const postingMs = Math.max(0, remainingMs - reserveMs);
  const queues = deliveryQueues(sqs, { publications: PUBLICATIONS_QUEUE_URL, shardTasks: SHARD_TASKS_QUEUE_URL });
  return {
    log,
    presence,
    callback,
    parallelism,
    budget: postBudget(pace.within(postingMs), Date.now() + postingMs, Date.now),
    shardSize: variables.SHARD_SIZE,
    minimumShards: control.shards ?? 1,
    flush: control.flush,
    now: Date.now,
    delivered: meter.delivered,
    postFailed: ({ failed }) => meter.postFailed(failed),
    closing: (connectionId, { failed, detail }) =>
      logger.warn('connection closed, its post failed', { connectionId, reason: failed, detail }),
    closeFailed: (connectionId, error) =>
      logger.error('connection not closed, its next heartbeat is answered with resync', {
        connectionId,
        error: error as Error,
      }),
    sendTasks: tasks => queues.sendTasks(tasks, Date.now()),
    sendMarker: queues.sendMarker,
    sendShardMarker: queues.sendShardMarker,
    async deadLetter(channel, { body, cursor }, reason) {
      const letter = { group: channel, body, reason, source: PUBLICATIONS_QUEUE_URL, place: cursor };
      await sendDeadLetter(PUBLICATION_DEAD_LETTERS_URL, letter, sqs);
      meter.undeliverable();
      logger.error('message put away, it can never be delivered', { channel, cursor, reason });
    },
  } satisfies Dependencies;
}

async function putAwayTask({ id }: Group, { body, sequenceNumber }: QueueRecord, sqs: Clients['sqs']): Promise<void> {
  const letter = { group: id, body, reason: 'unreadable', source: SHARD_TASKS_QUEUE_URL, place: sequenceNumber };
  await sendDeadLetter(SHARD_TASK_DEAD_LETTERS_URL, letter, sqs);
  meter.undeliverable();
  logger.error('shard task put away, it cannot be read', { group: id });
}

/** The tasks of one shard, in order. */
async function toShard(group: Group, d: Dependencies, sqs: Clients['sqs']): Promise<Progress> {
  let done = 0;
  try {
    for (const record of group.records) {
      const task = readShardTask(record);
      if (!task) await putAwayTask(group, record, sqs);
      else if (!(await deliverToShard(task, record.sentAt, d))) break;
      done += 1;
    }
    return { done };
  } catch (error) {
    return { done, error };
  }
}

async function fromPublications({ id, records }: Group, d: Dependencies): Promise<Progress> {
  const items = records.map(record => readDelivery(id, record));
  return { done: await deliver(id, items, d) };
}

const urlOf = (queueArn: string): string =>
  queueArn === SHARD_TASKS_QUEUE_ARN ? SHARD_TASKS_QUEUE_URL : PUBLICATIONS_QUEUE_URL;

function handlersOf(clients: Clients, control: Control, remainingMs: number): BatchHandlers {
  const d = dependenciesOf(clients, control, remainingMs);
  return {
    handle: group =>
      group.queueArn === SHARD_TASKS_QUEUE_ARN ? toShard(group, d, clients.sqs) : fromPublications(group, d),
    async left({ id, records, queueArn }, error) {
      // What there was no time for has not failed: it goes on at once.
      const failed = error !== undefined && !(error instanceof OutOfTime);
      if (failed) {
        meter.failed();
        logger.error('group not delivered, it is tried again', { group: id, error: error as Error });
      }
      try {
        await retryAfter(failed ? groupDelaySeconds(records) : 0, urlOf(queueArn), records, clients.sqs);
      } catch (cause) {
        logger.error('group is tried again only when its visibility ends', { group: id, error: cause as Error });
      }
    },
  };
}

/** Delivers what came, and where delivery is scaled up as many batches more beside it. */
async function delivered(
  event: unknown,
  scale: number,
  handlers: BatchHandlers,
  sqs: Clients['sqs'],
): Promise<SQSBatchResponse> {
  const { arn, records } = queueOf(event);
  const another = () =>
    handleAnotherBatch({ url: urlOf(arn), arn }, handlers, sqs).catch((error: Error) =>
      logger.error('another batch was not taken, or is not deleted and comes again', { queue: arn, error }),
    );
  const others = Promise.all(Array.from({ length: furtherBatches(scale, records) }, another));
  try {
    return await eachGroup(event, handlers);
  } finally {
    await others;
  }
}

type InvocationContext = Pick<Context, 'getRemainingTimeInMillis' | 'memoryLimitInMB'>;

export const handler = (event: unknown, context: InvocationContext): Promise<SQSBatchResponse> =>
  environment.run(clients => fanOut(event, context, clients));

async function fanOut(event: unknown, context: InvocationContext, clients: Clients): Promise<SQSBatchResponse> {
  const now = await control.read();
  const scale = now.shards ?? 1;
  try {
    return await clients.quota.during(scale, () =>
      delivered(event, scale, handlersOf(clients, now, context.getRemainingTimeInMillis()), clients.sqs),
    );
  } finally {
    const used = memory(Number(context.memoryLimitInMB));
    if (used !== undefined) metrics.put('MemoryUsed', used);
    meter.flush();
  }
}
