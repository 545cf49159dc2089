import { z } from 'zod';
import { presenceVariables } from '../shared/presence.ts';
import { number } from '../shared/variables.ts';

export const sweepVariables = presenceVariables.extend({
  CALLBACK_URL: z.url(),
  HEARTBEAT_INTERVAL_SECONDS: number,
  HEARTBEAT_GRACE_SECONDS: number,
  NOTICES_PER_SECOND: number,
});
