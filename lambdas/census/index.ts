import { randomUUID } from 'node:crypto';
import { signedCallback } from '../shared/callback.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { closesPerSecond } from '../shared/ending.ts';
import { environmentOf, functionControl } from '../shared/environment.ts';
import { logger } from '../shared/logger.ts';
import { serviceMetrics } from '../shared/metrics.ts';
import { pace, readUnitsPerSecond } from '../shared/pace.ts';
import { pacedCallback, postPace } from '../shared/post-pace.ts';
import { dynamoDbPresence } from '../shared/presence.ts';
import { dynamoDbUnwrittenBeats } from '../shared/unwritten-beats.ts';
import { readVariables } from '../shared/variables.ts';
import { sqsBacklog } from './backlog.ts';
import { type CensusReport, takeCensus } from './census.ts';
import { dynamoDbCensusRecord } from './record.ts';
import { censusVariables } from './variables.ts';

const variables = readVariables(censusVariables);
const metrics = serviceMetrics();
const control = functionControl(variables.OPERATIONS_TABLE);
const environment = environmentOf({ control, reads: 'first', open: openClients });

function openClients() {
  const client = dynamoDb();
  const sockets = signedCallback({ url: variables.CALLBACK_URL, timeoutMs: 5_000, connections: 20 });
  const queues = sqsBacklog(variables.FAN_OUT_QUEUE_URLS);
  return {
    presence: dynamoDbPresence(variables, client),
    callback: pacedCallback(sockets, postPace({ perSecond: closesPerSecond, burst: 1 })),
    record: dynamoDbCensusRecord(client, variables.OPERATIONS_TABLE, (message, error) => logger.error(message, error)),
    unwritten: dynamoDbUnwrittenBeats(client, variables.OPERATIONS_TABLE),
    backlog: queues.count,
    async end() {
      client.destroy();
      queues.end();
      await sockets.end();
    },
  };
}

export const handler = (): Promise<CensusReport | undefined> => environment.run(census);

async function census({
  presence,
  callback,
  record,
  unwritten,
  backlog,
}: ReturnType<typeof openClients>): Promise<CensusReport | undefined> {
  try {
    const report = await takeCensus({
      presence,
      callback,
      control,
      record,
      unwritten,
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
