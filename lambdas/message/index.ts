import type { APIGatewayProxyResult } from 'aws-lambda';
import { signedCallback } from '../shared/callback.ts';
import { dynamoDbConnections } from '../shared/connections.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { firstOf } from '../shared/first-of.ts';
import { messageEvent } from '../shared/gateway-event.ts';
import { logger } from '../shared/logger.ts';
import { dynamoDbMessageLog } from '../shared/message-log.ts';
import { encodeFrame } from '../shared/protocol.ts';
import { sqsPublicationQueue } from '../shared/publication.ts';
import { dynamoDbSubscriptions } from '../shared/subscriptions.ts';
import { readVariables } from '../shared/variables.ts';
import { answer, type MessageDependencies } from './answer.ts';
import { frameRate } from './frame-rate.ts';
import { dynamoDbFrameTally, talliedFrameRate } from './frame-tally.ts';
import { messageVariables } from './variables.ts';

const variables = readVariables(messageVariables);
const client = dynamoDb();
/** A client that floods is a line in the log, not thousands. */
const firstRefusal = firstOf(10_000);
const dependencies: MessageDependencies = {
  presence: {
    connections: dynamoDbConnections(client, variables.CONNECTIONS_TABLE),
    subscriptions: dynamoDbSubscriptions(client, variables.SUBSCRIPTIONS_TABLE),
  },
  log: dynamoDbMessageLog(client, variables.MESSAGES_TABLE, variables.RETENTION_SECONDS * 1000),
  queue: sqsPublicationQueue(variables.PUBLICATIONS_QUEUE_URL, 2_000),
  callback: signedCallback({ url: variables.CALLBACK_URL, timeoutMs: 2_000, connections: 2 }),
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
  refused: ({ connectionId, session }, refusal, cause) => {
    if (refusal.code === 'rate_limited' && !firstRefusal(connectionId, Date.now())) return;
    const fields = { code: refusal.code, reason: refusal.message, connectionId, user: session.user };
    if (cause === undefined) logger.warn('frame refused', fields);
    else logger.error('frame not handled', { ...fields, error: cause as Error });
  },
};

export async function handler(event: unknown): Promise<APIGatewayProxyResult> {
  const { body, requestContext } = messageEvent.parse(event);
  const { connectionId, authorizer: session } = requestContext;
  const frame = await answer({ connectionId, session }, body, dependencies);
  return { statusCode: 200, body: encodeFrame(frame) };
}
