import { z } from 'zod';

export const rollbackPlanVariables = z.object({
  /** JSON array of the names of the service's functions. */
  FUNCTIONS: z.string().transform(text => z.array(z.string().min(1)).min(1).parse(JSON.parse(text))),
  ALIAS: z.string().min(1),
});
