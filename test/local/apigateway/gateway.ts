import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import { startWebSocketApi, type WebSocketApiOptions } from '../../../local/apigateway/websocket-api.ts';
import type { Place, Resource } from '../../../local/assembly/resource.ts';
import { AwsError, type FunctionInvoker, type InvocationResult } from '../../../local/aws/service.ts';
import { createCredentials } from '../../../local/iam/credentials.ts';
import { createAuthorization } from '../../../local/iam/policies.ts';

export const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
export const apiId = 'abcdefghij';

// biome-ignore lint/suspicious/noExplicitAny: events are asserted on, not typed
export type Event = any;
export type Handler = (event: Event, sourceArn: string) => unknown;

/** Functions of a test, by name; one that throws fails as a Lambda function does. */
export type Handlers = Record<string, Handler>;

export function functionArn(name: string): string {
  return `arn:aws:lambda:eu-central-1:123456789012:function:${name}`;
}

export function invokerOf(handlers: Handlers): FunctionInvoker {
  return {
    async invoke(arn, event, caller): Promise<InvocationResult> {
      const handler = handlers[arn.split(':').at(-1) ?? ''];
      if (!handler) throw new AwsError('AccessDeniedException', `no permission to invoke ${arn}`);
      try {
        const source = caller.kind === 'service' ? (caller.sourceArn ?? '') : '';
        return { ok: true, payload: (await handler(event, source)) ?? null };
      } catch (error) {
        if (error instanceof AwsError) throw error;
        return { ok: false, errorType: 'Error', errorMessage: (error as Error).message };
      }
    },
  };
}

export function resource(type: string, physicalId: string, properties: Record<string, unknown>): Resource {
  const logicalId = `${type.split('::')[2]}${physicalId.replace(/\W/g, '')}`;
  return { stack: 'Test', logicalId, type: `AWS::${type.slice(5)}`, physicalId, properties, attributes: {} };
}

function member(type: string, physicalId: string, properties: Record<string, unknown>): Resource {
  return resource(`AWS::ApiGatewayV2::${type}`, physicalId, { ApiId: apiId, ...properties });
}

export interface ApiShape {
  readonly routes?: readonly string[];
  /** Routes that answer on the connection. */
  readonly responding?: readonly string[];
  readonly authorizer?: { readonly identitySource: readonly string[] };
  readonly stage?: Record<string, unknown>;
  readonly integration?: Record<string, unknown>;
}

/** A WebSocket API whose routes invoke the functions of the same names, without `$`. */
export function webSocketResources(shape: ApiShape = {}): Resource[] {
  const { routes = ['$connect', '$disconnect', '$default'], responding = ['$default'] } = shape;
  const uri = (name: string) =>
    `arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/${functionArn(name)}/invocations`;
  return [
    resource('AWS::ApiGatewayV2::Api', apiId, {
      Name: 'ws',
      ProtocolType: 'WEBSOCKET',
      RouteSelectionExpression: '$request.body.action',
    }),
    member('Stage', 'dev', { StageName: 'dev', AutoDeploy: true, ...shape.stage }),
    ...(shape.authorizer
      ? [
          member('Authorizer', 'auth123', {
            Name: 'A',
            AuthorizerType: 'REQUEST',
            AuthorizerUri: uri('authorizer'),
            IdentitySource: shape.authorizer.identitySource,
          }),
        ]
      : []),
    ...routes.flatMap(key => [
      member('Integration', `i${key}`, {
        IntegrationType: 'AWS_PROXY',
        IntegrationUri: uri(key.replace('$', '')),
        ...shape.integration,
      }),
      member('Route', `r${key}`, {
        RouteKey: key,
        Target: `integrations/i${key}`,
        AuthorizationType: key === '$connect' && shape.authorizer ? 'CUSTOM' : 'NONE',
        ...(key === '$connect' && shape.authorizer ? { AuthorizerId: 'auth123' } : {}),
        ...(responding.includes(key) ? { RouteResponseSelectionExpression: '$default' } : {}),
      }),
      ...(responding.includes(key)
        ? [member('RouteResponse', `rr${key}`, { RouteId: `r${key}`, RouteResponseKey: '$default' })]
        : []),
    ]),
  ];
}

export const credentials = createCredentials({ place });
const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: '*' }] };

/** Starts a gateway whose handlers all answer 200 unless given; `stop` closes it with every client. */
export async function startGateway(
  handlers: Handlers = {},
  shape: ApiShape = {},
  options: Partial<WebSocketApiOptions> = {},
) {
  const logged: string[] = [];
  const metrics: Record<string, number> = {};
  const ok: Handler = () => ({ statusCode: 200 });
  const api = await startWebSocketApi({
    resources: webSocketResources(shape),
    place,
    port: 0,
    invoker: invokerOf({ connect: ok, disconnect: ok, default: ok, ...handlers }),
    authorization: createAuthorization({
      resources: [
        resource('AWS::IAM::Role', 'Poster', {
          AssumeRolePolicyDocument: trust,
          Policies: [
            {
              PolicyName: 'Post',
              PolicyDocument: {
                Statement: [
                  {
                    Effect: 'Allow',
                    Action: 'execute-api:ManageConnections',
                    Resource: `arn:aws:execute-api:eu-central-1:123456789012:${apiId}/dev/POST/@connections/*`,
                  },
                ],
              },
            },
          ],
        }),
      ],
      place,
    }),
    authenticate: credentials.authenticate,
    log: (level, _component, message, fields) => logged.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`),
    onMetric: (name, value) => {
      metrics[name] = (metrics[name] ?? 0) + value;
    },
    ...options,
  });
  const clients: WebSocket[] = [];

  function client(path = '/dev', protocols: string[] = [], headers: Record<string, string> = {}): WebSocket {
    const socket = new WebSocket(`${api.url}${path}`, protocols, { headers, perMessageDeflate: false });
    clients.push(socket);
    return socket;
  }

  return {
    ...api,
    api,
    logged,
    metrics,
    client,
    /** A client whose handshake is done. */
    async open(path?: string, protocols?: string[], headers?: Record<string, string>) {
      const socket = client(path, protocols, headers);
      await once(socket, 'open');
      return socket;
    },
    /** The answer to a handshake that is refused. */
    refused(path?: string, protocols?: string[], headers?: Record<string, string>) {
      const socket = client(path, protocols, headers);
      return new Promise<{ status: number | undefined; body: Event }>((resolve, reject) => {
        socket.once('open', () => reject(new Error('the handshake was not refused')));
        socket.once('error', () => {});
        socket.once('unexpected-response', (_request, response) => {
          const chunks: Buffer[] = [];
          response.on('data', chunk => chunks.push(chunk));
          response.on('end', () =>
            resolve({ status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) }),
          );
        });
      });
    },
    async stop() {
      for (const socket of clients) socket.on('error', () => {}).terminate();
      await api.close();
    },
  };
}

export type Gateway = Awaited<ReturnType<typeof startGateway>>;

export async function nextMessage(socket: WebSocket): Promise<Event> {
  const [data] = await once(socket, 'message');
  return JSON.parse(String(data));
}

export async function closeOf(socket: WebSocket): Promise<{ code: number; reason: string }> {
  const [code, reason] = await once(socket, 'close');
  return { code, reason: String(reason) };
}

/** A promise with what settles it, for tests that decide when a function answers. */
export function deferred<T = void>() {
  return Promise.withResolvers<T>();
}

/** A WebSocket connection whose bytes the test writes itself. */
export async function rawClient(port: number, key = 'dGhlIHNhbXBsZSBub25jZQ=='): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    'GET /dev HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  const [response] = await once(socket, 'data');
  if (!String(response).startsWith('HTTP/1.1 101')) throw new Error(String(response));
  return socket;
}

/** A client's frame with a zero mask, so that the payload is sent as it is. */
export function frame(payload: Buffer, { opcode = 1, fin = true } = {}): Buffer {
  const first = (fin ? 0x80 : 0) | opcode;
  const { length } = payload;
  const mask = Buffer.alloc(4);
  if (length < 126) return Buffer.concat([Buffer.from([first, 0x80 | length]), mask, payload]);
  if (length < 65_536) {
    return Buffer.concat([Buffer.from([first, 0x80 | 126, length >> 8, length & 0xff]), mask, payload]);
  }
  const extended = Buffer.alloc(8);
  extended.writeBigUInt64BE(BigInt(length));
  return Buffer.concat([Buffer.from([first, 0x80 | 127]), extended, mask, payload]);
}
