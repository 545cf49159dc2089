import { type Control, defaultControl } from '../../lambdas/shared/control.ts';
import { InMemoryService } from '../lambdas/in-memory.ts';
import { Faults } from './faults.ts';
import type { Mutation } from './mutations.ts';
import type { Plan } from './plan.ts';
import { type Random, randomOf } from './random.ts';
import { Timeline } from './timeline.ts';

const start = Date.UTC(2030, 0, 1);
/** As old as a record may be that a function keeps (`lambdas/shared/control.ts`). */
const controlKeptMs = 2_000;

/** What is counted, so that one sees that it did occur. */
export type Happening =
  | 'event'
  | 'message accepted'
  | 'message delivered'
  | 'crash'
  | 'receive'
  | 'redelivery'
  | 'delivery after its visibility'
  | 'shard task'
  | 'shards raised'
  | 'flush marker'
  | 'dead letter'
  | 'connection'
  | 'refused connection'
  | 'resume'
  | 'message replayed'
  | 'subscribed again on the same connection'
  | 'told of a loss'
  | 'told of an undeliverable message'
  | 'resync'
  | 'log expired'
  | 'post to a closed connection'
  | 'systemic post failure'
  | 'out of time'
  | 'connection closed for a failed post'
  | 'connection not closed'
  | 'eviction'
  | 'connection forgotten by the census'
  | 'drained connection'
  | 'publication without outcome';

/** Thrown where a fault refuses a call: what the functions report with it as the cause is no bug. */
export class InjectedFault extends Error {}

/** All that the parts of one history share. */
export class World {
  readonly plan: Plan;
  readonly mutation: Mutation;
  readonly timeline = new Timeline(start);
  readonly faults: Faults;
  readonly service = new InMemoryService();
  readonly counts = new Map<Happening, number>();
  /** What happened, where it is asked for. */
  readonly trace: string[] | undefined;
  readonly network: Random;
  readonly chance: Random;
  violation: string | undefined;
  /** The call before which the next invocation dies that makes it. */
  dieBefore: string | undefined;
  died: () => void = () => {};
  /** Told of each call that an invocation made. */
  called: (operation: string, given: readonly unknown[], answer: unknown) => void = () => {};
  #controls: { readonly at: number; readonly control: Control }[] = [
    { at: Number.NEGATIVE_INFINITY, control: defaultControl },
  ];

  constructor(plan: Plan, mutation: Mutation, traced: boolean) {
    this.plan = plan;
    this.mutation = mutation;
    this.faults = new Faults(plan.seed, plan.faults, plan.without);
    this.network = randomOf(plan.seed, 'network');
    this.chance = randomOf(plan.seed, 'chance');
    this.trace = traced ? [] : undefined;
    Object.defineProperty(this.service, 'now', { get: () => this.now() });
  }

  readonly now = (): number => this.timeline.now();

  count(happening: Happening, by = 1): void {
    this.counts.set(happening, (this.counts.get(happening) ?? 0) + by);
  }

  tell(text: () => string): void {
    this.trace?.push(`${((this.now() - start) / 1000).toFixed(3).padStart(9)} ${text()}`);
  }

  /** The first one ends the history. */
  violate(text: string): void {
    this.violation ??= text;
    this.tell(() => `VIOLATION ${text}`);
  }

  /** How long a request or a frame is under way, in milliseconds: mostly some, so that all orders come up. */
  latency(): number {
    const random = this.network();
    return random < 0.1 ? 20 + random * 800 : 1 + random * 12;
  }

  /** As a function reads it, which may be what it was some time ago. */
  control(): Control {
    const at = this.now() - (this.faults.happens('staleRead') ? this.chance() * controlKeptMs : 0);
    return this.#controls.findLast(version => version.at <= at)?.control ?? defaultControl;
  }

  setControl(changes: Partial<Control>): void {
    const control = { ...(this.#controls.at(-1)?.control ?? defaultControl), ...changes };
    this.#controls.push({ at: this.now(), control });
    this.tell(() => `control ${JSON.stringify(changes)}`);
  }
}
