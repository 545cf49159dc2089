import { z } from 'zod';
import { number } from '../shared/variables.ts';

export const publishVariables = z.object({
  PUBLICATIONS_QUEUE_URL: z.url(),
  OPERATIONS_TABLE: z.string().min(1),
  MAX_MESSAGE_BYTES: number,
});
