import type { SQSBatchResponse } from 'aws-lambda';
import { type CensusDependencies, takeCensus } from '../../lambdas/census/census.ts';
import { type CensusRecord, type CensusState, censusStateSchema } from '../../lambdas/census/record.ts';
import { register } from '../../lambdas/connect/register.ts';
import { eachGroup, type Group, type Progress } from '../../lambdas/fan-out/batch.ts';
import { postBudget } from '../../lambdas/fan-out/budget.ts';
import { type DeliverDependencies, deliver } from '../../lambdas/fan-out/deliver.ts';
import { type DeliverToShardDependencies, deliverToShard } from '../../lambdas/fan-out/deliver-to-shard.ts';
import { readDelivery, readShardTask } from '../../lambdas/fan-out/delivery.ts';
import { OutOfTime, SystemicPostFailure } from '../../lambdas/fan-out/post-to-subscribers.ts';
import { groupDelaySeconds } from '../../lambdas/fan-out/retry.ts';
import { answer } from '../../lambdas/message/answer.ts';
import type { HeartbeatRule } from '../../lambdas/shared/liveness.ts';
import { pacedCallback, postPace } from '../../lambdas/shared/post-pace.ts';
import { forget, type Presence } from '../../lambdas/shared/presence.ts';
import { encodeFrame } from '../../lambdas/shared/protocol.ts';
import { everything } from '../../lambdas/shared/rights.ts';
import { beatNotes } from '../../lambdas/shared/unwritten-beats.ts';
import type { SweepRequest } from '../../lambdas/sweep/request.ts';
import { sweep } from '../../lambdas/sweep/sweep.ts';
import type { View } from '../lambdas/in-memory.ts';
import type { Consumer } from './event-source.ts';
import { Invocation, isInjected } from './invocation.ts';
import { integer } from './random.ts';
import type { World } from './world.ts';

/** A message function's; the gateway waits no longer for it. */
const frameTimeoutMs = 10_000;
const censusTimeoutMs = 55_000;
export const heartbeat: HeartbeatRule = { intervalMs: 30_000, graceMs: 10_000 };

/** What one environment of the message function keeps from one invocation to the next. */
interface Environment {
  /** What the invocation sees that it runs. */
  view: View | undefined;
  readonly noteBeat: (now: number) => Promise<boolean>;
}

/** Runs the functions as their handlers do (`lambdas/<function>/index.ts`), with what an invocation of this world sees. */
export class Functions {
  readonly #world: World;
  #census: { holder: string | undefined; heldUntil: number; state: CensusState } = {
    holder: undefined,
    heldUntil: 0,
    state: censusStateSchema.parse({}),
  };
  #holders = 0;
  /** Those that run nothing. */
  readonly #free: Environment[] = [];
  /** When the last heartbeat of a connection was handled, epoch milliseconds. */
  readonly beats = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** @returns whether it may open; no answer where the function never gave one */
  async connect(connectionId: string, user: string): Promise<boolean | 'ended'> {
    const world = this.#world;
    const invocation = new Invocation(world, `connect ${connectionId}`, frameTimeoutMs);
    const { connections, count } = invocation.view().presence;
    try {
      const outcome = await invocation.run(() =>
        register(
          { connectionId, user, ip: '192.0.2.1', connectedAt: world.now() },
          { maxConnections: 1_000, maxConnectionsPerUser: 100, maxConnectionsPerAddress: 1_000 },
          { connections, count, control: this.#control, warn: (_, error) => this.#judge('connect', error) },
        ),
      );
      return outcome === 'ended' ? 'ended' : outcome.answer === 'registered';
    } catch (error) {
      this.#judge('connect', error);
      return 'ended';
    }
  }

  async disconnect(connectionId: string): Promise<void> {
    const invocation = new Invocation(this.#world, `disconnect ${connectionId}`, frameTimeoutMs);
    try {
      await invocation.run(() => forget(connectionId, invocation.view().presence));
    } catch (error) {
      this.#judge('disconnect', error);
    }
  }

  /** @returns the frame that answers it; none where the function gave none */
  async message(connectionId: string, user: string, text: string): Promise<string | undefined> {
    const world = this.#world;
    const { faults, now, plan } = world;
    const invocation = new Invocation(world, `message ${connectionId}`, frameTimeoutMs);
    const view = invocation.view();
    const { presence, log, queue, callback, unwritten } = view;
    const environment = this.#free.pop() ?? this.#newEnvironment();
    environment.view = view;
    const beatAt = now();
    const outcome = await invocation.run(() =>
      answer({ connectionId, session: { user, rights: everything } }, text, {
        presence,
        log,
        queue,
        callback: pacedCallback(callback, this.#pace(), invocation.sleep),
        rate: () => (faults.happens('rateLimited') ? 'refused' : 'taken'),
        now,
        limits: { maxMessageBytes: 100_000, maxChannelsPerConnection: 5 },
        heartbeat,
        shardSize: plan.shardSize,
        control: this.#control,
        throttle: { admit: async () => {} },
        noteBeat: environment.noteBeat,
        unwritten,
        refused: (_, refusal, cause) => {
          if (cause !== undefined && !isInjectedPost(cause)) this.#judge(`message: ${refusal.message}`, cause);
        },
      }),
    );
    // One that crashed or was ended is not used again.
    if (outcome === 'ended') return undefined;
    this.#free.push(environment);
    const { type } = outcome.answer;
    if (type === 'heartbeat' || (type === 'resync' && text.includes('heartbeat'))) this.beats.set(connectionId, beatAt);
    return encodeFrame(outcome.answer);
  }

  #newEnvironment(): Environment {
    const environment: Environment = {
      view: undefined,
      noteBeat: beatNotes({ extend: async until => environment.view?.unwritten.extend(until) }, error =>
        this.#judge('note of a heartbeat', error),
      ),
    };
    return environment;
  }

  readonly fanOut = async (event: unknown, consumer: Consumer): Promise<SQSBatchResponse> => {
    const world = this.#world;
    const d = this.#fanOutDependencies(consumer);
    return eachGroup(event, {
      handle: group => (group.queueArn === 'shards' ? this.#toShard(group, d) : this.#fromPublications(group, d)),
      left: async ({ id, records }, error) => {
        const isFailed = error !== undefined && !(error instanceof OutOfTime);
        if (error instanceof SystemicPostFailure) world.count('systemic post failure');
        else if (isFailed) this.#judge(`fan-out of ${id}`, error);
        else world.count('out of time');
        try {
          await consumer.changeVisibility(
            isFailed ? groupDelaySeconds(records) : 0,
            records.map(({ receiptHandle }) => receiptHandle),
          );
        } catch (cause) {
          this.#judge('change of visibility', cause);
        }
      },
    });
  };

  async census(): Promise<void> {
    const world = this.#world;
    const invocation = new Invocation(world, 'census', censusTimeoutMs);
    this.#holders += 1;
    const d = this.#censusDependencies(invocation, `census ${this.#holders}`);
    try {
      const outcome = await invocation.run(() => takeCensus(d));
      if (outcome !== 'ended' && outcome.answer)
        world.count('connection forgotten by the census', outcome.answer.forgotten);
    } catch (error) {
      this.#judge('census', error);
    }
  }

  /** Every page of a sweep, as the state machine has it done. */
  async sweep(request: SweepRequest): Promise<void> {
    const world = this.#world;
    const invocation = new Invocation(world, `sweep ${request.mode}`, censusTimeoutMs);
    const { presence, callback, unwritten } = invocation.view();
    const paced = pacedCallback(callback, this.#pace(), invocation.sleep);
    try {
      const outcome = await invocation.run(() =>
        sweep(request, {
          presence: this.#watched(presence),
          closing: paced,
          posting: paced,
          control: this.#control,
          heartbeat,
          verdict: async () => {
            const { mayEvictMany, takenAt } = this.#census.state;
            return mayEvictMany ? takenAt : undefined;
          },
          unwritten,
          now: world.now,
          failed: (_, __, error) => {
            if (!isInjectedPost(error)) this.#judge('sweep', error);
          },
        }),
      );
      if (outcome !== 'ended' && request.mode === 'drain')
        world.count('drained connection', outcome.answer.totals.closed);
    } catch (error) {
      this.#judge('sweep', error);
    }
  }

  readonly #control = { read: async () => this.#world.control() };

  /** An error that no fault explains is a bug. */
  #judge(where: string, error: unknown): void {
    if (!isInjected(error)) this.#world.violate(`${where} failed: ${(error as Error).stack ?? error}`);
  }

  #pace() {
    const { now, timeline } = this.#world;
    return postPace({ perSecond: 1_000, burst: 100, now, sleep: ms => timeline.wait(ms) });
  }

  #fanOutDependencies({ invocation, deadline }: Consumer): DeliverDependencies & DeliverToShardDependencies {
    const world = this.#world;
    const { faults, chance, now } = world;
    const { log, presence, callback, fanOut } = invocation.view();
    const control = world.control();
    const posts = faults.happens('shortOfTime') ? integer(chance, 0, 4) : 1_000;
    return {
      ...fanOut,
      log,
      presence,
      callback: pacedCallback(callback, this.#pace(), invocation.sleep),
      parallelism: integer(chance, 1, 3),
      budget: postBudget(posts, posts < 4 ? now() + integer(chance, 5, 500) : deadline - 3_000, now),
      shardSize: world.plan.shardSize,
      minimumShards: control.shards ?? 1,
      flush: control.flush,
      now,
      postFailed: () => {},
      closing: () => world.count('connection closed for a failed post'),
      closeFailed: (_, error) => {
        world.count('connection not closed');
        this.#judge('close', error);
      },
      delivered: () => {},
    };
  }

  async #fromPublications({ id, records }: Group, d: DeliverDependencies): Promise<Progress> {
    const items = records.map(record => readDelivery(id, record));
    return { done: await deliver(id, items, d) };
  }

  async #toShard({ records }: Group, d: DeliverToShardDependencies): Promise<Progress> {
    let done = 0;
    try {
      for (const record of records) {
        const task = readShardTask(record);
        if (!task) throw new TypeError(`no shard task: ${record.body}`);
        this.#world.count('shard task');
        if (!(await deliverToShard(task, record.sentAt, d))) break;
        done += 1;
      }
      return { done };
    } catch (error) {
      return { done, error };
    }
  }

  #censusDependencies(invocation: Invocation, holder: string): CensusDependencies {
    const world = this.#world;
    const { presence, callback, unwritten } = invocation.view();
    return {
      presence: this.#watched(presence),
      unwritten,
      callback: pacedCallback(callback, this.#pace(), invocation.sleep),
      control: this.#control,
      record: this.#record(invocation),
      backlog: async () => 0,
      metrics: { put() {}, flush() {} },
      maxConnections: 1_000,
      heartbeat,
      reads: { take: async () => {} },
      random: world.chance,
      now: world.now,
      holder,
      failed: (_, __, error) => this.#judge('census', error),
    };
  }

  /** Holds every eviction against the heartbeats that were handled. */
  #watched(presence: Presence): Presence {
    const { connections } = presence;
    return {
      ...presence,
      connections: {
        ...connections,
        markEnding: async (connectionId, ending, lastSeenAt) => {
          const marked = await connections.markEnding(connectionId, ending, lastSeenAt);
          if (marked && ending.reason === 'evicted') this.#evicted(connectionId, ending.at);
          return marked;
        },
      },
    };
  }

  #evicted(connectionId: string, at: number): void {
    this.#world.count('eviction');
    const beatAt = this.beats.get(connectionId);
    if (beatAt !== undefined && beatAt >= at - heartbeat.intervalMs - heartbeat.graceMs)
      this.#world.violate(`${connectionId} is evicted, and its heartbeat was handled ${at - beatAt} ms before`);
  }

  #record({ step }: Invocation): CensusRecord {
    const { now } = this.#world;
    return {
      acquire: async holder => {
        await step('record.acquire');
        if (this.#census.heldUntil >= now()) return undefined;
        this.#census = { ...this.#census, holder, heldUntil: now() + 56_000 };
        return structuredClone(this.#census.state);
      },
      release: async (holder, state) => {
        await step('record.release');
        if (this.#census.holder !== holder) return;
        this.#census = { holder: undefined, heldUntil: 0, state: state ?? this.#census.state };
      },
    };
  }
}

/** A post that came to nothing is told as a reason, not as an error of ours. */
const isInjectedPost = (error: unknown): boolean =>
  error instanceof Error && /injected|notice was not delivered/.test(error.message);
