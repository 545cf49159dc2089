import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Place, Resource } from '../assembly/resource.ts';
import type { Authorization, FunctionInvoker, Log } from '../aws/service.ts';
import { type FaultSource, noFaults } from '../faults/points.ts';
import { impairSockets } from '../faults/sockets.ts';
import type { Authenticate } from '../iam/credentials.ts';
import { listen } from '../listen.ts';
import { type Admission, createAdmit } from './admission.ts';
import { createAuthorizer } from './authorizer.ts';
import type { Connections } from './connections.ts';
import { HandshakeRefusal, sendRefusal } from './handshake-refusal.ts';
import { createIntegrate } from './integration.ts';
import { createInvoke, type OnMetric } from './invocation.ts';
import { createManagementApi } from './management-api.ts';
import { createMessageDispatch } from './message-dispatch.ts';
import { openConnection } from './open-connection.ts';
import { type AccountQuotas, createAccountQuotas } from './quotas.ts';
import { createUpgrade } from './upgrade.ts';
import { disconnectEvent, randomId } from './websocket-events.ts';
import { type WebSocketLimits, webSocketLimits } from './websocket-limits.ts';
import { readWebSocketApi } from './websocket-model.ts';

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
  readonly faults?: FaultSource;
}

export interface RunningApi {
  /** Without a stage. */
  readonly url: string;
  readonly port: number;
  /** Closes every connection, waits for the functions that the gateway called, then stops listening. */
  close(): Promise<void>;
}

/** Connections of the fan-out's clients are kept longer than Node's default of 5 s. */
const keepAliveMs = 60_000;

/**
 * Runs the WebSocket API of a template with its callback API on one port of 127.0.0.1. Frames of one connection are
 * handled concurrently, as by API Gateway, which documents no order between them.
 * @throws TemplateError that names stack, logical id and property of what cannot run here.
 */
export async function startWebSocketApi(options: WebSocketApiOptions): Promise<RunningApi> {
  const { log, quotas = createAccountQuotas(), onMetric = () => {}, faults = noFaults } = options;
  const limits = { ...webSocketLimits, ...options.limits };
  const model = readWebSocketApi(options.resources, log);
  const invoke = createInvoke(options);
  const shared = { ...options, model, quotas, onMetric, limits, faults };
  const integrate = createIntegrate({ ...shared, invoke, maxTimeoutMs: limits.integrationTimeoutMs });
  const authorizer = model.routes.get('$connect')?.authorizer;
  const authorize = authorizer && createAuthorizer({ ...options, authorizer, invoke });
  const admit = createAdmit({ ...shared, authorize, integrate, maxUrlLength: limits.maxUrlLength });
  const upgrade = createUpgrade(2 * limits.maxMessageBytes);
  const dispatch = createMessageDispatch({ ...shared, integrate });
  const connections: Connections = new Map();
  const socketFaults = impairSockets(faults, connections);

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

  async function disconnected({ facts, authorizer }: Admission, code: number, reason: string): Promise<void> {
    const route = model.routes.get('$disconnect');
    if (faults.draw('disconnect', () => ({ connectionId: facts.connectionId }))?.lost) return;
    if (route) await integrate(route, facts.stage, disconnectEvent(facts, code, reason, randomId(), authorizer));
  }

  function refuseWhileClosing(): void {
    if (closing) throw new HandshakeRefusal(503, 'Service Unavailable');
  }

  async function handshake(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const ids = { connectionId: randomId(), requestId: randomId() };
    // Its end is handled where it is written to; without a listener an error would end the process.
    const onSocketError = () => socket.destroy();
    socket.on('error', onSocketError);
    let admission: Admission | undefined;
    try {
      refuseWhileClosing();
      admission = await admit(request, ids.connectionId, ids.requestId);
      refuseWhileClosing();
    } catch (error) {
      const refusal = error instanceof HandshakeRefusal ? error : new HandshakeRefusal(500, 'Internal server error');
      if (error !== refusal) log('error', 'apigateway', 'a handshake failed', { error: String(error) });
      onMetric(refusal.status < 500 ? 'ClientError' : 'ExecutionError', 1);
      sendRefusal(socket, refusal, ids);
      if (admission) track(disconnected(admission, 1001, 'Going away'));
      return;
    }
    const webSocket = upgrade(request, socket, head, admission.subprotocol);
    if (webSocket) {
      socket.off('error', onSocketError);
      establish(admission, webSocket, socket);
    } else {
      // The client left while $connect ran.
      track(disconnected(admission, 1006, ''));
    }
  }

  function establish(admission: Admission, webSocket: WebSocket, stream: Duplex): void {
    const { connectionId } = admission.facts;
    const connection = openConnection(admission, webSocket, stream, {
      ...shared,
      onMessage: (from, text) => track(dispatch(from, text)),
      onEnd: (code, reason) => {
        connections.delete(connectionId);
        track(disconnected(admission, code, reason));
      },
    });
    connections.set(connectionId, connection);
    socketFaults.opened(connectionId, connection);
  }

  const server = createServer(
    { keepAliveTimeout: keepAliveMs },
    createManagementApi({ ...shared, ...limits, connections }),
  );
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    track(handshake(request, socket, head));
  });
  const { port, close: closeServer } = await listen(server, options.port);

  let closed: Promise<void> | undefined;

  async function shutDown(): Promise<void> {
    closing = true;
    socketFaults.close();
    for (const connection of [...connections.values()]) connection.end(1001, 'Going away');
    // Functions that still run may post: the port stays open until they are done.
    while (underWay.size > 0) await Promise.all(underWay);
    await closeServer();
  }

  return { url: `ws://127.0.0.1:${port}`, port, close: () => (closed ??= shutDown()) };
}
