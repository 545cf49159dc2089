import type { Step, View } from '../lambdas/in-memory.ts';
import { InjectedFault, type World } from './world.ts';

/** Its answer is a result and not an exception, whatever happens. */
const answersByResult = new Set(['callback.post']);

/** A new one each time: one for all would hold on to whoever waited for it. */
const never = (): Promise<never> => new Promise(() => {});

/** Invocations that are slow, and how many times as long their calls take. */
const slowShare = 0.25;
const slowness = 8;

/** One run of a function. Between any two of its calls it can end for good. */
export class Invocation {
  readonly #world: World;
  readonly #name: string;
  readonly #ended: Promise<'ended'>;
  /** Some take many times as long as others, so that all of one falls between two calls of another. */
  readonly #slowness: number;
  #end: () => void = () => {};
  #dead = false;

  /** @param timeoutMs after which it runs no further */
  constructor(world: World, name: string, timeoutMs: number) {
    this.#world = world;
    this.#name = name;
    this.#slowness = world.chance() < slowShare ? slowness : 1;
    this.#ended = new Promise(resolve => {
      this.#end = () => {
        this.#dead = true;
        resolve('ended');
      };
    });
    const cancel = world.timeline.after(timeoutMs, () => this.#end());
    this.#ended.then(cancel);
  }

  /** What the function sees, each call of which is a step of this invocation. */
  view(): View {
    const view = this.#world.service.view(this.step);
    const parts = {
      log: this.#answered('log', view.log),
      presence: {
        connections: this.#answered('connections', view.presence.connections),
        subscriptions: this.#answered('subscriptions', view.presence.subscriptions),
        count: this.#answered('count', view.presence.count),
      },
      callback: this.#answered('callback', view.callback),
      queue: this.#answered('queue', view.queue),
      unwritten: this.#answered('unwritten', view.unwritten),
      fanOut: this.#answered('fanOut', view.fanOut),
    };
    return this.#world.mutation.view?.(parts, this.#world) ?? parts;
  }

  /** Comes before each call: when it goes on, the call is made. */
  readonly step: Step = async operation => {
    const { faults, timeline, chance } = this.#world;
    const latency = this.#slowness * this.#world.latency();
    await timeline.wait(latency + (faults.happens('slowCall') ? 500 + chance() * 4_000 : 0));
    if (this.#dead) return never();
    const isDue = operation === this.#world.dieBefore && !faults.over;
    if (isDue) {
      this.#world.dieBefore = undefined;
      this.#world.died();
    }
    if (isDue || faults.happens('crash')) {
      this.#world.count('crash');
      this.#world.tell(() => `${this.#name} crashes before ${operation}`);
      this.#end();
      return never();
    }
    if (!answersByResult.has(operation) && faults.happens('refusedCall'))
      throw new InjectedFault(`${operation} refused`);
    this.#world.tell(() => `${this.#name} ${operation}`);
  };

  /** A pause that the function makes. */
  readonly sleep = async (ms: number): Promise<void> => {
    await this.#world.timeline.wait(ms);
    if (this.#dead) return never();
  };

  /** @returns what it answers, or that it never does; throws what it throws */
  async run<Answer>(work: () => Promise<Answer>): Promise<{ readonly answer: Answer } | 'ended'> {
    const outcome = await Promise.race([work().then(answer => ({ answer })), this.#ended]);
    this.#end();
    return outcome;
  }

  /** The same, where the answer to a call can be lost after it was done. */
  #answered<Part extends object>(name: string, part: Part): Part {
    const world = this.#world;
    return new Proxy(part, {
      get(target, method: string) {
        const call = Reflect.get(target, method) as (...given: unknown[]) => Promise<unknown>;
        return async (...given: unknown[]) => {
          const answer = await call(...given);
          const operation = `${name}.${method}`;
          world.called(operation, given, answer);
          if (!answersByResult.has(operation) && world.faults.happens('lostAnswer'))
            throw new InjectedFault(`${operation} done, and not answered`);
          return answer;
        };
      },
    });
  }
}

/** Whether an error is, or is caused by, nothing but injected faults. */
export function isInjected(error: unknown): boolean {
  if (error instanceof InjectedFault) return true;
  if (error instanceof AggregateError) return error.errors.every(isInjected);
  return error instanceof Error && error.cause !== undefined && isInjected(error.cause);
}
