import { defaultControl } from '../../lambdas/shared/control.ts';
import { ItemRefused } from '../../lambdas/shared/message-log.ts';
import { origin } from '../../lambdas/shared/protocol.ts';
import { Application, type Subscriber } from './application.ts';
import { EventSource } from './event-source.ts';
import { type Fault, timedFaults } from './faults.ts';
import { Functions } from './functions.ts';
import { Gateway } from './gateway.ts';
import type { Mutation } from './mutations.ts';
import type { Plan } from './plan.ts';
import { between, integer, oneOf, randomOf } from './random.ts';
import { refusedData, Truth } from './truth.ts';
import { type Happening, World } from './world.ts';

export interface Outcome {
  /** What broke the invariant; undefined where nothing did. */
  readonly violation: string | undefined;
  readonly faults: ReadonlyMap<Fault, number>;
  /** How many faults there were, those included that the plan leaves out. */
  readonly faultNumber: number;
  readonly happenings: ReadonlyMap<Happening, number>;
  readonly trace: readonly string[];
}

const minuteMs = 60_000;
/** Everything has been seen by then: a visibility, a heartbeat's silence, a client's and a queue's longest waits for another try, several times. */
const patienceMs = 10 * minuteMs;
/** The gateway ends what is idle after 10 min, and the census asks for it then. */
const forgottenMs = 14 * minuteMs;

/** Plays one history, and holds it against the invariant. */
export async function play(plan: Plan, mutation: Mutation = {}, traced = false): Promise<Outcome> {
  const undo = mutation.install?.();
  try {
    const world = new World(plan, mutation, traced);
    await new History(world).play();
    return {
      violation: world.violation,
      faults: world.faults.counts,
      faultNumber: world.faults.number,
      happenings: world.counts,
      trace: world.trace ?? [],
    };
  } finally {
    undo?.();
  }
}

class History {
  readonly #world: World;
  readonly #truth: Truth;
  readonly #functions: Functions;
  readonly #gateway: Gateway;
  readonly #publications;
  readonly #shards;
  readonly #channels: readonly string[];
  readonly #removed = new Set<string>();
  #applications: readonly Application[] = [];
  #serverMessages = 0;
  #degradations = 0;
  /** Epoch milliseconds. */
  #nextCensusAt = 0;

  constructor(world: World) {
    const { plan, service } = world;
    this.#world = world;
    const random = randomOf(plan.seed, 'retention');
    this.#truth = new Truth(world, plan.faults.expiry ? between(random, 100_000, 200_000) : Number.POSITIVE_INFINITY);
    this.#functions = new Functions(world);
    this.#gateway = new Gateway(world, this.#functions);
    this.#channels = Array.from({ length: plan.channels }, (_, n) => `room:${n}`);
    this.#publications = new EventSource(world, {
      name: 'publications',
      queue: service.publications,
      bodyOf: ({ publication }) => JSON.stringify(publication),
      concurrency: 2,
      handle: this.#functions.fanOut,
    });
    this.#shards = new EventSource(world, {
      name: 'shards',
      queue: service.shardTasks,
      bodyOf: ({ task }) => JSON.stringify(task),
      concurrency: 2,
      handle: this.#functions.fanOut,
    });
    service.publications.onPut = queued => {
      this.#truth.accept(queued);
      this.#publications.poll();
    };
    service.shardTasks.onPut = () => this.#shards.poll();
    service.isExpired = ({ channel, cursor }) => this.#truth.isExpiredAt(channel, cursor);
    service.logPage = integer(random, 2, 6);
    service.onAppend = entry => {
      if ('data' in entry && entry.data === refusedData) throw new ItemRefused(new Error('too large'));
    };
    service.onAppended = entry => this.#truth.append(entry);
    world.called = (operation, given, answer) => this.#called(operation, given, answer);
  }

  async play(): Promise<void> {
    this.#schedule();
    await this.#advance(this.#world.plan.activeMs, () => false);
    this.#endFaults();
    // By itself, without anything new that would show what is missing.
    await this.#expectCurrent('after the faults', subscriber => subscriber.isExcused);
    for (const channel of this.#channels) this.#publishFromServer(channel);
    await this.#expectCurrent('after another message', () => false);
    for (const connectionId of this.#gateway.open) this.#gateway.cut(connectionId);
    for (const channel of this.#channels) this.#publishFromServer(channel);
    await this.#expectCurrent('after a reconnect', () => false);
    if (this.#world.violation === undefined) await this.#expectForgotten();
  }

  #schedule(): void {
    const { plan, timeline, faults } = this.#world;
    const random = randomOf(plan.seed, 'applications');
    this.#applications = Array.from(
      { length: plan.clients },
      (_, n) => new Application(`client${n}`, this.#world, this.#gateway, this.#truth),
    );
    /** When the last message of a channel is published, milliseconds from the start. */
    const last = new Map<string, number>();
    for (let n = 0; n < plan.messages; n += 1) {
      const application = oneOf(random, this.#applications);
      const channel = oneOf(random, this.#channels);
      const data = random() < 0.04 ? 'x'.repeat(17_000) : n;
      const ms = random() * plan.activeMs;
      last.set(channel, Math.max(ms, last.get(channel) ?? 0));
      timeline.after(ms, () => application.publish(channel, faults.happens('refusedItem') ? refusedData : data));
    }
    for (const application of this.#applications) {
      for (const channel of this.#channels) {
        if (random() < 0.2 && channel !== this.#channels[0]) continue;
        const share = random();
        if (share < 0.4) application.subscribe(channel);
        else if (share < 0.6) timeline.after(random() * plan.activeMs, () => application.subscribe(channel));
        else {
          // While the last message is on its way: nothing follows that would show it missing, and heal it.
          const ms = (last.get(channel) ?? 0) + between(random, -30, 150);
          timeline.after(ms, () => application.subscribe(channel));
        }
      }
    }
    for (const fault of timedFaults) {
      const rate = plan.faults[fault];
      if (rate === undefined) continue;
      const stream = randomOf(plan.seed, `times of ${fault}`);
      for (let left = integer(stream, 1, Math.ceil(rate * 4)); left > 0; left -= 1)
        timeline.after(stream() * plan.activeMs, () => {
          if (!faults.over && faults.take(fault)) this.#strike(fault);
        });
    }
    const census = randomOf(plan.seed, 'census');
    const firstMs = census() * minuteMs;
    this.#nextCensusAt = timeline.now() + firstMs;
    timeline.after(firstMs, () => this.#census());
  }

  #census(): void {
    this.#nextCensusAt += minuteMs;
    this.#world.timeline.after(minuteMs, () => this.#census());
    for (const [channel, entries] of this.#world.service.messages) {
      const kept = entries.filter(entry => !this.#world.service.isExpired(entry));
      if (kept.length < entries.length) this.#world.count('log expired');
      // DynamoDB deletes what has expired some time.
      if (this.#world.chance() < 0.5) this.#world.service.messages.set(channel, kept);
    }
    void this.#functions.census();
  }

  #strike(fault: (typeof timedFaults)[number]): void {
    const world = this.#world;
    const { chance, timeline } = world;
    const open = this.#gateway.open;
    const during = (ms: number, end: () => void) => timeline.after(ms, () => !world.faults.over && end());
    switch (fault) {
      case 'cut':
        if (open.length > 0) this.#gateway.cut(oneOf(chance, open));
        return;
      case 'halfOpen':
        if (open.length > 0) this.#gateway.halve(oneOf(chance, open));
        return;
      case 'outage':
        this.#gateway.outageUntil = world.now() + between(chance, 500, 8_000);
        return;
      case 'stall':
        this.#stall();
        return;
      case 'restart':
        oneOf(chance, this.#applications).restart();
        return;
      case 'leave':
        this.#leave();
        return;
      case 'replaced':
        void this.#functions.sweep({ ...sweeping, mode: 'notify', notice: 'reconnect', windowSeconds: 5 });
        return;
      case 'evicted':
        void this.#functions.sweep({ ...sweeping, mode: 'evict' });
        return;
      case 'flush':
        oneOf(chance, [this.#publications, this.#shards]).pause(5_000);
        world.setControl({ flush: { until: world.now() + integer(chance, 0, 5_000) } });
        during(between(chance, 4_000, 20_000), () => world.setControl({ flush: null }));
        return;
      case 'drain':
        this.#drain();
        return;
      case 'degraded':
        this.#degrade();
        return;
      case 'moreShards':
        world.setControl({ shards: integer(chance, 2, 4) });
        return;
    }
  }

  /**
   * Some consumer dies before one of its calls, and its queue is not read until the log has lost what it appended. Clients
   * come back soon after that, and when the log has lost it.
   */
  #stall(): void {
    const world = this.#world;
    const { chance, timeline } = world;
    const retentionMs = Math.min(200_000, this.#truth.retentionMs);
    const queue = chance() < 0.7 ? this.#publications : this.#shards;
    world.dieBefore = oneOf(chance, ['log.moveHead', 'log.moveHead', 'subscriptions.subscribers', 'fanOut.sendTasks']);
    world.died = () => {
      queue.pause(retentionMs + between(chance, 20_000, 60_000));
      for (const ms of [between(chance, 500, 20_000), retentionMs + between(chance, 500, 20_000)])
        timeline.after(ms, () => {
          if (!world.faults.over) for (const connectionId of this.#gateway.open) this.#gateway.cut(connectionId);
        });
    };
  }

  #leave(): void {
    const { chance, timeline } = this.#world;
    const application = oneOf(chance, this.#applications);
    const channel = oneOf(chance, this.#channels);
    const cursor = application.leave(channel);
    const since = chance() < 0.5 ? cursor : undefined;
    timeline.after(chance() * 3_000, () => application.subscribe(channel, since));
  }

  /**
   * Half of them begin after a census, last as long as two heartbeats, and are over before the next one: no census sees them.
   * They go on after the other faults.
   */
  #degrade(): void {
    const world = this.#world;
    const { chance, timeline } = world;
    const isShort = chance() < 0.5;
    const delayMs = isShort ? this.#nextCensusAt - world.now() + between(chance, 100, 8_000) : 0;
    timeline.after(delayMs, () => {
      this.#degradations += 1;
      world.setControl({ presence: 'degraded' });
      timeline.after(isShort ? between(chance, 32_000, 50_000) : between(chance, 60_000, 300_000), () => {
        this.#degradations -= 1;
        if (this.#degradations === 0) world.setControl({ presence: 'full' });
      });
    });
  }

  #drain(): void {
    const world = this.#world;
    const windowSeconds = 5;
    const drain = { startedAt: world.now(), windowSeconds, reason: 'simulated' };
    world.setControl({ admission: 'closed', drain });
    void this.#functions.sweep({ ...sweeping, mode: 'notify', notice: 'server_shutdown', windowSeconds });
    world.timeline.after(windowSeconds * 1000, () => {
      void this.#functions.sweep({ ...sweeping, mode: 'drain', startedAt: drain.startedAt });
    });
    world.timeline.after(2 * windowSeconds * 1000, () => world.setControl({ admission: 'open', drain: null }));
  }

  #endFaults(): void {
    const world = this.#world;
    world.tell(() => 'the faults end');
    world.faults.end();
    const { presence: _, ...others } = defaultControl;
    world.setControl(others);
    this.#gateway.outageUntil = 0;
  }

  #publishFromServer(channel: string): void {
    this.#serverMessages += 1;
    const id = `server#${this.#serverMessages}`;
    this.#world.service.enqueue({ channel, id, data: null, publishedAt: this.#world.now() }, id);
  }

  get #subscribers() {
    return this.#applications.flatMap(({ subscribers }) => subscribers);
  }

  async #advance(ms: number, until: () => boolean): Promise<void> {
    await this.#world.timeline.advance(ms, () => this.#world.violation !== undefined || until());
  }

  async #expectCurrent(when: string, isExcused: (subscriber: Subscriber) => boolean): Promise<void> {
    const late = () => this.#subscribers.filter(subscriber => !subscriber.isCurrent && !isExcused(subscriber));
    const isQuiet = () => this.#publications.isEmpty && this.#shards.isEmpty;
    await this.#advance(patienceMs, () => isQuiet() && late().length === 0);
    if (!isQuiet()) this.#world.violate(`${when} the queues are not drained`);
    const [first] = late();
    if (first) this.#world.violate(`${when}: ${first}`);
  }

  /** Everybody leaves, and nothing of them stays. */
  async #expectForgotten(): Promise<void> {
    const { service } = this.#world;
    for (const application of this.#applications) application.close();
    await this.#advance(forgottenMs, () => false);
    const left = [...service.connections.keys()];
    if (left.length > 0) this.#world.violate(`still registered at the end: ${left}`);
    if (service.connectionCount !== 0)
      this.#world.violate(`${service.connectionCount} are counted, and there are none`);
    const dead = service.deadLetters.filter(({ reason }) => reason !== 'refused');
    if (dead.length > 0) this.#world.violate(`dead letters: ${dead.map(({ body }) => body)}`);
    for (const channel of this.#channels) {
      const head = service.headOf(channel).cursor;
      if ((head ?? origin) !== this.#truth.last(channel)) this.#world.violate(`the head of ${channel} is at ${head}`);
    }
  }

  #called(operation: string, [first]: readonly unknown[], answer: unknown): void {
    const world = this.#world;
    if (operation === 'callback.post' && answer === 'gone') world.count('post to a closed connection');
    if (operation === 'fanOut.deadLetter') world.count('dead letter');
    if (operation === 'log.raiseShards') world.count('shards raised');
    if (!operation.startsWith('connections.') || typeof first !== 'string') return;
    if (operation === 'connections.remove') this.#removed.add(first);
    else if (this.#removed.has(first) && world.service.connections.has(first))
      world.violate(`${operation} has brought ${first} back`);
  }
}

const sweeping = { dryRun: false, totals: { seen: 0, notified: 0, closed: 0, forgotten: 0, failed: 0 } } as const;
