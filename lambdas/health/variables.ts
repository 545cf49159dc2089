import { z } from 'zod';

export const healthVariables = z.object({ OPERATIONS_TABLE: z.string().min(1) });
