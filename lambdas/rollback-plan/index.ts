import { LambdaClient } from '@aws-sdk/client-lambda';
import { z } from 'zod';
import { logger } from '../shared/logger.ts';
import { liveVersions } from '../shared/releases.ts';
import { readVariables } from '../shared/variables.ts';
import { type RollbackPlan, rollbackPlan } from './plan.ts';
import { rollbackPlanVariables } from './variables.ts';

const variables = readVariables(rollbackPlanVariables);
const client = new LambdaClient({ maxAttempts: 3 });

const request = z.object({
  withinSeconds: z.number().positive(),
  /** The state machine's time: it and the dates of versions are of the same clock. */
  now: z.iso.datetime().transform(Date.parse),
});

/** Says what a rollback would do; changes nothing. @throws ZodError, Error where Lambda cannot be asked */
export async function handler(event: unknown): Promise<RollbackPlan> {
  const { withinSeconds, now } = request.parse(event);
  const live = await liveVersions(client, variables.FUNCTIONS, variables.ALIAS);
  const plan = rollbackPlan(live, withinSeconds * 1000, now);
  logger.info('rollback plan', { ...plan });
  return plan;
}
