import type { Clock } from '../clock.ts';
import type { MonitoringClock } from '../monitoring-clock.ts';
import type { State } from './definition.ts';
import type { History } from './history.ts';
import type { Caller, Integration } from './integrations.ts';
import { secondsAt, type TaskAttempt } from './interpreter.ts';
import { checkSize, type Data, fill } from './payload.ts';
import { StateError } from './state-error.ts';
import type { TaskTokens } from './task-tokens.ts';

export interface TaskOptions {
  readonly clock: MonitoringClock;
  /** The timeout of a task that only calls something: what it calls is data plane, and takes real time. */
  readonly realClock: Clock;
  readonly history: History;
  readonly tokens: TaskTokens;
  readonly integration: (resource: string) => Integration;
  readonly caller: Caller;
  readonly region: string;
}

/** "Task workflow state": the longest timeout, and the default. */
const maxTimeoutSeconds = 99_999_999;

function seconds(state: State, name: 'TimeoutSeconds' | 'HeartbeatSeconds', data: Data): number | undefined {
  const path = state[`${name}Path`];
  return path === undefined ? state[name] : secondsAt(path, data, `${name}Path`, 1);
}

type Event = readonly [type: string, details: Readonly<Record<string, object>>];

interface TaskEvents {
  readonly scheduled: (parameters: string, more: object) => Event;
  readonly other: (name: string, more: object) => Event;
}

/** The events of a function's own ARN have names of their own. */
function eventsOf({ service, action }: Integration, resource: string, region: string): TaskEvents {
  if (resource.startsWith('arn:aws:lambda:')) {
    const details = (name: string, more: object) => ({ [`lambdaFunction${name}EventDetails`]: more });
    return {
      scheduled: (parameters: string, more: object) => [
        'LambdaFunctionScheduled',
        details('Scheduled', { resource, input: parameters, ...more }),
      ],
      other: (name: string, more: object) => [`LambdaFunction${name}`, details(name, more)],
    };
  }
  const names = { resourceType: service, resource: action };
  const details = (name: string, more: object) => ({ [`task${name}EventDetails`]: { ...names, ...more } });
  return {
    scheduled: (parameters: string, more: object) => [
      'TaskScheduled',
      details('Scheduled', { region, parameters, ...more }),
    ],
    other: (name: string, more: object) => [`Task${name}`, details(name, more)],
  };
}

/**
 * Runs one attempt of a Task state: calls what its resource names, and waits for what ends it.
 * @throws StateError
 */
export async function runTask(attempt: TaskAttempt, options: TaskOptions): Promise<unknown> {
  const { state, stateName, input, signal } = attempt;
  const { clock, realClock, history, tokens, caller, region } = options;
  const resource = state.Resource ?? '';
  const integration = options.integration(resource);
  const waiting = integration.pattern === 'waitForTaskToken' ? tokens.issue() : undefined;
  const context = waiting ? { ...attempt.context, Task: { Token: waiting.token } } : attempt.context;
  const cancels: (() => void)[] = [() => waiting?.close()];
  const ended = new AbortController();
  try {
    const data = { input, context };
    const parameters = state.Parameters === undefined ? input : fill(state.Parameters, data);
    const timeoutSeconds = seconds(state, 'TimeoutSeconds', data) ?? maxTimeoutSeconds;
    const heartbeatSeconds = seconds(state, 'HeartbeatSeconds', data);
    const events = eventsOf(integration, resource, region);
    history.add(
      ...events.scheduled(JSON.stringify(parameters), {
        ...(timeoutSeconds !== maxTimeoutSeconds && { timeoutInSeconds: timeoutSeconds }),
        ...(heartbeatSeconds !== undefined && { heartbeatInSeconds: heartbeatSeconds }),
      }),
    );
    history.add(...events.other('Started', {}));

    const interrupted = new Promise<never>((_, reject) => {
      const stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      cancels.push(() => signal.removeEventListener('abort', stop));
      const timer = integration.pattern === 'requestResponse' ? realClock : clock;
      const expire = (error: string) => () => reject(new StateError(error));
      cancels.push(schedule(timer, timeoutSeconds, expire('States.Timeout')));
      if (heartbeatSeconds === undefined || !waiting) return;
      let cancel = () => {};
      const beat = () => {
        cancel();
        cancel = schedule(clock, heartbeatSeconds, expire('States.HeartbeatTimeout'));
      };
      waiting.onHeartbeat = beat;
      cancels.push(() => cancel());
      beat();
    });
    const work = async () => {
      const answer = await integration.call(parameters, caller, AbortSignal.any([signal, ended.signal]));
      if (!waiting) return answer;
      history.add(...events.other('Submitted', { output: JSON.stringify(answer) }));
      return waiting.done;
    };
    // A callback can come before the answer of the call that brought its token.
    const race = [work(), interrupted, ...(waiting ? [waiting.done] : [])];
    try {
      const result = await Promise.race(race);
      checkSize(result, `The state/task '${stateName}'`);
      history.add(...events.other('Succeeded', { output: JSON.stringify(result) ?? 'null' }));
      return result;
    } catch (error) {
      if (error instanceof StateError && !signal.aborted) {
        const isTimeout = error.error === 'States.Timeout' || error.error === 'States.HeartbeatTimeout';
        history.add(
          ...events.other(isTimeout ? 'TimedOut' : 'Failed', { error: error.error, cause: error.errorCause }),
        );
      }
      throw error;
    } finally {
      for (const each of race) each.catch(() => {});
    }
  } finally {
    ended.abort(new Error('the task is over'));
    for (const cancel of cancels) cancel();
  }
}

/** A timer of any length; Node's are of 24 days at most. */
function schedule(clock: Clock, delaySeconds: number, callback: () => void): () => void {
  const due = clock.now() + delaySeconds * 1000;
  let cancel = () => {};
  const wait = () => {
    cancel = clock.schedule(due - clock.now(), () => (clock.now() < due ? wait() : callback()));
  };
  wait();
  return () => cancel();
}
