import type { Place } from '../assembly/resource.ts';
import { AwsError, type FunctionInvoker, type InvocationResult, type Log } from '../aws/service.ts';

/** Metrics of an API, by CloudWatch's names ("WebSocket API metrics", "HTTP API metrics"); durations in milliseconds. */
export type OnMetric = (name: string, value: number) => void;

/** How a function called by the gateway ended. `refused`: Lambda did not run it (permission, concurrency, no function). */
export type Invocation =
  | { readonly kind: 'answered'; readonly payload: unknown }
  | { readonly kind: 'failed'; readonly errorType: string; readonly errorMessage: string }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'timed-out' };

export interface InvocationRequest {
  readonly functionArn: string;
  /** What the function's permission must allow, e.g. `<api>/<stage>/$connect`. */
  readonly source: string;
  readonly event: unknown;
  readonly timeoutMs: number;
}

export type Invoke = (request: InvocationRequest) => Promise<Invocation>;

/** Invokes functions as the service principal of API Gateway, never longer than the integration's timeout. */
export function createInvoke({
  invoker,
  place,
  log,
}: {
  readonly invoker: FunctionInvoker;
  readonly place: Place;
  readonly log: Log;
}): Invoke {
  return async ({ functionArn, source, event, timeoutMs }) => {
    const sourceArn = `arn:${place.partition}:execute-api:${place.region}:${place.account}:${source}`;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<undefined>(resolve => {
      timer = setTimeout(resolve, timeoutMs, undefined);
    });
    let result: InvocationResult | undefined;
    try {
      result = await Promise.race([
        invoker.invoke(functionArn, event, { kind: 'service', service: 'apigateway.amazonaws.com', sourceArn }),
        timeout,
      ]);
    } catch (error) {
      const code = error instanceof AwsError ? error.code : 'InternalFailure';
      const hint =
        code === 'AccessDeniedException' ? ': a Lambda permission for apigateway.amazonaws.com is missing' : '';
      log('error', 'apigateway', `the function could not be invoked${hint}`, {
        functionArn,
        sourceArn,
        code,
        error: error instanceof AwsError ? error.message : error instanceof Error ? error.stack : String(error),
      });
      return { kind: 'refused', code };
    } finally {
      clearTimeout(timer);
    }
    if (result === undefined) {
      log('warn', 'apigateway', 'the integration timed out', { functionArn, sourceArn, timeoutMs });
      return { kind: 'timed-out' };
    }
    if (result.ok) return { kind: 'answered', payload: result.payload };
    log('warn', 'apigateway', 'the function failed', { functionArn, sourceArn, errorType: result.errorType });
    return { kind: 'failed', errorType: result.errorType, errorMessage: result.errorMessage };
  };
}
