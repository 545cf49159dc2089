import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Place } from '../assembly/resource.ts';
import { type Authorization, AwsError, type Log } from '../aws/service.ts';
import { ConnectionCut, interrupt } from '../faults/interrupt.ts';
import { keptConnections } from '../faults/kept-connections.ts';
import type { FaultSource } from '../faults/points.ts';
import type { Authenticate, Authenticated, SignedRequest } from '../iam/credentials.ts';
import { type Connections, sendText } from './connections.ts';
import type { OnMetric } from './invocation.ts';
import type { AccountQuotas } from './quotas.ts';
import { connectionIdPattern } from './websocket-events.ts';
import type { WebSocketModel } from './websocket-model.ts';

export interface ManagementApiOptions {
  readonly model: WebSocketModel;
  readonly connections: Connections;
  readonly place: Place;
  readonly authenticate: Authenticate;
  readonly authorization: Authorization;
  readonly quotas: AccountQuotas;
  readonly log: Log;
  readonly onMetric: OnMetric;
  readonly maxMessageBytes: number;
  /** Bytes that may wait for a client before posts to it are refused. */
  readonly maxBufferedBytes: number;
  readonly faults: FaultSource;
}

interface Reply {
  readonly status: number;
  readonly body?: string;
}

const pathPattern = /^\/([^/?]+)\/(?:@|%40)connections\/([^/?]+)$/;

function read(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
    });
    request.on('end', () => {
      if (length > maxBytes) resolve(undefined);
      else resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length));
    });
    request.on('error', reject);
  });
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/**
 * The callback API of a WebSocket API ("Use @connections commands in your backend service"). It carries the fan-out:
 * nothing here waits for a client.
 */
export function createManagementApi(
  options: ManagementApiOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { model, connections, place, quotas, maxMessageBytes, maxBufferedBytes, log, onMetric, faults } = options;
  const kept = keptConnections(faults);
  const apiArn = `arn:${place.partition}:execute-api:${place.region}:${place.account}:${model.apiId}`;

  /** API Gateway answers 403 to every request without a valid signature. */
  async function authenticated(request: SignedRequest): Promise<Authenticated> {
    try {
      return await options.authenticate(request);
    } catch (error) {
      throw error instanceof AwsError ? new AwsError(error.code, error.message, 403) : error;
    }
  }

  async function replyTo(request: IncomingMessage): Promise<Reply> {
    const { method = 'GET', url = '/', headers } = request;
    const body = await read(request, maxMessageBytes);
    const [, rawStage = '', rawId = ''] = pathPattern.exec(url.split('?', 1)[0] as string) ?? [];
    if (rawId === '') throw new AwsError('MissingAuthenticationTokenException', 'Missing Authentication Token', 403);
    if (body === undefined) throw new AwsError('PayloadTooLargeException', 'Message too long', 413);
    if (!quotas.requests.take()) throw new AwsError('LimitExceededException', 'Too Many Requests', 429);
    const stage = decoded(rawStage);
    // Only the execute-api endpoint has stages: a custom domain's mapping has no @connections.
    if (stage === undefined || !model.stages.has(stage)) throw new AwsError('ForbiddenException', 'Forbidden', 403);
    const { principal, service } = await authenticated({ method, url, headers, body });
    if (service !== 'execute-api') {
      const message = "Credential should be scoped to correct service: 'execute-api'.";
      throw new AwsError('InvalidSignatureException', message, 403);
    }
    await kept.used(request.socket, { service, principal });
    const id = decoded(rawId);
    const resource = `${apiArn}/${stage}/${method}/@connections/${id ?? rawId}`;
    await options.authorization.authorize({ principal, action: 'execute-api:ManageConnections', resource });
    if (id === undefined || !connectionIdPattern.test(id)) {
      throw new AwsError('BadRequestException', `Invalid connectionId: ${id ?? rawId}`, 400);
    }
    const fault = faults.draw('callback', () => ({
      method,
      connectionId: id,
      connectedAt: connections.get(id)?.facts.connectedAt,
    }));
    if (fault) await interrupt(fault);
    const connection = connections.get(id);
    if (connection?.facts.stage !== stage) throw new AwsError('GoneException', 'Gone', 410);
    if (fault?.lost) return { status: method === 'DELETE' ? 204 : 200 };
    switch (method) {
      case 'POST':
        if (connection.socket.bufferedAmount > maxBufferedBytes) {
          throw new AwsError('LimitExceededException', "The client's buffer is full", 429);
        }
        sendText(connection, body);
        onMetric('MessageCount', 1);
        return { status: 200 };
      case 'GET': {
        const { connectedAt, sourceIp, userAgent } = connection.facts;
        return {
          status: 200,
          body: JSON.stringify({
            connectedAt: new Date(connectedAt).toISOString(),
            identity: { sourceIp, userAgent },
            lastActiveAt: new Date(connection.lastActiveAt).toISOString(),
          }),
        };
      }
      case 'DELETE':
        connection.end(1000, 'Connection Closed Normally');
        return { status: 204 };
      default:
        throw new AwsError('MissingAuthenticationTokenException', 'Missing Authentication Token', 403);
    }
  }

  function send(response: ServerResponse, { status, body = '' }: Reply, errorType?: string): void {
    const headers: Record<string, string | number> = { 'x-amzn-requestid': randomUUID() };
    if (status !== 204) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = Buffer.byteLength(body);
    }
    if (errorType !== undefined) headers['x-amzn-errortype'] = errorType;
    response.writeHead(status, headers);
    response.end(body);
  }

  return (request, response) => {
    replyTo(request).then(
      reply => send(response, reply),
      error => {
        if (!request.complete) return;
        if (error instanceof ConnectionCut) {
          request.socket.destroy();
          return;
        }
        if (!(error instanceof AwsError)) {
          log('error', 'apigateway', '@connections failed', {
            error: error instanceof Error ? error.stack : String(error),
          });
          send(response, { status: 500, body: '{"message":"Internal server error"}' }, 'InternalServerErrorException');
          return;
        }
        const denied = error.code === 'AccessDeniedException';
        if (denied) log('warn', 'apigateway', error.message);
        const status = denied ? 403 : error.status;
        send(response, { status, body: JSON.stringify({ message: error.message }) }, error.code);
      },
    );
  };
}
