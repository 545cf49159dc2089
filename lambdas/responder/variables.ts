import { z } from 'zod';

export const responderVariables = z.object({ OPERATIONS_TABLE: z.string().min(1) });
