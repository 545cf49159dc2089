import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** A connection or request id of the form that API Gateway gives: 11 random bytes, so that it ends in `=`. */
export function randomId(): string {
  return `${randomBytes(11).toString('base64url')}=`;
}

export const connectionIdPattern = /^[A-Za-z0-9_-]{15}=$/;

/** What later events of a connection repeat of its handshake. */
export interface ConnectionFacts {
  readonly connectionId: string;
  readonly apiId: string;
  readonly stage: string;
  readonly stageVariables?: Readonly<Record<string, string>>;
  readonly domainName: string;
  readonly sourceIp: string;
  readonly userAgent?: string;
  /** Epoch milliseconds. */
  readonly connectedAt: number;
}

/** Values of the authorizer's `context`, and `principalId`. */
export type AuthorizerContext = Readonly<Record<string, string | number>>;

export interface HandshakeHeaders {
  readonly headers: Readonly<Record<string, string>>;
  readonly multiValueHeaders: Readonly<Record<string, readonly string[]>>;
}

export interface QueryParameters {
  readonly queryStringParameters: Readonly<Record<string, string>>;
  readonly multiValueQueryStringParameters: Readonly<Record<string, readonly string[]>>;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A time in the common log format, e.g. `21/Dec/2026:10:00:00 +0000`. */
export function requestTime(epochMs: number): string {
  const iso = new Date(epochMs).toISOString();
  return `${iso.slice(8, 10)}/${months[Number(iso.slice(5, 7)) - 1]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}

/** Headers in the case in which they were sent, with those that the gateway's proxies add. */
export function handshakeHeaders(request: IncomingMessage, sourceIp: string): HandshakeHeaders {
  const multi: Record<string, string[]> = {};
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] as string;
    const values = Object.hasOwn(multi, name) ? multi[name] : undefined;
    if (values) values.push(request.rawHeaders[i + 1] as string);
    else multi[name] = [request.rawHeaders[i + 1] as string];
  }
  const forwarded = request.headers['x-forwarded-for'];
  for (const name of Object.keys(multi)) if (/^x-forwarded-(for|port|proto)$/i.test(name)) delete multi[name];
  multi['X-Forwarded-For'] = [forwarded === undefined ? sourceIp : `${forwarded}, ${sourceIp}`];
  multi['X-Forwarded-Port'] = ['443'];
  multi['X-Forwarded-Proto'] = ['https'];
  const headers = Object.fromEntries(Object.entries(multi).map(([name, values]) => [name, values.at(-1) as string]));
  return { headers, multiValueHeaders: multi };
}

export function queryParameters(url: URL): QueryParameters {
  const names = [...new Set(url.searchParams.keys())];
  const multi = Object.fromEntries(names.map(name => [name, url.searchParams.getAll(name)]));
  const single = Object.fromEntries(names.map(name => [name, url.searchParams.getAll(name).at(-1) as string]));
  return { queryStringParameters: single, multiValueQueryStringParameters: multi };
}

function requestContext(
  facts: ConnectionFacts,
  routeKey: string,
  eventType: 'CONNECT' | 'MESSAGE' | 'DISCONNECT',
  requestId: string,
  authorizer: AuthorizerContext | undefined,
) {
  const now = Date.now();
  return {
    routeKey,
    ...(authorizer ? { authorizer } : {}),
    eventType,
    extendedRequestId: requestId,
    requestTime: requestTime(now),
    messageDirection: 'IN',
    stage: facts.stage,
    connectedAt: facts.connectedAt,
    requestTimeEpoch: now,
    identity: { ...(facts.userAgent === undefined ? {} : { userAgent: facts.userAgent }), sourceIp: facts.sourceIp },
    requestId,
    domainName: facts.domainName,
    connectionId: facts.connectionId,
    apiId: facts.apiId,
  };
}

function stageVariables({ stageVariables: variables }: ConnectionFacts) {
  return variables ? { stageVariables: variables } : {};
}

/** Input of a REQUEST authorizer ("Control access to WebSocket APIs with AWS Lambda REQUEST authorizers"). */
export function authorizerEvent(
  facts: ConnectionFacts,
  methodArn: string,
  headers: HandshakeHeaders,
  query: QueryParameters,
  requestId: string,
) {
  return {
    type: 'REQUEST',
    methodArn,
    ...headers,
    ...query,
    stageVariables: facts.stageVariables ?? {},
    requestContext: requestContext(facts, '$connect', 'CONNECT', requestId, undefined),
  };
}

export function connectEvent(
  facts: ConnectionFacts,
  { headers, multiValueHeaders }: HandshakeHeaders,
  query: QueryParameters,
  requestId: string,
  authorizer: AuthorizerContext | undefined,
) {
  const passed = (name: string) => !/^(connection|upgrade)$/i.test(name);
  return {
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => passed(name))),
    multiValueHeaders: Object.fromEntries(Object.entries(multiValueHeaders).filter(([name]) => passed(name))),
    ...(Object.keys(query.queryStringParameters).length > 0 ? query : {}),
    ...stageVariables(facts),
    requestContext: requestContext(facts, '$connect', 'CONNECT', requestId, authorizer),
    isBase64Encoded: false,
  };
}

export function messageEvent(
  facts: ConnectionFacts,
  routeKey: string,
  body: string,
  requestId: string,
  authorizer: AuthorizerContext | undefined,
) {
  return {
    ...stageVariables(facts),
    requestContext: {
      ...requestContext(facts, routeKey, 'MESSAGE', requestId, authorizer),
      messageId: randomId(),
    },
    body,
    isBase64Encoded: false,
  };
}

export function disconnectEvent(
  facts: ConnectionFacts,
  code: number,
  reason: string,
  requestId: string,
  authorizer: AuthorizerContext | undefined,
) {
  const headers = { Host: facts.domainName, 'x-api-key': '', 'X-Forwarded-For': '', 'x-restapi': '' };
  return {
    headers,
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    ...stageVariables(facts),
    requestContext: {
      ...requestContext(facts, '$disconnect', 'DISCONNECT', requestId, authorizer),
      disconnectStatusCode: code,
      disconnectReason: reason,
    },
    isBase64Encoded: false,
  };
}
