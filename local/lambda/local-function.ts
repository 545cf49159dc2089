import { randomUUID } from 'node:crypto';
import { AwsError, type InvocationResult } from '../aws/service.ts';
import { ExecutionEnvironment, type ExecutionEnvironmentOptions, type Outcome } from './execution-environment.ts';

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
  private readonly definition: FunctionDefinition;
  private readonly maxEnvironments: number;
  private readonly idle: ExecutionEnvironment[] = [];
  private readonly all = new Set<ExecutionEnvironment>();
  private readonly waiting: ((environment: ExecutionEnvironment) => void)[] = [];
  private running = 0;

  constructor(definition: FunctionDefinition, maxEnvironments: number) {
    this.definition = definition;
    this.maxEnvironments = maxEnvironments;
  }

  /** @throws AwsError `TooManyRequestsException` beyond the reserved concurrency, `RequestTooLargeException` over 6 MB */
  async invoke(event: unknown): Promise<InvocationResult> {
    const { name, arn, reservedConcurrency, memoryMegabytes } = this.definition;
    const text = JSON.stringify(event) ?? 'null';
    if (Buffer.byteLength(text) > maxPayloadBytes) {
      throw new AwsError('RequestTooLargeException', `the payload is larger than ${maxPayloadBytes} bytes`, 413);
    }
    if (reservedConcurrency !== undefined && this.running >= reservedConcurrency) {
      throw new AwsError('TooManyRequestsException', `Rate Exceeded: ${name} runs ${this.running} times`, 429);
    }
    this.running += 1;
    try {
      const environment = await this.acquire();
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
      this.release(environment);
      return resultOf(outcome);
    } finally {
      this.running -= 1;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.all].map(environment => environment.terminate()));
  }

  private start(): ExecutionEnvironment {
    const environment = new ExecutionEnvironment(this.definition);
    this.all.add(environment);
    return environment;
  }

  private acquire(): ExecutionEnvironment | Promise<ExecutionEnvironment> {
    // The environment used last: its caches are fresh, and the others can rest.
    const free = this.idle.pop();
    if (free) return free;
    if (this.all.size < this.maxEnvironments) return this.start();
    return new Promise(resolve => {
      this.waiting.push(resolve);
    });
  }

  private release(environment: ExecutionEnvironment): void {
    if (!environment.alive) this.all.delete(environment);
    const next = this.waiting.shift();
    if (next) next(environment.alive ? environment : this.start());
    else if (environment.alive) this.idle.push(environment);
  }
}

function resultOf(outcome: Outcome): InvocationResult {
  if (!outcome.ok) return outcome;
  if (Buffer.byteLength(outcome.payload) > maxPayloadBytes) {
    const errorMessage = `Response payload size exceeded maximum allowed payload size (${maxPayloadBytes} bytes).`;
    return { ok: false, errorType: 'Function.ResponseSizeTooLarge', errorMessage };
  }
  return { ok: true, payload: JSON.parse(outcome.payload) };
}
