import type { Log } from '../aws/service.ts';
import { type Connection, sendText } from './connections.ts';
import type { Integrate } from './integration.ts';
import type { OnMetric } from './invocation.ts';
import type { AccountQuotas } from './quotas.ts';
import { messageEvent, randomId } from './websocket-events.ts';
import type { WebSocketLimits } from './websocket-limits.ts';
import { selectRoute, type WebSocketModel } from './websocket-model.ts';

export interface MessageDispatchOptions {
  readonly model: WebSocketModel;
  readonly integrate: Integrate;
  readonly quotas: AccountQuotas;
  readonly limits: Pick<WebSocketLimits, 'maxMessageBytes' | 'maxBufferedBytes'>;
  readonly log: Log;
  readonly onMetric: OnMetric;
}

/** Hands a client's message to the function of its route, and what that answers to the client where the route says so. */
export type DispatchMessage = (connection: Connection, text: string) => Promise<void>;

export function createMessageDispatch(options: MessageDispatchOptions): DispatchMessage {
  const { model, integrate, quotas, limits, log, onMetric } = options;

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

  return async (connection, text) => {
    const { facts, authorizer } = connection;
    const requestId = randomId();
    const replyError = (message: string) =>
      reply(connection, JSON.stringify({ message, connectionId: facts.connectionId, requestId }));

    const route = selectRoute(model, text);
    if (!quotas.requests.take() || !model.stages.get(facts.stage)?.throttle(route?.key ?? '$default')) {
      onMetric('ClientError', 1);
      replyError('Too Many Requests');
      return;
    }
    if (!route) {
      onMetric('ClientError', 1);
      replyError('Forbidden');
      return;
    }
    const result = await integrate(route, facts.stage, messageEvent(facts, route.key, text, requestId, authorizer));
    if (result.kind !== 'answered') {
      replyError('Internal server error');
      return;
    }
    const { body } = result.response;
    if (!route.returnsResponse || !body) return;
    if (Buffer.byteLength(body) > limits.maxMessageBytes) {
      onMetric('ExecutionError', 1);
      log('warn', 'apigateway', 'a reply is longer than a message may be', {
        route: route.key,
        connectionId: facts.connectionId,
      });
      replyError('Internal server error');
      return;
    }
    reply(connection, body);
  };
}
