import { SQSClient } from '@aws-sdk/client-sqs';
import type { SQSBatchResponse } from 'aws-lambda';
import { signedCallback } from '../shared/callback.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { logger } from '../shared/logger.ts';
import { dynamoDbMessageLog } from '../shared/message-log.ts';
import { dynamoDbPresence } from '../shared/presence.ts';
import { readVariables } from '../shared/variables.ts';
import { deliverBatch } from './batch.ts';
import { type DeliverDependencies, deliver } from './deliver.ts';
import { retrySoon } from './retry.ts';
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

const sqs = new SQSClient({ maxAttempts: 2 });

export const handler = (event: unknown): Promise<SQSBatchResponse> =>
  deliverBatch(
    event,
    (channel, deliveries) => deliver(channel, deliveries, dependencies),
    async (channel, error, records) => {
      logger.error('channel not delivered, it is tried again', { channel, error: error as Error });
      try {
        await retrySoon(variables.PUBLICATIONS_QUEUE_URL, records, sqs);
      } catch (cause) {
        logger.error('channel is tried again only when its visibility ends', { channel, error: cause as Error });
      }
    },
  );
