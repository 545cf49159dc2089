import type { Log } from '../aws/service.ts';
import type { Clock } from '../clock.ts';
import type { MonitoringClock } from '../monitoring-clock.ts';
import { History } from './history.ts';
import type { Caller, Integration } from './integrations.ts';
import { type Context, Interpreter } from './interpreter.ts';
import { checkSize } from './payload.ts';
import { StateError } from './state-error.ts';
import type { StateMachine } from './state-machines.ts';
import { runTask } from './task.ts';
import type { TaskTokens } from './task-tokens.ts';

export type ExecutionStatus = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';

export interface ExecutionOptions {
  readonly machine: StateMachine;
  readonly arn: string;
  readonly name: string;
  /** JSON text. */
  readonly input: string;
  readonly clock: MonitoringClock;
  readonly realClock: Clock;
  readonly tokens: TaskTokens;
  readonly integration: (resource: string) => Integration;
  readonly caller: Caller;
  readonly region: string;
  readonly log: Log;
  /** Called when it starts and when it has ended. */
  readonly onStatus: (execution: Execution) => void;
  readonly maxHistoryEvents?: number;
}

/** "Step Functions service quotas": an execution runs for a year at most. */
const maxExecutionSeconds = 365 * 24 * 60 * 60;

/** How an execution was ended from outside. */
class Ended extends Error {
  readonly status: 'ABORTED' | 'TIMED_OUT';
  readonly error: string | undefined;
  readonly errorCause: string | undefined;
  constructor(status: 'ABORTED' | 'TIMED_OUT', error?: string, errorCause?: string) {
    super(status);
    this.status = status;
    this.error = error;
    this.errorCause = errorCause;
  }
}

/** One execution of a state machine. Times are epoch milliseconds of monitoring time. */
export class Execution {
  readonly arn: string;
  readonly name: string;
  readonly machine: StateMachine;
  readonly input: string;
  readonly startDate: number;
  readonly history: History;
  /** Resolves when it has ended. */
  readonly done: Promise<void>;
  status: ExecutionStatus = 'RUNNING';
  stopDate: number | undefined;
  /** JSON text. */
  output: string | undefined;
  error: string | undefined;
  errorCause: string | undefined;
  readonly #stop = new AbortController();
  readonly #options: ExecutionOptions;

  constructor(options: ExecutionOptions) {
    const { machine, arn, name, input, clock } = options;
    this.#options = options;
    this.arn = arn;
    this.name = name;
    this.machine = machine;
    this.input = input;
    this.startDate = clock.now();
    this.history = new History(() => clock.now(), options.maxHistoryEvents);
    this.done = this.#run();
  }

  /** Ends it now: the calls under way are not waited for. Does nothing where it has ended. */
  stop(error?: string, cause?: string): void {
    this.#stop.abort(new Ended('ABORTED', error, cause));
  }

  async #run(): Promise<void> {
    const { machine, clock, onStatus } = this.#options;
    const { TimeoutSeconds = maxExecutionSeconds } = machine.definition;
    const expire = () => this.#stop.abort(new Ended('TIMED_OUT', 'States.Timeout'));
    const cancel = clock.schedule(TimeoutSeconds * 1000, expire);
    this.history.add('ExecutionStarted', {
      executionStartedEventDetails: { input: this.input, roleArn: machine.roleArn },
    });
    // Whoever started it knows it before anyone hears of it.
    await new Promise(setImmediate);
    onStatus(this);
    try {
      const output = await this.#interpret();
      this.output = JSON.stringify(output) ?? 'null';
      this.#end('SUCCEEDED', 'ExecutionSucceeded', { output: this.output });
    } catch (error) {
      this.#fail(error);
    } finally {
      cancel();
    }
    onStatus(this);
  }

  async #interpret(): Promise<unknown> {
    const { machine, arn, name } = this.#options;
    const { signal } = this.#stop;
    const interpreter = new Interpreter({
      clock: this.#options.clock,
      history: this.history,
      runTask: attempt => runTask(attempt, { ...this.#options, history: this.history }),
    });
    const input = JSON.parse(this.input);
    const context: Context = {
      Execution: {
        Id: arn,
        Input: input,
        Name: name,
        RoleArn: machine.roleArn,
        StartTime: new Date(this.startDate).toISOString(),
        RedriveCount: 0,
      },
      StateMachine: { Id: machine.arn, Name: machine.name },
    };
    const output = await interpreter.run(machine.definition, input, context, signal);
    checkSize(output, 'The execution');
    signal.throwIfAborted();
    return output;
  }

  #fail(error: unknown): void {
    const { log, machine } = this.#options;
    const ended: unknown = this.#stop.signal.aborted ? this.#stop.signal.reason : error;
    if (ended instanceof Ended || ended instanceof StateError) {
      this.error = ended.error;
      this.errorCause = ended.errorCause;
    } else {
      log('error', 'states', 'an execution ended by a mistake of the local environment', {
        execution: this.arn,
        error: ended instanceof Error ? ended.stack : String(ended),
      });
      this.error = 'States.Runtime';
      this.errorCause = 'an internal error of the local environment';
    }
    const status = ended instanceof Ended ? ended.status : 'FAILED';
    const type = { ABORTED: 'ExecutionAborted', TIMED_OUT: 'ExecutionTimedOut', FAILED: 'ExecutionFailed' }[status];
    this.#end(status, type, { error: this.error, cause: this.errorCause });
    if (status === 'FAILED' || status === 'TIMED_OUT')
      log('warn', 'states', `an execution of ${machine.name} ended as ${status}`, {
        execution: this.name,
        error: this.error,
      });
  }

  #end(status: ExecutionStatus, type: string, details: object): void {
    this.status = status;
    this.stopDate = this.#options.clock.now();
    this.history.add(type, { [`${type.charAt(0).toLowerCase()}${type.slice(1)}EventDetails`]: details });
  }
}
