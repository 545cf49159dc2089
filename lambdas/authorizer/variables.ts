import { z } from 'zod';
import { flag } from '../shared/variables.ts';

export const authorizerVariables = z.object({
  TOKEN_ISSUER: z.string().min(1),
  TOKEN_AUDIENCE: z.string().min(1),
  JWKS_URL: z.url(),
  /** JSON array of origins. */
  ALLOWED_ORIGINS: z.string().transform(text => z.array(z.string()).parse(JSON.parse(text))),
  ANONYMOUS: flag,
  /** Of the probe's tokens. */
  PROBE_AUDIENCE: z.string().min(1),
  PROBE_SECRET_ARN: z.string().min(1),
  OPERATIONS_TABLE: z.string().min(1),
});
