import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Place } from '../assembly/resource.ts';
import type { Principal } from '../aws/service.ts';
import type { HttpModel, RouteMatch } from './http-routes.ts';
import type { Stage } from './stages.ts';
import { requestTime } from './websocket-events.ts';

/** A caller whose signature was verified for a route with AWS_IAM. */
export interface IamCaller {
  readonly principal: Principal;
  readonly accessKeyId: string;
}

/** "Working with binary media types for HTTP APIs": bodies of other types arrive in base64. */
const textTypes = /^(text\/|application\/(json|javascript|xml)\b)/;

function iamAuthorizer({ principal, accessKeyId }: IamCaller, { account }: Place) {
  const arn = principal.kind === 'service' ? principal.service : principal.arn;
  const userId = `${accessKeyId}:${arn.slice(arn.lastIndexOf('/') + 1)}`;
  return {
    iam: {
      accessKey: accessKeyId,
      accountId: account,
      callerId: userId,
      cognitoIdentity: null,
      principalOrgId: null,
      userArn: arn,
      userId,
    },
  };
}

/** The event of payload format 2.0 ("Create AWS Lambda proxy integrations for HTTP APIs"). */
export function httpEvent(
  request: IncomingMessage,
  body: Buffer,
  model: HttpModel,
  stage: Stage,
  { route, pathParameters }: RouteMatch,
  place: Place,
  caller: IamCaller | undefined,
) {
  const url = request.url ?? '/';
  const question = url.indexOf('?');
  const rawQueryString = question < 0 ? '' : url.slice(question + 1);
  const search = new URLSearchParams(rawQueryString);
  const query = Object.fromEntries([...new Set(search.keys())].map(name => [name, search.getAll(name).join(',')]));
  const rawPath = decodedPath(url);
  const { cookie, ...received } = request.headers;
  const sourceIp = request.socket.remoteAddress ?? '127.0.0.1';
  const forwarded = received['x-forwarded-for'];
  const headers = {
    ...Object.fromEntries(Object.entries(received).map(([name, value]) => [name, [value].flat().join(',')])),
    'x-forwarded-for': forwarded === undefined ? sourceIp : `${forwarded}, ${sourceIp}`,
    'x-forwarded-port': '443',
    'x-forwarded-proto': 'https',
  };
  const isText = textTypes.test(request.headers['content-type'] ?? '');
  const domainPrefix = model.apiId;
  const now = Date.now();
  return {
    version: '2.0',
    routeKey: route.key,
    rawPath,
    rawQueryString,
    ...(cookie === undefined ? {} : { cookies: cookie.split(/; */) }),
    headers,
    ...(rawQueryString === '' ? {} : { queryStringParameters: query }),
    requestContext: {
      accountId: place.account,
      apiId: model.apiId,
      ...(caller ? { authorizer: iamAuthorizer(caller, place) } : {}),
      domainName: `${domainPrefix}.execute-api.${place.region}.amazonaws.com`,
      domainPrefix,
      http: {
        method: request.method,
        path: rawPath,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp,
        userAgent: request.headers['user-agent'] ?? '',
      },
      requestId: randomUUID(),
      routeKey: route.key,
      stage: stage.name,
      time: requestTime(now),
      timeEpoch: now,
    },
    ...(Object.keys(pathParameters).length === 0 ? {} : { pathParameters }),
    ...(stage.variables ? { stageVariables: stage.variables } : {}),
    ...(body.length === 0 ? {} : { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  };
}

/**
 * The path of a URL as HTTP APIs see it: decoded before a route is sought, and cut off at a decoded question mark
 * (live captures at hotsock/voker#8; a decoded slash divides segments here, the stricter reading).
 */
export function decodedPath(url: string): string {
  const path = url.split('?', 1)[0] as string;
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return path;
  }
  return decoded.split('?', 1)[0] as string;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string | Buffer;
}

const structured = z.object({
  statusCode: z.coerce.number().int().min(100).max(599),
  headers: z.record(z.string(), z.coerce.string()).nullish(),
  cookies: z.array(z.string()).nullish(),
  body: z.string().nullish(),
  isBase64Encoded: z.boolean().nullish(),
});

/**
 * The response that a function's answer stands for; an answer without `statusCode` is the body of a 200.
 * @returns undefined where its shape is not valid, which API Gateway answers with 500.
 */
export function httpReply(payload: unknown): HttpReply | undefined {
  if (typeof payload !== 'object' || payload === null || !('statusCode' in payload)) {
    const body = typeof payload === 'string' ? payload : JSON.stringify(payload ?? null);
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
  }
  const parsed = structured.safeParse(payload);
  if (!parsed.success) return undefined;
  const { statusCode, headers, cookies, body, isBase64Encoded } = parsed.data;
  const lowerCase = Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  return {
    status: statusCode,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      ...lowerCase,
      ...(cookies?.length ? { 'set-cookie': cookies } : {}),
    },
    body: isBase64Encoded ? Buffer.from(body ?? '', 'base64') : (body ?? ''),
  };
}
