import type { IncomingHttpHeaders } from 'node:http';
import type { Cors } from './declarations.ts';

function allowedOrigin({ AllowOrigins = [] }: Cors, origin: string): string | undefined {
  if (AllowOrigins.includes('*')) return '*';
  const matches = AllowOrigins.some(
    allowed => allowed === origin || (allowed.endsWith('://*') && origin.startsWith(allowed.slice(0, -1))),
  );
  return matches ? origin : undefined;
}

function list(name: string, values: readonly string[] | undefined): Record<string, string> {
  return values?.length ? { [name]: values.join(',') } : {};
}

/** Whether the gateway answers a request itself ("Configure CORS for HTTP APIs"). */
export function isPreflight(cors: Cors | undefined, method: string, headers: IncomingHttpHeaders): boolean {
  return (
    cors !== undefined &&
    method === 'OPTIONS' &&
    headers.origin !== undefined &&
    headers['access-control-request-method'] !== undefined
  );
}

/** The headers of the answer to a preflight request; none where the origin is not allowed. */
export function preflightHeaders(cors: Cors, origin: string): Record<string, string> {
  if (allowedOrigin(cors, origin) === undefined) return {};
  return {
    ...responseHeaders(cors, origin),
    ...list('access-control-allow-methods', cors.AllowMethods),
    ...list('access-control-allow-headers', cors.AllowHeaders),
    ...(cors.MaxAge === undefined ? {} : { 'access-control-max-age': String(cors.MaxAge) }),
  };
}

/** The headers that the gateway adds to a response, in the place of those of the function. */
export function responseHeaders(cors: Cors, origin: string | undefined): Record<string, string> {
  const allowed = origin === undefined ? undefined : allowedOrigin(cors, origin);
  if (allowed === undefined) return {};
  return {
    'access-control-allow-origin': allowed,
    ...(cors.AllowCredentials ? { 'access-control-allow-credentials': 'true' } : {}),
    ...list('access-control-expose-headers', cors.ExposeHeaders),
    ...(allowed === '*' ? {} : { vary: 'Origin' }),
  };
}
