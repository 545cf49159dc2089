import { randomUUID } from 'node:crypto';
import { signedCallback } from '../shared/callback.ts';
import { dynamoDbControl } from '../shared/control.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { closesPerSecond } from '../shared/ending.ts';
import { logger } from '../shared/logger.ts';
import { serviceMetrics } from '../shared/metrics.ts';
import { pace, readUnitsPerSecond } from '../shared/pace.ts';
import { pacedCallback, postPace } from '../shared/post-pace.ts';
import { dynamoDbPresence } from '../shared/presence.ts';
import { readVariables } from '../shared/variables.ts';
import { sqsBacklog } from './backlog.ts';
import { type CensusReport, takeCensus } from './census.ts';
import { dynamoDbCensusRecord } from './record.ts';
import { censusVariables } from './variables.ts';

const variables = readVariables(censusVariables);
const client = dynamoDb();
const presence = dynamoDbPresence(variables, client);
const callback = pacedCallback(
  signedCallback({ url: variables.CALLBACK_URL, timeoutMs: 5_000, connections: 20 }),
  postPace({ perSecond: closesPerSecond, burst: 1 }),
);
const report = (message: string, error: Error) => logger.error(message, error);
const control = dynamoDbControl(client, variables.OPERATIONS_TABLE, report);
const record = dynamoDbCensusRecord(client, variables.OPERATIONS_TABLE, report);
const backlog = sqsBacklog(variables.FAN_OUT_QUEUE_URLS);
const metrics = serviceMetrics();

export async function handler(): Promise<CensusReport | undefined> {
  try {
    const report = await takeCensus({
      presence,
      callback,
      control,
      record,
      backlog,
      metrics,
      heartbeat: {
        intervalMs: variables.HEARTBEAT_INTERVAL_SECONDS * 1000,
        graceMs: variables.HEARTBEAT_GRACE_SECONDS * 1000,
      },
      maxConnections: variables.MAX_CONNECTIONS,
      reads: pace(readUnitsPerSecond),
      random: Math.random,
      now: Date.now,
      holder: randomUUID(),
      failed: (message, connectionId, error) => logger.error(message, { connectionId, error: error as Error }),
    });
    if (report) logger.info('census', { ...report });
    else logger.info('another census is under way');
    return report;
  } finally {
    metrics.flush();
  }
}
