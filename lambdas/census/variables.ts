import { z } from 'zod';
import { presenceVariables } from '../shared/presence.ts';
import { number } from '../shared/variables.ts';

export const censusVariables = presenceVariables.extend({
  CALLBACK_URL: z.url(),
  HEARTBEAT_INTERVAL_SECONDS: number,
  HEARTBEAT_GRACE_SECONDS: number,
  MAX_CONNECTIONS: number,
  /** JSON array of the queues whose messages are not delivered yet. */
  FAN_OUT_QUEUE_URLS: z.string().transform(text => z.array(z.url()).parse(JSON.parse(text))),
});
