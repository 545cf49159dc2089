import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { AwsError, type InvocationResult } from '../aws/service.ts';
import { type FaultSource, type InvocationEffect, noFaults } from '../faults/points.ts';
import { ExecutionEnvironment, type ExecutionEnvironmentOptions, type Outcome } from './execution-environment.ts';
import { FairQueue } from './fair-queue.ts';
import type { FunctionMetrics } from './function-metrics.ts';

export interface FunctionDefinition extends ExecutionEnvironmentOptions {
  readonly name: string;
  /** Without a version. */
  readonly arn: string;
  /** `$LATEST`, or the number of a published version. */
  readonly version: string;
  /** Invocations at once beyond which Lambda throttles; undefined where the function has no reserved concurrency. */
  readonly reservedConcurrency: number | undefined;
  /** Counts the invocations under way of all versions together. */
  readonly concurrency: { running: number };
  readonly metrics?: FunctionMetrics;
}

/** Lambda's quota for a synchronous request or response ("Lambda quotas"). */
const maxPayloadBytes = 6 * 1024 * 1024;

/**
 * A function and its execution environments. On AWS each concurrent invocation has an environment of its own; here at
 * most `maxEnvironments` of them run, and what exceeds that waits for a free one. Time spent waiting is not charged to
 * the function's timeout.
 */
export class LocalFunction {
  readonly #definition: FunctionDefinition;
  readonly #maxEnvironments: number;
  readonly #faults: FaultSource;
  readonly #idle: ExecutionEnvironment[] = [];
  /** Those whose thread has not ended. */
  readonly #all = new Set<ExecutionEnvironment>();
  readonly #waiting = new FairQueue<PromiseWithResolvers<ExecutionEnvironment>>();

  constructor(definition: FunctionDefinition, maxEnvironments: number, faults: FaultSource = noFaults) {
    this.#definition = definition;
    this.#maxEnvironments = maxEnvironments;
    this.#faults = faults;
  }

  /**
   * @param invokedArn as the caller named it, with version or alias
   * @throws AwsError `TooManyRequestsException` beyond the reserved concurrency, `RequestTooLargeException` over 6 MB
   */
  async invoke(event: unknown, invokedArn = this.#definition.arn): Promise<InvocationResult> {
    const { name, version, concurrency, reservedConcurrency, memoryMegabytes, metrics } = this.#definition;
    const text = JSON.stringify(event) ?? 'null';
    if (Buffer.byteLength(text) > maxPayloadBytes) {
      throw new AwsError('RequestTooLargeException', `the payload is larger than ${maxPayloadBytes} bytes`, 413);
    }
    if (reservedConcurrency !== undefined && concurrency.running >= reservedConcurrency) {
      metrics?.throttled();
      throw new AwsError('TooManyRequestsException', `Rate Exceeded: ${name} runs ${concurrency.running} times`, 429);
    }
    concurrency.running += 1;
    try {
      const fault = this.#faultOf(name);
      if (fault?.cold) for (const idle of this.#idle.splice(0)) void idle.terminate();
      const environment = await this.#acquire(connectionOf(event));
      const startedAt = performance.now();
      const outcome = await environment.invoke({
        event: text,
        context: {
          awsRequestId: randomUUID(),
          functionName: name,
          functionVersion: version,
          invokedFunctionArn: invokedArn,
          memoryLimitInMB: memoryMegabytes,
          logGroupName: `/aws/lambda/${name}`,
          logStreamName: 'local',
        },
        ...(fault && { fault }),
      });
      metrics?.invoked({
        failed: !outcome.ok,
        durationMs: performance.now() - startedAt,
        concurrency: concurrency.running,
      });
      this.#release(environment);
      return resultOf(outcome);
    } finally {
      concurrency.running -= 1;
    }
  }

  /** Ends its environments; what runs or waits fails. */
  async close(): Promise<void> {
    const closed = new AwsError('ServiceException', `${this.#definition.name} is closed`, 503);
    for (let turn = this.#waiting.shift(); turn; turn = this.#waiting.shift()) turn.reject(closed);
    await Promise.all([...this.#all].map(environment => environment.terminate()));
  }

  /** As it is sent to the thread. */
  #faultOf(functionName: string): InvocationEffect | undefined {
    const drawn = this.#faults.draw('invocation', () => ({ functionName, version: this.#definition.version }));
    if (!drawn) return undefined;
    const { ended: _, ...fault } = drawn;
    return fault;
  }

  #start(): ExecutionEnvironment {
    const environment = new ExecutionEnvironment(this.#definition);
    this.#all.add(environment);
    void environment.exited.then(() => {
      this.#all.delete(environment);
      const next = this.#waiting.shift();
      if (next) next.resolve(this.#start());
    });
    return environment;
  }

  #acquire(connection: string): ExecutionEnvironment | Promise<ExecutionEnvironment> {
    // The environment used last: its caches are fresh, and the others can rest.
    for (let free = this.#idle.pop(); free; free = this.#idle.pop()) if (free.alive) return free;
    if (this.#all.size < this.#maxEnvironments) return this.#start();
    const turn = Promise.withResolvers<ExecutionEnvironment>();
    this.#waiting.push(connection, turn);
    return turn.promise;
  }

  #release(environment: ExecutionEnvironment): void {
    if (!environment.alive) return;
    const next = this.#waiting.shift();
    if (next) next.resolve(environment);
    else this.#idle.push(environment);
  }
}

const connectionEvent = z.object({ requestContext: z.object({ connectionId: z.string() }) });

/** The connection that an event is about; empty where it is about none. */
const connectionOf = (event: unknown): string =>
  connectionEvent.safeParse(event).data?.requestContext.connectionId ?? '';

function resultOf(outcome: Outcome): InvocationResult {
  if (!outcome.ok) return { ok: false, errorType: outcome.errorType, errorMessage: outcome.errorMessage };
  if (Buffer.byteLength(outcome.payload) > maxPayloadBytes) {
    const errorMessage = `Response payload size exceeded maximum allowed payload size (${maxPayloadBytes} bytes).`;
    return { ok: false, errorType: 'Function.ResponseSizeTooLarge', errorMessage };
  }
  return { ok: true, payload: JSON.parse(outcome.payload) };
}
