import { randomBytes } from 'node:crypto';
import { AwsError } from '../aws/service.ts';
import { maxPayloadBytes } from './payload.ts';
import { StateError } from './state-error.ts';

/** A task that waits for its callback. */
export interface WaitingTask {
  readonly token: string;
  /** Resolves with the output of SendTaskSuccess. Rejects with a StateError after SendTaskFailure. */
  readonly done: Promise<unknown>;
  /** Called at each SendTaskHeartbeat. */
  onHeartbeat: () => void;
  /** The task is over: its token is worth nothing any more. */
  close(): void;
}

interface Issued {
  readonly task: WaitingTask;
  readonly succeed: (output: unknown) => void;
  readonly fail: (error: StateError) => void;
}

/** The tokens of the tasks that wait: each entry of a state, each retry and each iteration has its own. */
export class TaskTokens {
  readonly #open = new Map<string, Issued>();
  readonly #closed = new Set<string>();

  issue(): WaitingTask {
    const { promise: done, resolve: succeed, reject: fail } = Promise.withResolvers<unknown>();
    // Whoever waits may have been stopped before the callback came.
    done.catch(() => {});
    const token = randomBytes(96).toString('base64url');
    const task: WaitingTask = {
      token,
      done,
      onHeartbeat: () => {},
      close: () => {
        if (this.#open.delete(token)) this.#closed.add(token);
      },
    };
    this.#open.set(token, { task, succeed, fail });
    return task;
  }

  /** @throws AwsError `InvalidOutput`, `TaskTimedOut`, `InvalidToken` */
  succeed(token: string, output: string): void {
    if (Buffer.byteLength(output) > maxPayloadBytes)
      throw new AwsError('InvalidOutput', `The output is longer than ${maxPayloadBytes} bytes`);
    let value: unknown;
    try {
      value = JSON.parse(output);
    } catch {
      throw new AwsError('InvalidOutput', `Invalid Output: '${output.slice(0, 40)}' is not JSON`);
    }
    const { succeed, task } = this.#find(token);
    task.close();
    succeed(value);
  }

  /** @throws AwsError `TaskTimedOut`, `InvalidToken` */
  fail(token: string, error: string | undefined, cause: string | undefined): void {
    const { fail, task } = this.#find(token);
    task.close();
    fail(new StateError(error, cause));
  }

  /** @throws AwsError `TaskTimedOut`, `InvalidToken` */
  heartbeat(token: string): void {
    this.#find(token).task.onHeartbeat();
  }

  #find(token: string): Issued {
    const issued = this.#open.get(token);
    if (issued) return issued;
    if (this.#closed.has(token))
      throw new AwsError('TaskTimedOut', "Task Timed Out: 'Provided task does not exist anymore'");
    throw new AwsError('InvalidToken', "Invalid Token: 'Invalid token'");
  }
}
