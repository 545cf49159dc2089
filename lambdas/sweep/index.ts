import { z } from 'zod';
import { signedCallback } from '../shared/callback.ts';
import { dynamoDbControl } from '../shared/control.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { closesPerSecond } from '../shared/ending.ts';
import { logger } from '../shared/logger.ts';
import { pace, readUnitsPerSecond } from '../shared/pace.ts';
import { pacedCallback, postPace } from '../shared/post-pace.ts';
import { dynamoDbPresence } from '../shared/presence.ts';
import { readVariables } from '../shared/variables.ts';
import { dynamoDbLeakReports, type LeakReport, leakReport } from './leaks.ts';
import { type SweepAnswer, sweepRequest } from './request.ts';
import { type SweepDependencies, sweep } from './sweep.ts';
import { sweepVariables } from './variables.ts';
import { censusVerdict } from './verdict.ts';

const variables = readVariables(sweepVariables);
const client = dynamoDb();
const presence = dynamoDbPresence(variables, client);
const callback = signedCallback({ url: variables.CALLBACK_URL, timeoutMs: 5_000, connections: 50 });
const heartbeat = {
  intervalMs: variables.HEARTBEAT_INTERVAL_SECONDS * 1000,
  graceMs: variables.HEARTBEAT_GRACE_SECONDS * 1000,
};
const dependencies: SweepDependencies = {
  presence,
  closing: pacedCallback(callback, postPace({ perSecond: closesPerSecond, burst: 1 })),
  posting: pacedCallback(callback, postPace({ perSecond: variables.NOTICES_PER_SECOND, burst: 50 })),
  control: dynamoDbControl(client, variables.OPERATIONS_TABLE, (message, error) => logger.error(message, error)),
  heartbeat,
  mayEvict: censusVerdict(client, variables.OPERATIONS_TABLE),
  now: Date.now,
  failed: (mode, connectionId, error) =>
    logger.error('connection not swept', { mode, connectionId, error: error as Error }),
};
const reports = dynamoDbLeakReports(client, variables.OPERATIONS_TABLE, error =>
  logger.error('the last leak report cannot be read', error),
);

const request = z.union([z.object({ mode: z.literal('leaks') }), sweepRequest]);

/** @throws ZodError where the request is none */
export async function handler(event: unknown): Promise<SweepAnswer | (LeakReport & { readonly done: true })> {
  const asked = request.parse(event);
  if (asked.mode === 'leaks') {
    const { connections } = presence;
    const report = await leakReport({
      connections,
      reports,
      heartbeat,
      reads: pace(readUnitsPerSecond),
      now: Date.now,
    });
    logger.info('leak report', { ...report });
    return { ...report, done: true };
  }
  const answer = await sweep(asked, dependencies);
  logger.info('sweep', { ...answer });
  return answer;
}
