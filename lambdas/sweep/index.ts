import { z } from 'zod';
import { signedCallback } from '../shared/callback.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { closesPerSecond } from '../shared/ending.ts';
import { environmentOf, functionControl } from '../shared/environment.ts';
import { logger } from '../shared/logger.ts';
import { pace, readUnitsPerSecond } from '../shared/pace.ts';
import { pacedCallback, postPace } from '../shared/post-pace.ts';
import { dynamoDbPresence } from '../shared/presence.ts';
import { dynamoDbUnwrittenBeats } from '../shared/unwritten-beats.ts';
import { readVariables } from '../shared/variables.ts';
import { dynamoDbLeakReports, type LeakReport, type LeakReports, leakReport } from './leaks.ts';
import { type SweepAnswer, type SweepRequest, sweepRequest } from './request.ts';
import { type SweepDependencies, sweep } from './sweep.ts';
import { sweepVariables } from './variables.ts';
import { censusVerdict } from './verdict.ts';

const variables = readVariables(sweepVariables);
const heartbeat = {
  intervalMs: variables.HEARTBEAT_INTERVAL_SECONDS * 1000,
  graceMs: variables.HEARTBEAT_GRACE_SECONDS * 1000,
};
const control = functionControl(variables.OPERATIONS_TABLE);
const environment = environmentOf({
  control,
  reads: 'first',
  open() {
    const client = dynamoDb();
    const sockets = signedCallback({ url: variables.CALLBACK_URL, timeoutMs: 5_000, connections: 50 });
    const dependencies: SweepDependencies = {
      presence: dynamoDbPresence(variables, client),
      closing: pacedCallback(sockets, postPace({ perSecond: closesPerSecond, burst: 1 })),
      posting: pacedCallback(sockets, postPace({ perSecond: variables.NOTICES_PER_SECOND, burst: 50 })),
      control,
      heartbeat,
      verdict: censusVerdict(client, variables.OPERATIONS_TABLE),
      unwritten: dynamoDbUnwrittenBeats(client, variables.OPERATIONS_TABLE),
      now: Date.now,
      failed: (mode, connectionId, error) =>
        logger.error('connection not swept', { mode, connectionId, error: error as Error }),
    };
    return {
      dependencies,
      reports: dynamoDbLeakReports(client, variables.OPERATIONS_TABLE, error =>
        logger.error('the last leak report cannot be read', error),
      ),
      async end() {
        client.destroy();
        await sockets.end();
      },
    };
  },
});

const request = z.union([z.object({ mode: z.literal('leaks') }), sweepRequest]);

/** @throws ZodError where the request is none */
export async function handler(event: unknown): Promise<SweepAnswer | (LeakReport & { readonly done: true })> {
  const asked = request.parse(event);
  return environment.run(async ({ dependencies, reports }) =>
    asked.mode === 'leaks' ? leaks(dependencies, reports) : swept(asked, dependencies),
  );
}

async function leaks({ presence }: SweepDependencies, reports: LeakReports) {
  const report = await leakReport({
    connections: presence.connections,
    reports,
    heartbeat,
    reads: pace(readUnitsPerSecond),
    now: Date.now,
  });
  logger.info('leak report', { ...report });
  return { ...report, done: true as const };
}

async function swept(asked: SweepRequest, dependencies: SweepDependencies): Promise<SweepAnswer> {
  const answer = await sweep(asked, dependencies);
  logger.info('sweep', { ...answer });
  return answer;
}
