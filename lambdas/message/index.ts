import type { APIGatewayProxyResult } from 'aws-lambda';
import { signedCallback } from '../shared/callback.ts';
import { dynamoDbConnections } from '../shared/connections.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { environmentOf, functionControl } from '../shared/environment.ts';
import { errorTypeOf } from '../shared/error-type.ts';
import { firstOf } from '../shared/first-of.ts';
import { messageEvent } from '../shared/gateway-event.ts';
import { logger } from '../shared/logger.ts';
import { dynamoDbMessageLog } from '../shared/message-log.ts';
import { serviceMetrics } from '../shared/metrics.ts';
import { pacedCallback, postPace } from '../shared/post-pace.ts';
import { encodeFrame, type Refusal } from '../shared/protocol.ts';
import { sqsPublicationQueue } from '../shared/publication.ts';
import { dynamoDbSubscriptions } from '../shared/subscriptions.ts';
import { controlledThrottle, dynamoDbTurns } from '../shared/throttle.ts';
import { beatNotes, dynamoDbUnwrittenBeats } from '../shared/unwritten-beats.ts';
import { readVariables } from '../shared/variables.ts';
import { answer, type MessageDependencies } from './answer.ts';
import { frameRate } from './frame-rate.ts';
import { dynamoDbFrameTally, talliedFrameRate } from './frame-tally.ts';
import { messageVariables } from './variables.ts';

const variables = readVariables(messageVariables);
const metrics = serviceMetrics();
const control = functionControl(variables.OPERATIONS_TABLE);
const environment = environmentOf({ control, reads: 'alongside', open: openClients });

/** Counts refusals. Those over a rate are put together once a second: a client that floods is no flood of metrics either. */
function refusalCounter(): (refusal: Refusal) => void {
  const countsThrottled = firstOf(1_000);
  let throttled = 0;
  return ({ code }) => {
    const type = errorTypeOf(code);
    if (type === undefined) return;
    if (type !== 'throttled') {
      metrics.put('Errors', 1, type);
      return;
    }
    throttled += 1;
    if (!countsThrottled(type, Date.now())) return;
    metrics.put('Errors', throttled, type);
    throttled = 0;
  };
}

function openClients() {
  const client = dynamoDb();
  const queue = sqsPublicationQueue(variables.PUBLICATIONS_QUEUE_URL, 2_000);
  const sockets = signedCallback({ url: variables.CALLBACK_URL, timeoutMs: 2_000, connections: 2 });
  /** A client that floods is a line in the log, not thousands. */
  const firstRefusal = firstOf(10_000);
  const countRefusal = refusalCounter();
  const unwritten = dynamoDbUnwrittenBeats(client, variables.OPERATIONS_TABLE);
  const dependencies: MessageDependencies = {
    presence: {
      connections: dynamoDbConnections(client, variables.CONNECTIONS_TABLE),
      subscriptions: dynamoDbSubscriptions(client, variables.SUBSCRIPTIONS_TABLE),
    },
    log: dynamoDbMessageLog(client, variables.MESSAGES_TABLE, variables.RETENTION_SECONDS * 1000),
    queue,
    // A replay must not take from what is live: it has a pace of its own, and this function is not the fan-out.
    callback: pacedCallback(
      sockets,
      postPace({ perSecond: variables.REPLAY_POSTS_PER_SECOND, burst: variables.REPLAY_POSTS_PER_SECOND / 4 }),
    ),
    rate: talliedFrameRate(
      variables.MAX_FRAMES_PER_SECOND,
      frameRate(variables.MAX_FRAMES_PER_SECOND),
      dynamoDbFrameTally(client, variables.OPERATIONS_TABLE),
      error => logger.warn('frames not tallied', error as Error),
    ),
    now: Date.now,
    limits: {
      maxMessageBytes: variables.MAX_MESSAGE_BYTES,
      maxChannelsPerConnection: variables.MAX_CHANNELS_PER_CONNECTION,
    },
    heartbeat: {
      intervalMs: variables.HEARTBEAT_INTERVAL_SECONDS * 1000,
      graceMs: variables.HEARTBEAT_GRACE_SECONDS * 1000,
    },
    shardSize: variables.SHARD_SIZE,
    control,
    throttle: controlledThrottle(control, dynamoDbTurns(client, variables.OPERATIONS_TABLE), error =>
      logger.error('throttle not held', error),
    ),
    noteBeat: beatNotes(unwritten, error => logger.error('heartbeat written, it could not be noted', error)),
    unwritten,
    refused: ({ connectionId, session }, refusal, cause) => {
      countRefusal(refusal);
      if (refusal.code === 'rate_limited' && !firstRefusal(connectionId, Date.now())) return;
      const fields = { code: refusal.code, reason: refusal.message, connectionId, user: session.user };
      if (cause === undefined) logger.warn('frame refused', fields);
      else logger.error('frame not handled', { ...fields, error: cause as Error });
    },
  };
  return {
    dependencies,
    async end() {
      client.destroy();
      queue.end();
      await sockets.end();
    },
  };
}

export async function handler(event: unknown): Promise<APIGatewayProxyResult> {
  const { body, requestContext } = messageEvent.parse(event);
  const { connectionId, authorizer: session } = requestContext;
  const frame = await environment.run(({ dependencies }) => answer({ connectionId, session }, body, dependencies));
  // A service that nobody publishes to must show as one.
  if (frame.type === 'accepted' && !session.probe) metrics.put('MessagesAccepted', 1);
  metrics.flush();
  return { statusCode: 200, body: encodeFrame(frame) };
}
