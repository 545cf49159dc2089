import { AwsError, type InvocationResult, type Log } from '../aws/service.ts';
import type { Clock } from '../clock.ts';

/** What `AWS::Lambda::EventInvokeConfig` sets for a function. */
export interface EventInvokeConfig {
  readonly maximumRetryAttempts: number;
  readonly maximumEventAgeSeconds: number;
}

/** "How Lambda handles errors and retries with asynchronous invocation". */
export const defaultEventInvokeConfig: EventInvokeConfig = {
  maximumRetryAttempts: 2,
  maximumEventAgeSeconds: 6 * 60 * 60,
};

// The same page: one minute before the first retry after a function error and two before the second; after throttling
// and system errors from 1 s, exponentially, up to 5 min, as long as the event is not too old.
const retryDelaysMs = [60_000, 120_000];
const shortestBackOffMs = 1_000;
const longestBackOffMs = 300_000;

interface PendingEvent {
  readonly functionArn: string;
  readonly event: unknown;
  readonly config: EventInvokeConfig;
  /** Epoch milliseconds. */
  readonly acceptedAt: number;
  /** Attempts that ended in an error of the function. */
  failures: number;
  /** Attempts that Lambda refused, one after the other. */
  refusals: number;
}

/** Lambda's queue of events for asynchronous invocation, with its retries. It is lost when the environment is closed. */
export class AsynchronousInvocations {
  readonly #invoke: (functionArn: string, event: unknown) => Promise<InvocationResult>;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Retries that wait, with what cancels them. */
  readonly #waiting = new Map<PendingEvent, () => void>();
  #closed = false;

  constructor(
    invoke: (functionArn: string, event: unknown) => Promise<InvocationResult>,
    { clock, log }: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#invoke = invoke;
    this.#clock = clock;
    this.#log = log;
  }

  /** Takes an event; the first attempt starts at once. */
  accept(functionArn: string, event: unknown, config: EventInvokeConfig = defaultEventInvokeConfig): void {
    const acceptedAt = this.#clock.now();
    void this.#attempt({ functionArn, event, config, acceptedAt, failures: 0, refusals: 0 });
  }

  /** Gives up what waits for a retry, and retries no more. */
  close(): void {
    this.#closed = true;
    for (const [event, cancel] of this.#waiting) {
      cancel();
      this.#drop(event, 'the local environment was closed before its retry');
    }
    this.#waiting.clear();
  }

  async #attempt(pending: PendingEvent): Promise<void> {
    let result: InvocationResult;
    try {
      result = await this.#invoke(pending.functionArn, pending.event);
    } catch (error) {
      this.#refused(pending, error);
      return;
    }
    if (!result.ok) this.#failed(pending, result);
  }

  #failed(pending: PendingEvent, { errorType, errorMessage }: { errorType: string; errorMessage: string }): void {
    const delayMs = retryDelaysMs[pending.failures];
    const retriesLeft = pending.config.maximumRetryAttempts - pending.failures;
    pending.failures += 1;
    pending.refusals = 0;
    this.#log('error', 'lambda', 'asynchronous invocation failed', {
      function: pending.functionArn,
      errorType,
      errorMessage,
      retriesLeft,
    });
    if (retriesLeft <= 0 || delayMs === undefined) this.#drop(pending, 'all attempts failed');
    else this.#retry(pending, delayMs);
  }

  #refused(pending: PendingEvent, error: unknown): void {
    const delayMs = Math.min(longestBackOffMs, shortestBackOffMs * 2 ** pending.refusals);
    pending.refusals += 1;
    const transient = error instanceof AwsError && (error.status === 429 || error.status >= 500);
    this.#log(transient ? 'warn' : 'error', 'lambda', 'an asynchronous invocation was refused', {
      function: pending.functionArn,
      error: transient ? error.code : error instanceof Error ? error.stack : String(error),
    });
    if (transient) this.#retry(pending, delayMs);
    else this.#drop(pending, 'it cannot be invoked');
  }

  #retry(pending: PendingEvent, delayMs: number): void {
    const ageMs = this.#clock.now() + delayMs - pending.acceptedAt;
    if (this.#closed) this.#drop(pending, 'the local environment was closed before its retry');
    else if (ageMs > pending.config.maximumEventAgeSeconds * 1000) this.#drop(pending, 'it would be too old');
    else {
      const cancel = this.#clock.schedule(delayMs, () => {
        this.#waiting.delete(pending);
        void this.#attempt(pending);
      });
      this.#waiting.set(pending, cancel);
    }
  }

  #drop({ functionArn, failures }: PendingEvent, reason: string): void {
    this.#log('error', 'lambda', `an event for asynchronous invocation is lost: ${reason}`, {
      function: functionArn,
      failures,
    });
  }
}
