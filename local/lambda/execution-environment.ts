import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { InvocationEffect } from '../faults/points.ts';
import type { FunctionLog, Output } from './function-log.ts';

export interface SandboxData {
  /** The bundle. */
  readonly path: string;
  readonly exportName: string;
  readonly memoryMegabytes: number;
}

export interface Invocation {
  /** JSON text. */
  readonly event: string;
  /** Epoch milliseconds. */
  readonly deadline: number;
  readonly context: Readonly<Record<string, string | number>>;
  /** What goes wrong with it. */
  readonly fault?: InvocationEffect;
}

export interface Failure {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly stack?: string;
}

/** What the sandbox tells. */
export type Report =
  | { readonly kind: 'initialized' }
  | { readonly kind: 'output'; readonly stream: 'stdout' | 'stderr'; readonly text: string }
  | { readonly kind: 'answered'; readonly payload: string }
  /** It holds more memory than the function has. */
  | { readonly kind: 'exhausted' }
  | ({ readonly kind: 'failed' } & Failure);

export type Outcome = { readonly ok: true; readonly payload: string } | ({ readonly ok: false } & Failure);

export interface ExecutionEnvironmentOptions extends SandboxData {
  /** Read when the environment starts. */
  readonly variables: () => Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  readonly log: Pick<FunctionLog, 'output' | 'write'>;
}

/**
 * The initialization phase has 10 s; longer than that is charged to the function's timeout ("Understanding the Lambda
 * execution environment lifecycle").
 */
const initializationMs = 10_000;

/** One execution environment of a function: a worker thread that handles one invocation at a time. */
export class ExecutionEnvironment {
  /** Resolves when its thread has ended. */
  readonly exited: Promise<void>;
  readonly #worker: Worker;
  readonly #options: ExecutionEnvironmentOptions;
  readonly #outputs: Readonly<Record<'stdout' | 'stderr', Output>>;
  #initialized = false;
  #whenInitialized = () => {};
  #settle: ((outcome: Outcome) => void) | undefined;
  /** Why it takes no more invocations. */
  #end: Failure | undefined;

  constructor(options: ExecutionEnvironmentOptions) {
    const { path, exportName, variables, memoryMegabytes, log } = options;
    this.#options = options;
    this.#worker = new Worker(join(import.meta.dirname, 'sandbox.ts'), {
      workerData: { path, exportName, memoryMegabytes } satisfies SandboxData,
      env: { ...variables() },
      resourceLimits: { maxOldGenerationSizeMb: memoryMegabytes },
      execArgv: ['--enable-source-maps'],
      stdout: true,
      stderr: true,
    });
    this.#outputs = { stdout: log.output('info'), stderr: log.output('warn') };
    this.#worker.on('message', (report: Report) => this.#hear(report));
    this.#worker.on('error', (error: NodeJS.ErrnoException) => this.#fail(this.#failureOf(error)));
    this.exited = new Promise(resolve => {
      this.#worker.on('exit', code => {
        const how = code === 0 ? 'without providing a reason' : `with error: exit status ${code}`;
        for (const output of Object.values(this.#outputs)) output.end();
        this.#fail({ errorType: 'Runtime.ExitError', errorMessage: `Runtime exited ${how}` });
        resolve();
      });
    });
  }

  /** Whether it can take another invocation once it is free. */
  get alive(): boolean {
    return this.#end === undefined;
  }

  /** Never rejects: what goes wrong is the outcome. */
  invoke(invocation: Omit<Invocation, 'deadline'>): Promise<Outcome> {
    if (this.#end) return Promise.resolve({ ok: false, ...this.#end });
    const timeoutMs = this.#options.timeoutSeconds * 1000;
    return new Promise(resolve => {
      let timer: NodeJS.Timeout | undefined;
      let deadline: number | undefined;
      const charge = (): number => {
        timer = setTimeout(() => this.#expire(), timeoutMs);
        deadline = Date.now() + timeoutMs;
        return deadline;
      };
      const run = () => {
        if (deadline === undefined) clearTimeout(timer);
        this.#worker.postMessage({ ...invocation, deadline: deadline ?? charge() } satisfies Invocation);
      };
      this.#settle = outcome => {
        clearTimeout(timer);
        resolve(outcome);
      };
      if (this.#initialized) run();
      else {
        this.#whenInitialized = run;
        timer = setTimeout(charge, initializationMs);
      }
    });
  }

  /** Ends it; an invocation under way fails. */
  async terminate(): Promise<void> {
    this.#end ??= { errorType: 'Runtime.ExitError', errorMessage: 'the local environment was closed' };
    this.#finish({ ok: false, ...this.#end });
    await this.#worker.terminate();
  }

  #hear(report: Report): void {
    if (report.kind === 'output') {
      this.#outputs[report.stream].write(report.text);
    } else if (report.kind === 'initialized') {
      this.#initialized = true;
      if (this.alive) this.#whenInitialized();
    } else if (report.kind === 'answered') {
      this.#finish({ ok: true, payload: report.payload });
    } else if (report.kind === 'exhausted') {
      this.#fail(this.#outOfMemory);
      void this.#worker.terminate();
    } else {
      const { kind: _, ...failure } = report;
      this.#options.log.write('ERROR', 'Invoke Error', failure);
      this.#finish({ ok: false, ...failure });
    }
  }

  #expire(): void {
    const errorMessage = `Task timed out after ${this.#options.timeoutSeconds.toFixed(2)} seconds`;
    this.#fail({ errorType: 'Sandbox.Timedout', errorMessage });
    void this.#worker.terminate();
  }

  get #outOfMemory(): Failure {
    const errorMessage = `the function used more than its ${this.#options.memoryMegabytes} MB`;
    return { errorType: 'Runtime.OutOfMemory', errorMessage };
  }

  /** What ended the thread, in the terms of the runtime. */
  #failureOf({ code, name, message, stack }: NodeJS.ErrnoException): Failure {
    if (code === 'ERR_WORKER_OUT_OF_MEMORY') return this.#outOfMemory;
    let errorType = name;
    if (!this.#initialized && code === 'MODULE_NOT_FOUND') errorType = 'Runtime.ImportModuleError';
    if (!this.#initialized && name === 'SyntaxError') errorType = 'Runtime.UserCodeSyntaxError';
    return { errorType, errorMessage: message, ...(stack === undefined ? {} : { stack }) };
  }

  #fail(failure: Failure): void {
    if (this.#end) return;
    this.#end = failure;
    this.#options.log.write('ERROR', failure.errorMessage, failure);
    this.#finish({ ok: false, ...failure });
  }

  #finish(outcome: Outcome): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(outcome);
  }
}
