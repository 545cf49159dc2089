import { signedCallback } from '../shared/callback.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { logger } from '../shared/logger.ts';
import { dynamoDbPresence } from '../shared/presence.ts';
import { readVariables } from '../shared/variables.ts';
import { type CensusReport, takeCensus } from './census.ts';
import { censusVariables } from './variables.ts';

const variables = readVariables(censusVariables);
const presence = dynamoDbPresence(variables, dynamoDb());
const callback = signedCallback({ url: variables.CALLBACK_URL, timeoutMs: 5_000, connections: 10 });

export async function handler(): Promise<CensusReport> {
  const report = await takeCensus({
    presence,
    callback,
    heartbeat: {
      intervalMs: variables.HEARTBEAT_INTERVAL_SECONDS * 1000,
      graceMs: variables.HEARTBEAT_GRACE_SECONDS * 1000,
    },
    now: Date.now,
    closeFailed: (connectionId, error) =>
      logger.error('silent connection not closed', { connectionId, error: error as Error }),
  });
  logger.info('census', { ...report });
  return report;
}
