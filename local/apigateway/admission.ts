import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Place } from '../assembly/resource.ts';
import type { Handshake, Verdict } from './authorizer.ts';
import { HandshakeRefusal } from './handshake-refusal.ts';
import type { Integrate, ProxyResponse } from './integration.ts';
import type { OnMetric } from './invocation.ts';
import type { AccountQuotas } from './quotas.ts';
import type { Stage } from './stages.ts';
import {
  type AuthorizerContext,
  type ConnectionFacts,
  connectEvent,
  handshakeHeaders,
  queryParameters,
} from './websocket-events.ts';
import type { WebSocketModel } from './websocket-model.ts';

/** A client that may connect: quotas, authorizer and `$connect` let it. */
export interface Admission {
  readonly facts: ConnectionFacts;
  readonly authorizer: AuthorizerContext | undefined;
  /** As `$connect` chose it. */
  readonly subprotocol: string | undefined;
}

export interface AdmissionOptions {
  readonly model: WebSocketModel;
  readonly place: Place;
  /** Undefined where `$connect` has no authorizer. */
  readonly authorize: ((handshake: Handshake) => Promise<Verdict>) | undefined;
  readonly integrate: Integrate;
  readonly quotas: AccountQuotas;
  readonly onMetric: OnMetric;
  /** Characters. */
  readonly maxUrlLength: number;
}

/** Decides on a handshake. @throws HandshakeRefusal */
export type Admit = (request: IncomingMessage, connectionId: string, requestId: string) => Promise<Admission>;

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

const integrationFailures = {
  refused: [500, 'Internal server error'],
  'timed-out': [504, 'Endpoint request timed out'],
  failed: [502, 'Internal server error'],
} as const;

function subprotocolOf({ headers }: ProxyResponse): string | undefined {
  return Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === 'sec-websocket-protocol')?.[1];
}

export function createAdmit(options: AdmissionOptions): Admit {
  const { model, place, authorize, integrate, quotas, onMetric, maxUrlLength } = options;
  const connectRoute = model.routes.get('$connect');

  /** The stage of a path; any other path is taken as the API mapping of a custom domain name to the first stage. */
  function stageOf(url: URL): { stage: Stage; mapped: boolean } {
    const stage = model.stages.get(decodeURIComponent(url.pathname.split('/')[1] ?? ''));
    const [first] = model.stages.values();
    return stage ? { stage, mapped: false } : { stage: first as Stage, mapped: true };
  }

  function factsOf(request: IncomingMessage, connectionId: string, stage: Stage, mapped: boolean): ConnectionFacts {
    const host = request.headers.host?.replace(/:\d+$/, '') ?? '';
    const userAgent = request.headers['user-agent'];
    return {
      connectionId,
      apiId: model.apiId,
      stage: stage.name,
      ...(stage.variables ? { stageVariables: stage.variables } : {}),
      domainName: mapped ? host : `${model.apiId}.execute-api.${place.region}.amazonaws.com`,
      sourceIp: request.socket.remoteAddress ?? '127.0.0.1',
      ...(userAgent === undefined ? {} : { userAgent }),
      connectedAt: Date.now(),
    };
  }

  /** Invokes `$connect`, which has the last word. Returns the subprotocol that it chose. */
  async function connect(stage: string, event: unknown): Promise<string | undefined> {
    if (!connectRoute) return undefined;
    const result = await integrate(connectRoute, stage, event);
    if (result.kind !== 'answered') {
      const [status, message] = integrationFailures[result.kind];
      throw new HandshakeRefusal(status, message);
    }
    const { response } = result;
    if (response.statusCode < 200 || response.statusCode > 299) {
      throw new HandshakeRefusal(response.statusCode, STATUS_CODES[response.statusCode] ?? 'Refused');
    }
    return subprotocolOf(response);
  }

  return async (request, connectionId, requestId) => {
    if (!isWebSocketRequest(request)) throw new HandshakeRefusal(400, 'Bad Request');
    const url = parsedUrl(request);
    const { stage, mapped } = stageOf(url);
    if ((request.url as string).length > maxUrlLength) throw new HandshakeRefusal(414, 'Request-URI Too Long');
    if (!quotas.newConnections.take() || !quotas.requests.take() || !stage.throttle('$connect')) {
      throw new HandshakeRefusal(429, 'Too Many Requests');
    }
    onMetric('ConnectCount', 1);
    const facts = factsOf(request, connectionId, stage, mapped);
    const headers = handshakeHeaders(request, facts.sourceIp);
    const query = queryParameters(url);
    const verdict = await authorize?.({ facts, headers, query, requestId });
    if (verdict?.allowed === false) throw new HandshakeRefusal(verdict.status, verdict.message);
    const authorizer = verdict?.context;
    const event = connectEvent(facts, headers, query, requestId, authorizer);
    return { facts, authorizer, subprotocol: await connect(stage.name, event) };
  };
}
