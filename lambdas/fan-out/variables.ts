import { z } from 'zod';
import { presenceVariables } from '../shared/presence.ts';
import { number } from '../shared/variables.ts';

export const fanOutVariables = presenceVariables.extend({
  MESSAGES_TABLE: z.string().min(1),
  CALLBACK_URL: z.url(),
  PUBLICATIONS_QUEUE_URL: z.url(),
  RETENTION_SECONDS: number,
  POST_TIMEOUT_SECONDS: number,
  POST_PARALLELISM: number,
});
