import type { MetricSink } from '../cloudwatch/metric.ts';

/** What one invocation was like. */
export interface InvocationFigures {
  readonly failed: boolean;
  readonly durationMs: number;
  /** Invocations of the function at once when it ended, itself included. */
  readonly concurrency: number;
}

/** What Lambda publishes of a function ("Types of metrics for Lambda functions"), by its name only. */
export class FunctionMetrics {
  readonly #sink: MetricSink;
  readonly #dimensions: { readonly FunctionName: string };

  constructor(sink: MetricSink, functionName: string) {
    this.#sink = sink;
    this.#dimensions = { FunctionName: functionName };
  }

  invoked({ failed, durationMs, concurrency }: InvocationFigures): void {
    this.#put('Invocations', 1);
    this.#put('Errors', failed ? 1 : 0);
    this.#put('Throttles', 0);
    this.#put('ConcurrentExecutions', concurrency);
    this.#sink.put('AWS/Lambda', 'Duration', this.#dimensions, durationMs, 'Milliseconds');
  }

  /** Throttled invocations are not counted as invocations. */
  throttled(): void {
    this.#put('Throttles', 1);
  }

  #put(name: string, value: number): void {
    this.#sink.put('AWS/Lambda', name, this.#dimensions, value, 'Count');
  }
}
