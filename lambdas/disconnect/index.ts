import { dynamoDb } from '../shared/dynamodb.ts';
import { disconnectEvent } from '../shared/gateway-event.ts';
import { logger } from '../shared/logger.ts';
import { dynamoDbPresence, forget, presenceVariables } from '../shared/presence.ts';
import { readVariables } from '../shared/variables.ts';

const presence = dynamoDbPresence(readVariables(presenceVariables), dynamoDb());

export async function handler(event: unknown): Promise<{ statusCode: number }> {
  const { connectionId, disconnectStatusCode, disconnectReason } = disconnectEvent.parse(event).requestContext;
  const known = await forget(connectionId, presence);
  logger.info('disconnected', { connectionId, known, code: disconnectStatusCode, reason: disconnectReason });
  return { statusCode: 200 };
}
