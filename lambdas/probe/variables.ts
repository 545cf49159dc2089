import { z } from 'zod';

export const probeVariables = z.object({
  /** The address that clients connect to. */
  WEBSOCKET_URL: z.url(),
  PROBE_AUDIENCE: z.string().min(1),
  PROBE_SECRET_ARN: z.string().min(1),
  OPERATIONS_TABLE: z.string().min(1),
});
