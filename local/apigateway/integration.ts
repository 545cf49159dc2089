import { z } from 'zod';
import type { Log } from '../aws/service.ts';
import type { Invoke, OnMetric } from './invocation.ts';
import type { WebSocketModel, WebSocketRoute } from './websocket-model.ts';

/** What a Lambda proxy integration has to answer. */
const proxyResponse = z.object({
  statusCode: z.coerce.number().int().min(100).max(599),
  headers: z.record(z.string(), z.coerce.string()).nullish(),
  body: z.string().nullish(),
});
export type ProxyResponse = z.output<typeof proxyResponse>;

/**
 * How a route's integration ended. `failed`: the function failed, or did not answer in the form of a proxy response;
 * `refused`: Lambda did not run it.
 */
export type IntegrationResult =
  | { readonly kind: 'answered'; readonly response: ProxyResponse }
  | { readonly kind: 'failed' | 'refused' | 'timed-out' };

export type Integrate = (route: WebSocketRoute, stage: string, event: unknown) => Promise<IntegrationResult>;

/** The Lambda proxy integrations of a WebSocket API, with their metrics. */
export function createIntegrate({
  model,
  invoke,
  maxTimeoutMs,
  log,
  onMetric,
}: {
  readonly model: WebSocketModel;
  readonly invoke: Invoke;
  /** Upper bound of every route's own timeout. */
  readonly maxTimeoutMs: number;
  readonly log: Log;
  readonly onMetric: OnMetric;
}): Integrate {
  return async (route, stage, event) => {
    const startedAt = performance.now();
    const outcome = await invoke({
      functionArn: route.functionArn,
      source: `${model.apiId}/${stage}/${route.key}`,
      event,
      timeoutMs: Math.min(route.timeoutMs, maxTimeoutMs),
    });
    onMetric('IntegrationLatency', performance.now() - startedAt);
    if (outcome.kind !== 'answered') {
      onMetric(outcome.kind === 'refused' ? 'ExecutionError' : 'IntegrationError', 1);
      return { kind: outcome.kind };
    }
    const parsed = proxyResponse.safeParse(outcome.payload);
    if (!parsed.success) {
      onMetric('ExecutionError', 1);
      log('warn', 'apigateway', 'a function did not answer in the form of a Lambda proxy response', {
        functionArn: route.functionArn,
        route: route.key,
        problem: z.prettifyError(parsed.error),
      });
      return { kind: 'failed' };
    }
    if (parsed.data.statusCode >= 400) onMetric('IntegrationError', 1);
    return { kind: 'answered', response: parsed.data };
  };
}
