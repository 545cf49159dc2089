import { z } from 'zod';
import { number } from '../shared/variables.ts';

export const connectVariables = z.object({
  CONNECTIONS_TABLE: z.string().min(1),
  OPERATIONS_TABLE: z.string().min(1),
  MAX_CONNECTIONS: number,
  MAX_CONNECTIONS_PER_USER: number,
  MAX_CONNECTIONS_PER_ADDRESS: number,
});
