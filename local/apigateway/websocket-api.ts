import { once } from 'node:events';
import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import type { Place, Resource } from '../assembly/resource.ts';
import type { Authorization, FunctionInvoker, Log } from '../aws/service.ts';
import type { Authenticate } from '../iam/credentials.ts';
import { createAuthorizer } from './authorizer.ts';
import { type Connection, type Connections, sendText } from './connections.ts';
import { createFrameMeter, type FrameViolation } from './frame-lengths.ts';
import { createInvoke, type Invocation, type OnMetric } from './invocation.ts';
import { createManagementApi } from './management-api.ts';
import { type AccountQuotas, createAccountQuotas } from './quotas.ts';
import {
  type AuthorizerContext,
  type ConnectionFacts,
  connectEvent,
  disconnectEvent,
  handshakeHeaders,
  messageEvent,
  queryParameters,
  randomId,
} from './websocket-events.ts';
import { readWebSocketApi, selectRoute, type WebSocketRoute, type WebSocketStage } from './websocket-model.ts';

export interface WebSocketLimits {
  /** Payload of one frame, bytes. */
  readonly maxFrameBytes: number;
  /** A message in either direction, bytes. */
  readonly maxMessageBytes: number;
  /** Length of the URL of a handshake, characters. */
  readonly maxUrlLength: number;
  /** Without a message in either direction, milliseconds. */
  readonly idleTimeoutMs: number;
  readonly maxDurationMs: number;
  /** Upper bound of every integration's timeout, milliseconds. */
  readonly integrationTimeoutMs: number;
  /** Bytes that may wait for a slow client. API Gateway documents that there is a bound, not how much it is. */
  readonly maxBufferedBytes: number;
}

/** "Quotas for configuring and running a WebSocket API", except `maxBufferedBytes`. */
export const webSocketLimits: WebSocketLimits = {
  maxFrameBytes: 32 * 1024,
  maxMessageBytes: 128 * 1024,
  maxUrlLength: 4096,
  idleTimeoutMs: 10 * 60 * 1000,
  maxDurationMs: 2 * 60 * 60 * 1000,
  integrationTimeoutMs: 29_000,
  maxBufferedBytes: 1024 * 1024,
};

export interface WebSocketApiOptions {
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
  readonly limits?: Partial<WebSocketLimits>;
  readonly onMetric?: OnMetric;
}

export interface RunningApi {
  /** Without a stage. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** How long clients have to answer a close frame before their sockets are cut, milliseconds. */
const closeHandshakeMs = 5_000;
const shutdownGraceMs = 1_000;

/** Connections of the fan-out's clients are kept longer than Node's default of 5 s. */
const keepAliveMs = 60_000;

/** What a Lambda proxy integration has to answer. */
const proxyResponse = z.object({
  statusCode: z.coerce.number().int().min(100).max(599),
  headers: z.record(z.string(), z.coerce.string()).nullish(),
  body: z.string().nullish(),
});
type ProxyResponse = z.output<typeof proxyResponse>;

class HandshakeRefusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const closeFrames: Readonly<Record<FrameViolation, readonly [code: number, reason: string]>> = {
  'frame-too-large': [1009, 'Message too long'],
  'message-too-large': [1009, 'Message too long'],
  // "Binary media types for WebSocket APIs"
  binary: [1003, 'Binary frames are not supported'],
};

/**
 * Runs the WebSocket API of a template with its callback API on one port of 127.0.0.1. Frames of one connection are
 * handled concurrently, as by API Gateway, which documents no order between them.
 * @throws Error that names stack, logical id and property of what cannot run here.
 */
export async function startWebSocketApi(options: WebSocketApiOptions): Promise<RunningApi> {
  const { resources, place, log, quotas = createAccountQuotas(), onMetric = () => {} } = options;
  const limits = { ...webSocketLimits, ...options.limits };
  const model = readWebSocketApi(resources, log);
  const invoke = createInvoke(options);
  const connectRoute = model.routes.get('$connect');
  const authorize =
    connectRoute?.authorizer && createAuthorizer({ ...options, authorizer: connectRoute.authorizer, invoke });
  const connections: Connections = new Map();
  /** Handshakes, messages and disconnects under way; `close` waits for them. */
  const underWay = new Set<Promise<void>>();
  let closing = false;

  function track(work: Promise<void>): void {
    const tracked = work
      .catch(error => {
        log('error', 'apigateway', 'an event could not be handled', {
          error: error instanceof Error ? error.stack : String(error),
        });
      })
      .finally(() => underWay.delete(tracked));
    underWay.add(tracked);
  }

  async function integrate(route: WebSocketRoute, stage: string, event: unknown): Promise<Invocation> {
    const startedAt = performance.now();
    const outcome = await invoke({
      functionArn: route.functionArn,
      source: `${model.apiId}/${stage}/${route.key}`,
      event,
      timeoutMs: Math.min(route.timeoutMs, limits.integrationTimeoutMs),
    });
    onMetric('IntegrationLatency', performance.now() - startedAt);
    if (outcome.kind === 'refused') onMetric('ExecutionError', 1);
    else if (outcome.kind !== 'answered') onMetric('IntegrationError', 1);
    return outcome;
  }

  /** The answer in the form that the gateway demands, else undefined. */
  function proxyResponseOf(outcome: Invocation, route: WebSocketRoute): ProxyResponse | undefined {
    if (outcome.kind !== 'answered') return undefined;
    const parsed = proxyResponse.safeParse(outcome.payload);
    if (!parsed.success) {
      onMetric('ExecutionError', 1);
      log('warn', 'apigateway', 'a function did not answer in the form of a Lambda proxy response', {
        functionArn: route.functionArn,
        route: route.key,
        problem: z.prettifyError(parsed.error),
      });
      return undefined;
    }
    if (parsed.data.statusCode >= 400) onMetric('IntegrationError', 1);
    return parsed.data;
  }

  // --- handshake ---

  /** The stage of a path; any other path is taken as the API mapping of a custom domain name to the first stage. */
  function stageOf(url: URL): { stage: WebSocketStage; mapped: boolean } {
    const stage = model.stages.get(decodeURIComponent(url.pathname.split('/')[1] ?? ''));
    const [first] = model.stages.values();
    return stage ? { stage, mapped: false } : { stage: first as WebSocketStage, mapped: true };
  }

  interface Admission {
    readonly authorizer: AuthorizerContext | undefined;
    readonly subprotocol: string | undefined;
  }

  async function admit(
    request: IncomingMessage,
    url: URL,
    facts: ConnectionFacts,
    stage: WebSocketStage,
    requestId: string,
  ): Promise<Admission> {
    if (closing) throw new HandshakeRefusal(503, 'Service Unavailable');
    if ((request.url as string).length > limits.maxUrlLength) throw new HandshakeRefusal(414, 'Request-URI Too Long');
    if (!quotas.newConnections.take() || !quotas.requests.take() || !stage.throttle('$connect')) {
      throw new HandshakeRefusal(429, 'Too Many Requests');
    }
    onMetric('ConnectCount', 1);
    const headers = handshakeHeaders(request, facts.sourceIp);
    const query = queryParameters(url);
    let authorizer: AuthorizerContext | undefined;
    if (authorize) {
      const verdict = await authorize({ facts, headers, query, requestId });
      if (!verdict.allowed) throw new HandshakeRefusal(verdict.status, verdict.message);
      authorizer = verdict.context;
    }
    if (!connectRoute) return { authorizer, subprotocol: undefined };
    const event = connectEvent(facts, headers, query, requestId, authorizer);
    const outcome = await integrate(connectRoute, facts.stage, event);
    if (outcome.kind === 'refused') throw new HandshakeRefusal(500, 'Internal server error');
    if (outcome.kind === 'timed-out') throw new HandshakeRefusal(504, 'Endpoint request timed out');
    const response = proxyResponseOf(outcome, connectRoute);
    if (!response) throw new HandshakeRefusal(502, 'Internal server error');
    if (response.statusCode < 200 || response.statusCode > 299) {
      throw new HandshakeRefusal(response.statusCode, STATUS_CODES[response.statusCode] ?? 'Refused');
    }
    const protocolHeader = Object.entries(response.headers ?? {}).find(([name]) =>
      /^sec-websocket-protocol$/i.test(name),
    );
    return { authorizer, subprotocol: protocolHeader?.[1] };
  }

  function refuse(
    socket: Duplex,
    { status, message }: HandshakeRefusal,
    connectionId: string,
    requestId: string,
  ): void {
    onMetric(status < 500 ? 'ClientError' : 'ExecutionError', 1);
    if (!socket.writable) return;
    const body = JSON.stringify({ message, connectionId, requestId });
    socket.once('finish', () => socket.destroy());
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n` +
        'Connection: close\r\nContent-Type: application/json\r\n' +
        `Content-Length: ${Buffer.byteLength(body)}\r\nx-amzn-RequestId: ${requestId}\r\n\r\n${body}`,
    );
  }

  const subprotocols = new WeakMap<IncomingMessage, string>();
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    clientTracking: false,
    // A guard of memory only: the frame meter closes before.
    maxPayload: 2 * limits.maxMessageBytes,
    // Known to ws 8.19 and later, not to its type definitions.
    ...{ closeTimeout: closeHandshakeMs },
    handleProtocols: (_offered, request) => subprotocols.get(request) ?? false,
  });
  webSockets.on('headers', (headers, request) => {
    const subprotocol = subprotocols.get(request);
    // The gateway passes the integration's header on whether or not the client offered any.
    if (subprotocol !== undefined && request.headers['sec-websocket-protocol'] === undefined) {
      headers.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
    }
  });

  async function handshake(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const requestId = randomId();
    const connectionId = randomId();
    // Its end is handled where it is written to; without a listener an error would end the process.
    const onSocketError = () => socket.destroy();
    socket.on('error', onSocketError);
    let admitted: { facts: ConnectionFacts; admission: Admission } | undefined;
    try {
      if (!isWebSocketRequest(request)) throw new HandshakeRefusal(400, 'Bad Request');
      const url = parsedUrl(request);
      const { stage, mapped } = stageOf(url);
      const host = request.headers.host?.replace(/:\d+$/, '') ?? '';
      const userAgent = request.headers['user-agent'];
      const facts: ConnectionFacts = {
        connectionId,
        apiId: model.apiId,
        stage: stage.name,
        ...(stage.variables ? { stageVariables: stage.variables } : {}),
        domainName: mapped ? host : `${model.apiId}.execute-api.${place.region}.amazonaws.com`,
        sourceIp: request.socket.remoteAddress ?? '127.0.0.1',
        ...(userAgent === undefined ? {} : { userAgent }),
        connectedAt: Date.now(),
      };
      admitted = { facts, admission: await admit(request, url, facts, stage, requestId) };
      if (closing) throw new HandshakeRefusal(503, 'Service Unavailable');
    } catch (error) {
      const refusal = error instanceof HandshakeRefusal ? error : new HandshakeRefusal(500, 'Internal server error');
      if (error !== refusal) log('error', 'apigateway', 'a handshake failed', { error: String(error) });
      refuse(socket, refusal, connectionId, requestId);
      if (admitted) track(disconnected(admitted.facts, admitted.admission.authorizer, 1001, 'Going away'));
      return;
    }
    const { facts, admission } = admitted;
    if (admission.subprotocol !== undefined) subprotocols.set(request, admission.subprotocol);
    let established = false;
    webSockets.handleUpgrade(request, socket, head, webSocket => {
      established = true;
      socket.off('error', onSocketError);
      establish(webSocket, socket, facts, admission.authorizer);
    });
    // The client left while $connect ran.
    if (!established) track(disconnected(facts, admission.authorizer, 1006, ''));
  }

  // --- connection ---

  function establish(
    socket: WebSocket,
    stream: Duplex,
    facts: ConnectionFacts,
    authorizer: AuthorizerContext | undefined,
  ): void {
    let timer: NodeJS.Timeout | undefined;
    let ended = false;

    function gone(code: number, reason: string): void {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      connections.delete(facts.connectionId);
      track(disconnected(facts, authorizer, code, reason));
    }

    const connection: Connection = {
      facts,
      socket,
      authorizer,
      lastActiveAt: facts.connectedAt,
      end(code, reason) {
        gone(code, reason);
        socket.close(code, reason);
      },
    };

    function watchLifetime(): void {
      const due = Math.min(facts.connectedAt + limits.maxDurationMs, connection.lastActiveAt + limits.idleTimeoutMs);
      const left = due - Date.now();
      if (left > 0) timer = setTimeout(watchLifetime, left);
      else connection.end(1001, 'Going away');
    }

    const meter = createFrameMeter(limits, violation => {
      onMetric('ClientError', 1);
      // The messages before it in the same chunk are handed out after this listener.
      process.nextTick(() => connection.end(...closeFrames[violation]));
    });
    // Before the WebSocket library's own listener: it must not hand out a message that is refused here.
    stream.prependListener('data', meter.read);
    let messages = 0;
    socket.on('message', data => {
      messages += 1;
      if (ended || messages > meter.acceptedMessages) return;
      connection.lastActiveAt = Date.now();
      onMetric('MessageCount', 1);
      track(message(connection, data.toString()));
    });
    socket.on('close', (code, reason) => gone(code, reason.toString()));
    socket.on('error', error => {
      log('debug', 'apigateway', 'a connection broke', { connectionId: facts.connectionId, error: error.message });
    });
    connections.set(facts.connectionId, connection);
    watchLifetime();
  }

  function reply(connection: Connection, text: string): void {
    if (connection.socket.readyState !== connection.socket.OPEN) return;
    if (connection.socket.bufferedAmount > limits.maxBufferedBytes) {
      onMetric('ExecutionError', 1);
      log('warn', 'apigateway', 'a client does not read its replies, one was dropped', {
        connectionId: connection.facts.connectionId,
      });
      return;
    }
    onMetric('MessageCount', 1);
    sendText(connection, text);
  }

  function replyError(connection: Connection, message: string, requestId: string): void {
    reply(connection, JSON.stringify({ message, connectionId: connection.facts.connectionId, requestId }));
  }

  async function message(connection: Connection, text: string): Promise<void> {
    const { facts, authorizer } = connection;
    const requestId = randomId();
    const route = selectRoute(model, text);
    if (!quotas.requests.take() || !model.stages.get(facts.stage)?.throttle(route?.key ?? '$default')) {
      onMetric('ClientError', 1);
      replyError(connection, 'Too Many Requests', requestId);
      return;
    }
    if (!route) {
      onMetric('ClientError', 1);
      replyError(connection, 'Forbidden', requestId);
      return;
    }
    const outcome = await integrate(route, facts.stage, messageEvent(facts, route.key, text, requestId, authorizer));
    const response = proxyResponseOf(outcome, route);
    if (!response) {
      replyError(connection, 'Internal server error', requestId);
      return;
    }
    if (!route.returnsResponse || !response.body) return;
    if (Buffer.byteLength(response.body) > limits.maxMessageBytes) {
      onMetric('ExecutionError', 1);
      log('warn', 'apigateway', 'a reply is longer than a message may be', {
        route: route.key,
        connectionId: facts.connectionId,
      });
      replyError(connection, 'Internal server error', requestId);
      return;
    }
    reply(connection, response.body);
  }

  async function disconnected(
    facts: ConnectionFacts,
    authorizer: AuthorizerContext | undefined,
    code: number,
    reason: string,
  ): Promise<void> {
    const route = model.routes.get('$disconnect');
    if (route) await integrate(route, facts.stage, disconnectEvent(facts, code, reason, randomId(), authorizer));
  }

  // --- server ---

  const managementApi = createManagementApi({ ...options, ...limits, model, connections, quotas, onMetric });
  const server = createServer({ keepAliveTimeout: keepAliveMs }, managementApi);
  const upgraded = new Set<Duplex>();
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    track(handshake(request, socket, head));
  });
  server.listen(options.port, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  let closed: Promise<void> | undefined;

  async function shutDown(): Promise<void> {
    closing = true;
    for (const connection of [...connections.values()]) connection.end(1001, 'Going away');
    // Functions that still run may post: the port stays open until they are done.
    while (underWay.size > 0) await Promise.all(underWay);
    const stopped = new Promise<void>((resolve, reject) => server.close(error => (error ? reject(error) : resolve())));
    server.closeIdleConnections();
    const cut = setTimeout(() => {
      for (const socket of upgraded) socket.destroy();
      server.closeAllConnections();
    }, shutdownGraceMs);
    await stopped;
    clearTimeout(cut);
  }

  return { url: `ws://127.0.0.1:${port}`, port, close: () => (closed ??= shutDown()) };
}

/** The demands of RFC 6455, section 4.2.1, checked before any function is called. */
function isWebSocketRequest({ method, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '') &&
    headers['sec-websocket-version'] === '13'
  );
}

function parsedUrl({ url = '/' }: IncomingMessage): URL {
  try {
    const parsed = new URL(url, 'ws://gateway');
    decodeURIComponent(parsed.pathname);
    return parsed;
  } catch {
    throw new HandshakeRefusal(400, 'Bad Request');
  }
}
