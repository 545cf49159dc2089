import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Place, Resource } from '../assembly/resource.ts';
import { type Authorization, AwsError, type FunctionInvoker, type Log } from '../aws/service.ts';
import type { Authenticate } from '../iam/credentials.ts';
import { listen } from '../listen.ts';
import { isPreflight, preflightHeaders, responseHeaders } from './cors.ts';
import { decodedPath, type HttpReply, httpEvent, httpReply, type IamCaller } from './http-events.ts';
import { matchRoute, readHttpApi } from './http-routes.ts';
import { createInvoke, type OnMetric } from './invocation.ts';
import { type AccountQuotas, createAccountQuotas } from './quotas.ts';
import type { Stage } from './stages.ts';
import type { RunningApi } from './websocket-api.ts';

export interface HttpLimits {
  readonly maxPayloadBytes: number;
  /** Upper bound of every integration's timeout, milliseconds. */
  readonly integrationTimeoutMs: number;
}

/** "Quotas for configuring and running an HTTP API". */
export const httpLimits: HttpLimits = { maxPayloadBytes: 10 * 1024 * 1024, integrationTimeoutMs: 30_000 };

export interface HttpApiOptions {
  readonly resources: readonly Resource[];
  readonly place: Place;
  /** 0 takes a free port. */
  readonly port: number;
  readonly invoker: FunctionInvoker;
  readonly authorization: Authorization;
  readonly authenticate: Authenticate;
  readonly log: Log;
  /** Share one among all APIs of the account. */
  readonly quotas?: AccountQuotas;
  readonly limits?: Partial<HttpLimits>;
  readonly onMetric?: OnMetric;
}

function refusal(status: number, message: string): HttpReply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ message }) };
}

async function bodyOf(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length <= maxBytes) chunks.push(chunk as Buffer);
  }
  return length > maxBytes ? undefined : Buffer.concat(chunks, length);
}

/**
 * Runs the HTTP API of a template on a port of 127.0.0.1.
 * @throws TemplateError that names stack, logical id and property of what cannot run here.
 */
export async function startHttpApi(options: HttpApiOptions): Promise<RunningApi> {
  const {
    resources,
    place,
    authenticate,
    authorization,
    log,
    quotas = createAccountQuotas(),
    onMetric = () => {},
  } = options;
  const limits = { ...httpLimits, ...options.limits };
  const model = readHttpApi(resources, log);
  const invoke = createInvoke(options);

  /** The stage and the path below it; a named stage is the first segment of the path. */
  function locate(path: string): { stage: Stage; path: string } | undefined {
    const [, first = '', rest = ''] = /^\/([^/]*)(.*)$/.exec(path) ?? [];
    const named = first === '$default' ? undefined : model.stages.get(first);
    if (named) return { stage: named, path: rest === '' ? '/' : rest };
    const stage = model.stages.get('$default');
    return stage && { stage, path };
  }

  /** @throws AwsError where the caller may not invoke the route. */
  async function authorizeCaller(
    request: IncomingMessage,
    body: Buffer,
    stage: Stage,
    path: string,
  ): Promise<IamCaller> {
    const { method = 'GET', url = '/', headers } = request;
    const { principal, service } = await authenticate({ method, url, headers, body });
    if (service !== 'execute-api') {
      throw new AwsError('InvalidSignatureException', `the signature is for '${service}', not for 'execute-api'`, 403);
    }
    await authorization.authorize({
      principal,
      action: 'execute-api:Invoke',
      resource: `arn:${place.partition}:execute-api:${place.region}:${place.account}:${model.apiId}/${stage.name}/${method}${path}`,
    });
    return { principal, accessKeyId: /Credential=([^/]+)/.exec(headers.authorization ?? '')?.[1] ?? '' };
  }

  async function replyTo(request: IncomingMessage): Promise<HttpReply> {
    const { method = 'GET', url = '/', headers } = request;
    const body = await bodyOf(request, limits.maxPayloadBytes);
    if (body === undefined) return refusal(413, 'Request Entity Too Large');
    if (!quotas.requests.take()) return refusal(429, 'Too Many Requests');
    if (model.cors && isPreflight(model.cors, method, headers)) {
      return { status: 204, headers: preflightHeaders(model.cors, headers.origin ?? ''), body: '' };
    }
    const located = locate(decodedPath(url));
    const match = located && matchRoute(model.routes, method, located.path);
    if (!match) return refusal(404, 'Not Found');
    const { stage, path } = located;
    const { route } = match;
    if (!stage.throttle(route.key)) return refusal(429, 'Too Many Requests');
    let caller: IamCaller | undefined;
    if (route.iam) {
      try {
        caller = await authorizeCaller(request, body, stage, path);
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        log('warn', 'apigateway', error.message, { route: route.key });
        return refusal(403, 'Forbidden');
      }
    }
    const startedAt = performance.now();
    const outcome = await invoke({
      functionArn: route.functionArn,
      source: `${model.apiId}/${stage.name}/${route.key === '$default' ? '$default' : `${method}${route.path}`}`,
      event: httpEvent(request, body, model, stage, match, place, caller),
      timeoutMs: Math.min(route.timeoutMs, limits.integrationTimeoutMs),
    });
    onMetric('IntegrationLatency', performance.now() - startedAt);
    if (outcome.kind === 'timed-out') return refusal(503, 'Service Unavailable');
    if (outcome.kind !== 'answered') return refusal(500, 'Internal Server Error');
    const reply = httpReply(outcome.payload);
    if (!reply)
      log('warn', 'apigateway', 'a function did not answer in the form of payload format 2.0', { route: route.key });
    return reply ?? refusal(500, 'Internal Server Error');
  }

  /** With CORS configured, the gateway's headers take the place of the function's ("Configure CORS for HTTP APIs"). */
  function headersOf(request: IncomingMessage, { headers }: HttpReply): HttpReply['headers'] {
    const { cors } = model;
    if (!cors || isPreflight(cors, request.method ?? '', request.headers)) return headers;
    const own = Object.entries(headers).filter(([name]) => !name.startsWith('access-control-'));
    return { ...Object.fromEntries(own), ...responseHeaders(cors, request.headers.origin) };
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    let reply: HttpReply;
    try {
      reply = await replyTo(request);
    } catch (error) {
      if (!request.complete) return;
      log('error', 'apigateway', 'a request failed', { error: error instanceof Error ? error.stack : String(error) });
      reply = refusal(500, 'Internal Server Error');
    }
    onMetric('Count', 1);
    // Zeros too, so that the average is the share of errors ("HTTP API metrics").
    onMetric('4xx', reply.status >= 400 && reply.status < 500 ? 1 : 0);
    onMetric('5xx', reply.status >= 500 ? 1 : 0);
    onMetric('Latency', performance.now() - startedAt);
    const { status, body } = reply;
    response.writeHead(status, {
      ...(headersOf(request, reply) as Record<string, string | string[]>),
      ...(status === 204 || status === 304 ? {} : { 'content-length': Buffer.byteLength(body) }),
      ...(closing ? { connection: 'close' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  let closing = false;
  const server = createServer((request, response) => {
    respond(request, response).catch(error => {
      log('error', 'apigateway', 'a response could not be sent', { error: String(error) });
      response.destroy();
    });
  });
  const { port, close: closeServer } = await listen(server, options.port);

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close() {
      closing = true;
      return closeServer();
    },
  };
}
