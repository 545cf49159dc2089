import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { ConnectionCut, interrupt } from '../faults/interrupt.ts';
import { keptConnections } from '../faults/kept-connections.ts';
import { type FaultSource, noFaults } from '../faults/points.ts';
import { requestSubject } from '../faults/request-subject.ts';
import type { Authenticate } from '../iam/credentials.ts';
import { listen } from '../listen.ts';
import { AwsError, type AwsReply, type AwsService, type Log } from './service.ts';

export interface AwsEndpointOptions {
  /** 0 takes a free port. */
  readonly port: number;
  /** Services by the signing name of the credential scope, e.g. `dynamodb`. */
  readonly services: Readonly<Record<string, AwsService>>;
  readonly authenticate: Authenticate;
  readonly log: Log;
  /** Bytes; the largest request of the services here is DynamoDB's batch of 16 MB ("Quotas in Amazon DynamoDB"). */
  readonly maxRequestBytes?: number;
  readonly faults?: FaultSource;
}

export interface AwsEndpoint {
  readonly url: string;
  readonly port: number;
  /** Refuses new requests, waits for those under way and closes every connection. */
  close(): Promise<void>;
}

/** The SDKs keep connections for longer than Node's default of 5 s, and would find them closed under a request. */
const keepAliveMs = 60_000;

async function bodyOf(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length <= maxBytes) chunks.push(chunk as Buffer);
  }
  if (length > maxBytes) {
    throw new AwsError('RequestEntityTooLargeException', `The request is larger than ${maxBytes} bytes.`, 413);
  }
  return Buffer.concat(chunks, length);
}

function errorReply(error: AwsError): AwsReply {
  return {
    status: error.status,
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amzn-errortype': error.code,
      'x-amzn-query-error': `${error.code};${error.status < 500 ? 'Sender' : 'Receiver'}`,
    },
    body: JSON.stringify({ __type: error.code, message: error.message }),
  };
}

/** The front door of the AWS APIs: every request is authenticated, then handed to the service that it was signed for. */
export async function startAwsEndpoint(options: AwsEndpointOptions): Promise<AwsEndpoint> {
  const { services, authenticate, log, maxRequestBytes = 16 * 1024 * 1024, faults = noFaults } = options;
  const kept = keptConnections(faults);
  let closing = false;

  async function replyTo(request: IncomingMessage): Promise<AwsReply> {
    const body = await bodyOf(request, maxRequestBytes);
    const { method = 'GET', url = '/', headers } = request;
    const { principal, service } = await authenticate({ method, url, headers, body });
    await kept.used(request.socket, { service, principal });
    const handler = Object.hasOwn(services, service) ? services[service] : undefined;
    if (handler === undefined) {
      log('error', 'aws', `a function called service '${service}', which does not run here`, {
        target: headers['x-amz-target'],
      });
      throw new AwsError(
        'UnknownServiceException',
        `Service '${service}' does not run here. Running: ${Object.keys(services).join(', ')}`,
        404,
      );
    }
    if (!handler.drawsFaults) {
      const fault = faults.draw('request', () => requestSubject({ service, headers, url, body }));
      if (fault) await interrupt(fault);
    }
    return handler.handle({ principal, service, method, url, headers, body });
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let reply: AwsReply;
    try {
      reply = await replyTo(request);
    } catch (error) {
      if (request.destroyed && !request.complete) return;
      if (error instanceof ConnectionCut) {
        request.socket.destroy();
        return;
      }
      if (!(error instanceof AwsError)) {
        log('error', 'aws', 'a service failed', { error: error instanceof Error ? error.stack : String(error) });
      } else if (error.code.startsWith('AccessDenied')) {
        log('warn', 'aws', error.message);
      }
      reply = errorReply(
        error instanceof AwsError
          ? error
          : new AwsError('InternalFailure', 'The request failed because of an unknown error.', 500),
      );
    }
    response.writeHead(reply.status, {
      ...reply.headers,
      'content-length': Buffer.byteLength(reply.body),
      'x-amzn-requestid': randomUUID(),
      ...(closing ? { connection: 'close' } : {}),
    });
    response.end(reply.body);
  }

  const server = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
    respond(request, response).catch(error => {
      log('error', 'aws', 'a response could not be sent', { error: String(error) });
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
