import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

export interface SandboxData {
  /** The bundle. */
  readonly path: string;
  readonly exportName: string;
}

export interface Invocation {
  /** JSON text. */
  readonly event: string;
  /** Epoch milliseconds. */
  readonly deadline: number;
  readonly context: Readonly<Record<string, string | number>>;
}

export type Outcome =
  | { readonly ok: true; readonly payload: string }
  | { readonly ok: false; readonly errorType: string; readonly errorMessage: string };

export interface ExecutionEnvironmentOptions extends SandboxData {
  /** Read when the environment starts. */
  readonly variables: () => Readonly<Record<string, string>>;
  readonly memoryMegabytes: number;
  readonly timeoutSeconds: number;
  readonly onLog: (chunk: Buffer) => void;
}

/** Lambda's initialization phase has 10 s ("Understanding the Lambda execution environment lifecycle"). */
const initializationSeconds = 10;

/** One execution environment of a function: a worker thread that handles one invocation at a time. */
export class ExecutionEnvironment {
  private readonly worker: Worker;
  private readonly timeoutSeconds: number;
  private settle: ((outcome: Outcome) => void) | undefined;
  private warm = false;
  private reason: Outcome | undefined;

  constructor({ variables, memoryMegabytes, timeoutSeconds, onLog, ...data }: ExecutionEnvironmentOptions) {
    this.timeoutSeconds = timeoutSeconds;
    this.worker = new Worker(join(import.meta.dirname, 'sandbox.ts'), {
      workerData: data,
      env: { ...variables() },
      resourceLimits: { maxOldGenerationSizeMb: memoryMegabytes },
      execArgv: ['--enable-source-maps'],
      stdout: true,
      stderr: true,
    });
    this.worker.stdout.on('data', onLog);
    this.worker.stderr.on('data', onLog);
    this.worker.on('message', (outcome: Outcome) => {
      this.warm = true;
      this.finish(outcome);
    });
    this.worker.on('error', (error: Error) => {
      const code = (error as NodeJS.ErrnoException).code;
      const outOfMemory = code === 'ERR_WORKER_OUT_OF_MEMORY';
      this.end({
        ok: false,
        errorType: outOfMemory ? 'Runtime.OutOfMemory' : 'Runtime.ExitError',
        errorMessage: outOfMemory ? `the function used more than its ${memoryMegabytes} MB` : error.message,
      });
    });
    this.worker.on('exit', code => {
      this.end({
        ok: false,
        errorType: 'Runtime.ExitError',
        errorMessage: `the function's process ended with ${code}`,
      });
    });
  }

  /** Whether it can take another invocation once it is free. */
  get alive(): boolean {
    return this.reason === undefined;
  }

  /** Never rejects: what goes wrong is the outcome. */
  invoke(invocation: Omit<Invocation, 'deadline'>): Promise<Outcome> {
    if (this.reason) return Promise.resolve(this.reason);
    const seconds = this.timeoutSeconds + (this.warm ? 0 : initializationSeconds);
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        const errorMessage = `Task timed out after ${this.timeoutSeconds.toFixed(2)} seconds`;
        this.end({ ok: false, errorType: 'Sandbox.Timedout', errorMessage });
        void this.worker.terminate();
      }, seconds * 1000);
      this.settle = outcome => {
        clearTimeout(timer);
        resolve(outcome);
      };
      this.worker.postMessage({
        ...invocation,
        deadline: Date.now() + this.timeoutSeconds * 1000,
      } satisfies Invocation);
    });
  }

  async terminate(): Promise<void> {
    await this.worker.terminate();
  }

  private end(reason: Outcome): void {
    this.reason ??= reason;
    this.finish(this.reason);
  }

  private finish(outcome: Outcome): void {
    const settle = this.settle;
    this.settle = undefined;
    settle?.(outcome);
  }
}
