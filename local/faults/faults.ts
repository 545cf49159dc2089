import { randomBytes } from 'node:crypto';
import { nearestName } from '../../lib/runbook/nearest-name.ts';
import type { Resource } from '../assembly/resource.ts';
import type { Log } from '../aws/service.ts';
import { type Clock, systemClock } from '../clock.ts';
import { catalogue, commonParameters, type FaultDefinition, type FaultName, type FaultSpec } from './catalogue.ts';
import { describeIssues, FaultError } from './fault-error.ts';
import type { Draw, Drawn, FaultSource, Point, Subject } from './points.ts';
import { createShare } from './share.ts';
import { createTargets, targetKinds } from './targets.ts';

/** A fault that goes on. */
export interface ActiveFault {
  /** Rising in the order in which they were injected, e.g. `3`. */
  readonly id: string;
  readonly fault: FaultName;
  /** It happened as often as it should. What it did, such as a silence, goes on until it is cleared. */
  readonly spent: boolean;
  /** As they were given, with the defaults of what was not. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly share: number;
  /** Given or chosen: with it, the share falls the same way again. */
  readonly seed: string | number;
  /** Epoch milliseconds; undefined where it goes on until it is cleared. */
  readonly endsAt?: number;
  /** How many it applied to so far, and to how many of them it happened. */
  readonly seen: number;
  readonly happened: number;
}

/** What goes wrong in a local environment, by order. */
export interface Faults extends FaultSource {
  /**
   * Injects a fault; it is in effect when this returns.
   * @returns as it is then: one that happens once is over, and not listed any more
   * @throws FaultError that names every parameter that is wrong, what was read and what was expected
   */
  inject(spec: FaultSpec): ActiveFault;
  /** Those that go on, oldest first. */
  list(): readonly ActiveFault[];
  /** Ends one, or all. What waited because of it goes on. @throws FaultError where none has the id */
  clear(id?: string): void;
  /** Ends all, for good. */
  close(): void;
}

export interface FaultsOptions {
  /** Of the template: what faults can be limited to. */
  readonly resources: readonly Resource[];
  readonly log: Log;
  /** For what ends by itself. Faults are of the data plane: no time scale applies to them. */
  readonly clock?: Clock;
}

interface Running {
  readonly id: string;
  readonly fault: FaultName;
  readonly definition: FaultDefinition;
  readonly given: Readonly<Record<string, unknown>>;
  /** With the names by which the services know their resources. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly share: number;
  readonly seed: string | number;
  readonly times: number;
  readonly injectedAt: number;
  readonly endsAt: number | undefined;
  readonly isOfShare: (key?: string) => boolean;
  readonly end: AbortController;
  /** What cancels its timers. */
  readonly timers: Set<() => void>;
  seen: number;
  happened: number;
}

type Listener = (draw: Draw<Point>) => void;

const definitions: Readonly<Record<string, FaultDefinition>> = catalogue as never;

function definitionOf(name: string): FaultDefinition {
  const definition = Object.hasOwn(definitions, name) ? definitions[name] : undefined;
  if (definition) return definition;
  const names = Object.keys(definitions);
  const near = nearestName(name, names);
  throw new FaultError(
    `fault: ${JSON.stringify(name)}; expected ${near === undefined ? `one of ${names.join(', ')}` : `'${near}', or another of the catalogue`}`,
  );
}

/** Several at one point: delays add up, of anything else the oldest fault's counts. */
function together<P extends Point>(drawn: readonly Drawn<P>[]): Drawn<P> | undefined {
  if (drawn.length < 2) return drawn[0];
  const delays = drawn.map(effect => ('delayMs' in effect ? effect.delayMs : undefined)).filter(ms => ms !== undefined);
  return Object.assign({}, ...drawn.toReversed(), {
    ...(delays.length > 0 && { delayMs: delays.reduce((sum, delayMs) => sum + delayMs, 0) }),
    ended: AbortSignal.any(drawn.map(({ ended }) => ended)),
  });
}

export function createFaults({ resources, log, clock = systemClock }: FaultsOptions): Faults {
  const targets = createTargets(resources);
  const running = new Map<string, Running>();
  const byPoint = new Map<Point, Running[]>();
  const listeners = new Map<Point, Set<Listener>>();
  let lastId = 0;
  let closed = false;

  function read(spec: FaultSpec) {
    const { fault, ...given } = spec as { fault: unknown } & Record<string, unknown>;
    const definition = definitionOf(String(fault));
    const schema = definition.parameters.extend(commonParameters.shape).strict();
    const result = schema.safeParse(given);
    if (!result.success) {
      throw new FaultError(describeIssues(result.error.issues, given, Object.keys(schema.shape)));
    }
    const { share, seed, forSeconds, times, ...parameters } = result.data as Record<string, unknown> & {
      share: number;
      seed?: string | number;
      forSeconds?: number;
      times?: number;
    };
    return { fault: fault as FaultName, definition, share, seed, forSeconds, times, parameters };
  }

  /** @throws FaultError that names those which the template has */
  function resolved(parameters: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    const names: Record<string, string> = {};
    for (const kind of targetKinds) {
      const name = parameters[kind];
      if (typeof name !== 'string') continue;
      const found = targets.resolve(kind, name);
      if (found === undefined) {
        const known = targets.names(kind);
        const expected = known.length > 0 ? `one of ${known.join(', ')}` : `none: the template has no ${kind}`;
        throw new FaultError(`${kind}: ${JSON.stringify(name)}; expected ${expected}`);
      }
      names[kind] = found;
    }
    return { ...parameters, ...names };
  }

  const isSpent = ({ happened, times }: Running): boolean => happened >= times;
  const shown = (each: Running): ActiveFault => ({
    id: each.id,
    fault: each.fault,
    spent: isSpent(each),
    parameters: each.given,
    share: each.share,
    seed: each.seed,
    ...(each.endsAt !== undefined && { endsAt: each.endsAt }),
    seen: each.seen,
    happened: each.happened,
  });

  function end(each: Running, why: string): void {
    if (!running.delete(each.id)) return;
    const { point } = each.definition;
    byPoint.set(
      point,
      (byPoint.get(point) ?? []).filter(other => other !== each),
    );
    for (const cancel of each.timers) cancel();
    each.end.abort();
    log('warn', 'faults', `a fault ended: ${why}`, {
      id: each.id,
      fault: each.fault,
      seen: each.seen,
      happened: each.happened,
    });
  }

  function drawOf<P extends Point>(each: Running, subject: Subject<P>): Drawn<P> | undefined {
    const { definition, parameters } = each;
    if (each.end.signal.aborted || isSpent(each) || !definition.applies(subject, parameters, each.injectedAt))
      return undefined;
    each.seen += 1;
    if (!each.isOfShare(definition.each?.(subject, parameters))) return undefined;
    each.happened += 1;
    return { ...definition.effect(parameters), ended: each.end.signal } as Drawn<P>;
  }

  function sweep(each: Running): void {
    const { point } = each.definition;
    const listening: Iterable<Listener> = listeners.get(point) ?? [];
    for (const listener of [...listening]) listener(subject => drawOf(each, subject as never));
  }

  function schedule(each: Running, delayMs: number, callback: () => void): void {
    const cancel = clock.schedule(delayMs, () => {
      each.timers.delete(cancel);
      callback();
    });
    each.timers.add(cancel);
  }

  function sweepEvery(each: Running, everyMs: number): void {
    schedule(each, everyMs, () => {
      sweep(each);
      sweepEvery(each, everyMs);
    });
  }

  return {
    inject(spec) {
      if (closed) throw new FaultError('the environment is closed');
      const { fault, definition, share, seed, forSeconds, times, parameters } = read(spec);
      const chosen = seed ?? randomBytes(4).toString('hex');
      lastId += 1;
      const each: Running = {
        id: String(lastId),
        fault,
        definition,
        given: parameters,
        parameters: resolved(parameters),
        share,
        seed: chosen,
        times: times ?? Number.POSITIVE_INFINITY,
        injectedAt: clock.now(),
        endsAt: forSeconds === undefined ? undefined : clock.now() + forSeconds * 1000,
        isOfShare: createShare(share, chosen),
        end: new AbortController(),
        timers: new Set(),
        seen: 0,
        happened: 0,
      };
      running.set(each.id, each);
      log('warn', 'faults', 'a fault is injected', { id: each.id, fault, share, ...parameters });
      const { point, swept } = definition;
      if (swept === undefined || swept === 'too') byPoint.set(point, [...(byPoint.get(point) ?? []), each]);
      if (swept !== undefined) sweep(each);
      if (swept === 'once') end(each, 'it happens once');
      else if (forSeconds !== undefined) schedule(each, forSeconds * 1000, () => end(each, 'its time is over'));
      const everyMs = definition.everyMs?.(each.parameters);
      if (everyMs !== undefined) sweepEvery(each, everyMs);
      return shown(each);
    },
    list: () => [...running.values()].map(shown),
    clear(id) {
      if (id === undefined) {
        for (const each of running.values()) end(each, 'it was cleared');
        return;
      }
      const each = running.get(id);
      if (!each) {
        const ids = [...running.keys()];
        throw new FaultError(
          `id: ${JSON.stringify(id)}; expected ${ids.length > 0 ? `one of ${ids.join(', ')}` : 'none: there is no fault'}`,
        );
      }
      end(each, 'it was cleared');
    },
    close() {
      closed = true;
      for (const each of running.values()) end(each, 'the environment closes');
    },
    draw<P extends Point>(point: P, subject: () => Subject<P>) {
      const active = byPoint.get(point);
      if (active === undefined || active.length === 0) return undefined;
      const about = subject();
      return together(active.map(each => drawOf<P>(each, about)).filter(drawn => drawn !== undefined));
    },
    onSweep<P extends Point>(point: P, listener: (draw: Draw<P>) => void) {
      const set = listeners.get(point) ?? new Set();
      listeners.set(point, set.add(listener as Listener));
      return () => set.delete(listener as Listener);
    },
  };
}
