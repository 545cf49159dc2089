import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { AwsError, type InvocationResult } from '../aws/service.ts';
import { ExecutionEnvironment, type ExecutionEnvironmentOptions, type Outcome } from './execution-environment.ts';
import { FairQueue } from './fair-queue.ts';

export interface FunctionDefinition extends ExecutionEnvironmentOptions {
  readonly name: string;
  readonly arn: string;
  /** Invocations at once beyond which Lambda throttles; undefined where the function has no reserved concurrency. */
  readonly reservedConcurrency: number | undefined;
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
  readonly #idle: ExecutionEnvironment[] = [];
  /** Those whose thread has not ended. */
  readonly #all = new Set<ExecutionEnvironment>();
  readonly #waiting = new FairQueue<PromiseWithResolvers<ExecutionEnvironment>>();
  #running = 0;

  constructor(definition: FunctionDefinition, maxEnvironments: number) {
    this.#definition = definition;
    this.#maxEnvironments = maxEnvironments;
  }

  /** @throws AwsError `TooManyRequestsException` beyond the reserved concurrency, `RequestTooLargeException` over 6 MB */
  async invoke(event: unknown): Promise<InvocationResult> {
    const { name, arn, reservedConcurrency, memoryMegabytes } = this.#definition;
    const text = JSON.stringify(event) ?? 'null';
    if (Buffer.byteLength(text) > maxPayloadBytes) {
      throw new AwsError('RequestTooLargeException', `the payload is larger than ${maxPayloadBytes} bytes`, 413);
    }
    if (reservedConcurrency !== undefined && this.#running >= reservedConcurrency) {
      throw new AwsError('TooManyRequestsException', `Rate Exceeded: ${name} runs ${this.#running} times`, 429);
    }
    this.#running += 1;
    try {
      const environment = await this.#acquire(connectionOf(event));
      const outcome = await environment.invoke({
        event: text,
        context: {
          awsRequestId: randomUUID(),
          functionName: name,
          functionVersion: '$LATEST',
          invokedFunctionArn: arn,
          memoryLimitInMB: memoryMegabytes,
          logGroupName: `/aws/lambda/${name}`,
          logStreamName: 'local',
        },
      });
      this.#release(environment);
      return resultOf(outcome);
    } finally {
      this.#running -= 1;
    }
  }

  /** Ends its environments; what runs or waits fails. */
  async close(): Promise<void> {
    const closed = new AwsError('ServiceException', `${this.#definition.name} is closed`, 503);
    for (let turn = this.#waiting.shift(); turn; turn = this.#waiting.shift()) turn.reject(closed);
    await Promise.all([...this.#all].map(environment => environment.terminate()));
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
