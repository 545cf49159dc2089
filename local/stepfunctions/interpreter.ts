import type { MonitoringClock } from '../monitoring-clock.ts';
import { holds, isTimestamp } from './choice.ts';
import type { Retrier, State, States } from './definition.ts';
import type { History } from './history.ts';
import { checkSize, type Data, fill, place, read, select } from './payload.ts';
import { isNamed, runtimeError, StateError } from './state-error.ts';

/** The context object ("Accessing execution data from the Context object"). */
export interface Context {
  readonly Execution: object;
  readonly StateMachine: object;
  readonly State?: { readonly Name: string; readonly EnteredTime: string; readonly RetryCount: number };
  readonly Task?: { readonly Token: string };
  readonly Map?: { readonly Item: { readonly Index: number; readonly Value: unknown } };
}

/** One attempt of a Task state. */
export interface TaskAttempt {
  readonly stateName: string;
  readonly state: State;
  /** The state's input after `InputPath`. */
  readonly input: unknown;
  readonly context: Context;
  readonly signal: AbortSignal;
}

export interface InterpreterOptions {
  readonly clock: MonitoringClock;
  readonly history: History;
  /** @throws StateError */
  readonly runTask: (attempt: TaskAttempt) => Promise<unknown>;
}

/** "Using Map state in Inline mode": up to 40 iterations at a time. */
const maxConcurrentIterations = 40;

// "Retrying after an error".
const defaultRetrier = { IntervalSeconds: 1, MaxAttempts: 3, BackoffRate: 2 };

const json = (value: unknown): string => JSON.stringify(value) ?? 'null';

/** Runs the states of one execution as the Amazon States Language (JSONPath) says. */
export class Interpreter {
  readonly #clock: MonitoringClock;
  readonly #history: History;
  readonly #runTask: InterpreterOptions['runTask'];

  constructor({ clock, history, runTask }: InterpreterOptions) {
    this.#clock = clock;
    this.#history = history;
    this.#runTask = runTask;
  }

  /** @throws StateError that nothing caught; the signal's reason where it was aborted */
  async run({ StartAt, States }: States, input: unknown, context: Context, signal: AbortSignal): Promise<unknown> {
    let name: string | undefined = StartAt;
    let data = input;
    while (name !== undefined) {
      signal.throwIfAborted();
      const state = States[name] as State;
      const entered = this.#history.add(`${state.Type}StateEntered`, {
        stateEnteredEventDetails: { name, input: json(data) },
      });
      const { output, next }: Step = await this.#enter(name, state, data, context, signal).catch(error => {
        if (
          error instanceof StateError &&
          error.error === 'States.Runtime' &&
          !/^(An error|The execution) /.test(error.errorCause ?? '')
        )
          throw runtimeError(
            `An error occurred while executing the state '${name}' (entered at the event id #${entered}). ${error.errorCause}`,
          );
        throw error;
      });
      if (state.Type !== 'Fail')
        this.#history.add(`${state.Type}StateExited`, { stateExitedEventDetails: { name, output: json(output) } });
      data = output;
      name = next;
      // A loop of states without I/O must not hold up the event loop.
      await new Promise(setImmediate);
    }
    return data;
  }

  async #enter(name: string, state: State, input: unknown, outer: Context, signal: AbortSignal): Promise<Step> {
    const enteredTime = new Date(this.#clock.now()).toISOString();
    const attempts = new Map<Retrier, number>();
    for (let retries = 0; ; retries += 1) {
      const context = { ...outer, State: { Name: name, EnteredTime: enteredTime, RetryCount: retries } };
      try {
        const step = await this.#attempt(name, state, input, context, signal);
        checkSize(step.output, `The state/task '${name}'`);
        return step;
      } catch (error) {
        if (signal.aborted || !(error instanceof StateError)) throw error;
        const delayMs = retryDelayMs(state, error, attempts);
        if (delayMs !== undefined) {
          await this.#sleep(delayMs, signal);
          continue;
        }
        const catcher = state.Catch?.find(({ ErrorEquals }) => isNamed(ErrorEquals, error));
        if (!catcher) throw error;
        const caught = { Error: error.error ?? '', Cause: error.errorCause ?? '' };
        return { output: place(catcher.ResultPath, input, caught), next: catcher.Next };
      }
    }
  }

  async #attempt(name: string, state: State, raw: unknown, context: Context, signal: AbortSignal): Promise<Step> {
    const input = select(state.InputPath, { input: raw, context }, 'InputPath');
    const data: Data = { input, context };
    const finish = (result: unknown): Step => {
      const selected =
        state.ResultSelector === undefined ? result : fill(state.ResultSelector, { input: result, context });
      const placed = place(state.ResultPath, raw, selected);
      return { output: select(state.OutputPath, { input: placed, context }, 'OutputPath'), next: state.Next };
    };
    const parameters = () => (state.Parameters === undefined ? input : fill(state.Parameters, data));
    const pass = (): Step => ({
      output: select(state.OutputPath, { input, context }, 'OutputPath'),
      next: state.Next,
    });
    switch (state.Type) {
      case 'Task':
        return finish(await this.#runTask({ stateName: name, state, input, context, signal }));
      case 'Parallel':
        return finish(await this.#parallel(name, state, parameters(), context, signal));
      case 'Map':
        return finish(await this.#map(name, state, data, signal));
      case 'Pass':
        return finish(state.Result === undefined ? parameters() : state.Result);
      case 'Wait':
        await this.#sleep(this.#waitMs(state, data), signal);
        return pass();
      case 'Choice': {
        const next = state.Choices?.find(rule => holds(rule, data))?.Next ?? state.Default;
        if (next === undefined) throw new StateError('States.NoChoiceMatched', `No choice of ${name} matched`);
        return { ...pass(), next };
      }
      case 'Succeed':
        return { ...pass(), next: undefined };
      case 'Fail':
        throw new StateError(
          state.ErrorPath === undefined ? state.Error : String(read(state.ErrorPath, data, 'ErrorPath')),
          state.CausePath === undefined ? state.Cause : String(read(state.CausePath, data, 'CausePath')),
        );
    }
  }

  #waitMs({ Seconds, SecondsPath, Timestamp, TimestampPath }: State, data: Data): number {
    if (Timestamp !== undefined || TimestampPath !== undefined) {
      const until = TimestampPath === undefined ? Timestamp : read(TimestampPath, data, 'TimestampPath');
      if (!isTimestamp(until)) throw runtimeError(`The TimestampPath parameter is not a timestamp: ${json(until)}`);
      return Math.max(0, Date.parse(until) - this.#clock.now());
    }
    return 1000 * (SecondsPath === undefined ? (Seconds ?? 0) : secondsAt(SecondsPath, data, 'SecondsPath', 0));
  }

  async #parallel(name: string, state: State, input: unknown, context: Context, signal: AbortSignal): Promise<unknown> {
    this.#history.add('ParallelStateStarted');
    const branches = (state.Branches ?? []).map(
      branch => (each: AbortSignal) => this.run(branch, input, context, each),
    );
    return this.#together(name, 'Parallel', branches, branches.length, signal);
  }

  async #map(name: string, state: State, data: Data, signal: AbortSignal): Promise<unknown> {
    const items = state.ItemsPath === undefined ? data.input : read(state.ItemsPath, data, 'ItemsPath');
    if (!Array.isArray(items)) throw runtimeError(`The ItemsPath of ${name} does not lead to a list`);
    const limit =
      state.MaxConcurrencyPath === undefined
        ? (state.MaxConcurrency ?? 0)
        : secondsAt(state.MaxConcurrencyPath, data, 'MaxConcurrencyPath', 0);
    this.#history.add('MapStateStarted', { mapStateStartedEventDetails: { length: items.length } });
    const states = (state.ItemProcessor ?? state.Iterator) as States;
    const template = state.ItemSelector ?? state.Parameters;
    const iterations = items.map((Value, Index) => async (each: AbortSignal) => {
      const context = { ...(data.context as Context), Map: { Item: { Index, Value } } };
      const details = { name, index: Index };
      this.#history.add('MapIterationStarted', { mapIterationStartedEventDetails: details });
      try {
        const input = template === undefined ? Value : fill(template, { input: data.input, context });
        const output = await this.run(states, input, context, each);
        this.#history.add('MapIterationSucceeded', { mapIterationSucceededEventDetails: details });
        return output;
      } catch (error) {
        if (!each.aborted) this.#history.add('MapIterationFailed', { mapIterationFailedEventDetails: details });
        throw error;
      }
    });
    return this.#together(
      name,
      'Map',
      iterations,
      Math.min(limit || maxConcurrentIterations, maxConcurrentIterations),
      signal,
    );
  }

  /** Runs all, some at a time. The first failure ends the others, as on AWS. */
  async #together(
    name: string,
    type: 'Parallel' | 'Map',
    runs: readonly ((signal: AbortSignal) => Promise<unknown>)[],
    atOnce: number,
    signal: AbortSignal,
  ): Promise<unknown[]> {
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const results: unknown[] = new Array(runs.length);
    let next = 0;
    let failure: unknown;
    const worker = async () => {
      while (next < runs.length && !either.aborted) {
        const index = next++;
        try {
          results[index] = await runs[index]?.(either);
        } catch (error) {
          if (either.aborted) return;
          failure = error;
          failed.abort(new Error(`another branch of ${name} failed`));
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, runs.length) }, worker));
    signal.throwIfAborted();
    if (failed.signal.aborted) {
      this.#history.add(`${type}StateFailed`);
      throw failure;
    }
    this.#history.add(`${type}StateSucceeded`);
    return results;
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const stop = () => {
        cancel();
        reject(signal.reason);
      };
      const cancel = this.#clock.schedule(ms, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}

interface Step {
  readonly output: unknown;
  /** Undefined where the states end. */
  readonly next: string | undefined;
}

/** A whole number that a path leads to, such as seconds. */
export function secondsAt(path: string, data: Data, field: string, least: number): number {
  const value = read(path, data, field);
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least)
    throw runtimeError(`The ${field} parameter does not reference a whole number of at least ${least}: ${json(value)}`);
  return value;
}

/** Milliseconds until the state is tried again, or undefined; counts the attempt. */
function retryDelayMs(state: State, error: StateError, attempts: Map<Retrier, number>): number | undefined {
  const retrier = state.Retry?.find(({ ErrorEquals }) => isNamed(ErrorEquals, error));
  if (!retrier) return undefined;
  const { IntervalSeconds, MaxAttempts, BackoffRate, MaxDelaySeconds, JitterStrategy } = {
    ...defaultRetrier,
    ...retrier,
  };
  const attempt = attempts.get(retrier) ?? 0;
  if (attempt >= MaxAttempts) return undefined;
  attempts.set(retrier, attempt + 1);
  const seconds = Math.min(IntervalSeconds * BackoffRate ** attempt, MaxDelaySeconds ?? Number.POSITIVE_INFINITY);
  return 1000 * (JitterStrategy === 'FULL' ? Math.random() * seconds : seconds);
}
