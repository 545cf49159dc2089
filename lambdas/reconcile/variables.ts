import { z } from 'zod';

export const reconcileVariables = z.object({
  OPERATIONS_TABLE: z.string().min(1),
  RESPONDER_ARN: z.string().min(1),
  CLOSURE_ARN: z.string().min(1),
  /** Names of the runbook's alarms, JSON. */
  ALARMS: z.string().transform(text => z.array(z.string()).parse(JSON.parse(text))),
  /** Names of the alarms that are OK when the service has recovered, JSON. */
  RECOVERY_ALARMS: z.string().transform(text => z.array(z.string()).parse(JSON.parse(text))),
});
