import type { SQSBatchResponse } from 'aws-lambda';
import { z } from 'zod';
import { signedCallback } from '../shared/callback.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { logger } from '../shared/logger.ts';
import { dynamoDbMessageLog } from '../shared/message-log.ts';
import { dynamoDbPresence } from '../shared/presence.ts';
import { cursorOf } from '../shared/protocol.ts';
import { publicationSchema } from '../shared/publication.ts';
import { readVariables } from '../shared/variables.ts';
import { type DeliverDependencies, type Delivery, deliver } from './deliver.ts';
import { fanOutVariables } from './variables.ts';

const variables = readVariables(fanOutVariables);
const client = dynamoDb();
const dependencies: DeliverDependencies = {
  log: dynamoDbMessageLog(client, variables.MESSAGES_TABLE, variables.RETENTION_SECONDS * 1000),
  presence: dynamoDbPresence(variables, client),
  callback: signedCallback({
    url: variables.CALLBACK_URL,
    timeoutMs: variables.POST_TIMEOUT_SECONDS * 1000,
    connections: variables.POST_PARALLELISM,
  }),
  parallelism: variables.POST_PARALLELISM,
  postFailed: (connectionId, reason) => logger.warn('connection closed, its post failed', { connectionId, reason }),
};

const recordSchema = z.object({
  messageId: z.string(),
  body: z.string().transform(text => publicationSchema.parse(JSON.parse(text))),
  attributes: z.object({ SequenceNumber: z.string() }),
});
const batchSchema = z.object({ Records: z.array(recordSchema) });
type SqsRecord = z.infer<typeof recordSchema>;

const deliveryOf = ({ body, attributes }: SqsRecord): Delivery => ({
  ...body,
  cursor: cursorOf(attributes.SequenceNumber),
});

/**
 * Delivers each channel of a batch by itself: a channel that fails comes again whole and in order, the others are done.
 * (Powertools' FIFO processor works record by record, which would post each message in a frame of its own.)
 */
export async function handler(event: unknown): Promise<SQSBatchResponse> {
  const channels = Object.values(Object.groupBy(batchSchema.parse(event).Records, record => record.body.channel));
  const failures = await Promise.all(
    channels.map(async (records = []) => {
      const channel = records[0]?.body.channel ?? '';
      try {
        await deliver(channel, records.map(deliveryOf), dependencies);
        return [];
      } catch (error) {
        logger.error('channel not delivered, it is tried again', { channel, error: error as Error });
        return records.map(({ messageId }) => ({ itemIdentifier: messageId }));
      }
    }),
  );
  return { batchItemFailures: failures.flat() };
}
