import type { Resource } from '../assembly/resource.ts';
import type { Log } from '../aws/service.ts';
import type { RouteSettings } from './declarations.ts';
import { createTokenBucket, type TokenBucket } from './token-bucket.ts';

/** Shared by all APIs of the account: invocations, messages and calls of @connections alike. */
export interface AccountQuotas {
  readonly requests: TokenBucket;
  readonly newConnections: TokenBucket;
}

export interface AccountLimits {
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
  readonly newConnectionsPerSecond: number;
}

/** "Amazon API Gateway quotas" and "Quotas for configuring and running a WebSocket API". */
export const accountLimits: AccountLimits = {
  requestsPerSecond: 10_000,
  requestBurst: 5_000,
  newConnectionsPerSecond: 500,
};

export function createAccountQuotas(overrides: Partial<AccountLimits> = {}): AccountQuotas {
  const limits = { ...accountLimits, ...overrides };
  return {
    requests: createTokenBucket(limits.requestsPerSecond, limits.requestBurst),
    newConnections: createTokenBucket(limits.newConnectionsPerSecond, limits.newConnectionsPerSecond),
  };
}

/** Whether the stage's throttling lets a request of a route through. */
export type StageThrottle = (routeKey: string) => boolean;

/**
 * The throttling of a stage. Settings without both limits let nothing through: API Gateway takes a limit that is left
 * out of given route settings (as when only metrics are enabled) for 0.
 */
export function createStageThrottle(
  stage: Resource,
  settings: {
    readonly DefaultRouteSettings?: RouteSettings | undefined;
    readonly RouteSettings: Readonly<Record<string, RouteSettings>>;
  },
  log: Log,
): StageThrottle {
  const bucketOf = (name: string, { ThrottlingRateLimit, ThrottlingBurstLimit }: RouteSettings): TokenBucket => {
    if (ThrottlingRateLimit === undefined || ThrottlingBurstLimit === undefined) {
      log(
        'warn',
        'apigateway',
        'route settings without ThrottlingRateLimit and ThrottlingBurstLimit throttle everything',
        {
          stack: stage.stack,
          logicalId: stage.logicalId,
          settings: name,
        },
      );
      return createTokenBucket(0, 0);
    }
    return createTokenBucket(ThrottlingRateLimit, ThrottlingBurstLimit);
  };
  const byDefault = settings.DefaultRouteSettings && bucketOf('DefaultRouteSettings', settings.DefaultRouteSettings);
  const byRoute = new Map(
    Object.entries(settings.RouteSettings).map(([key, own]) => [
      key,
      bucketOf(`RouteSettings ${key}`, { ...settings.DefaultRouteSettings, ...own }),
    ]),
  );
  return routeKey => (byRoute.get(routeKey) ?? byDefault)?.take() ?? true;
}
