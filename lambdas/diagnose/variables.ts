import { z } from 'zod';
import { number } from '../shared/variables.ts';

const list = z.string().transform(text => z.array(z.string().min(1)).min(1).parse(JSON.parse(text)));

export const diagnoseVariables = z.object({
  CONNECTIONS_TABLE: z.string().min(1),
  OPERATIONS_TABLE: z.string().min(1),
  /** JSON array of all tables' names. */
  TABLES: list,
  /** JSON array of the URLs of the queues that hold messages. */
  QUEUE_URLS: list,
  /** JSON array of the names of the service's functions. */
  FUNCTIONS: list,
  ALIAS: z.string().min(1),
  JWKS_URL: z.url(),
  PROBE_AUDIENCE: z.string().min(1),
  PROBE_SECRET_ARN: z.string().min(1),
  HEARTBEAT_INTERVAL_SECONDS: number,
  HEARTBEAT_GRACE_SECONDS: number,
});
