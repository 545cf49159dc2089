import { z } from 'zod';
import { number } from '../shared/variables.ts';

export const messageVariables = z.object({
  CONNECTIONS_TABLE: z.string().min(1),
  SUBSCRIPTIONS_TABLE: z.string().min(1),
  MESSAGES_TABLE: z.string().min(1),
  OPERATIONS_TABLE: z.string().min(1),
  PUBLICATIONS_QUEUE_URL: z.url(),
  CALLBACK_URL: z.url(),
  MAX_MESSAGE_BYTES: number,
  MAX_CHANNELS_PER_CONNECTION: number,
  MAX_FRAMES_PER_SECOND: number,
  HEARTBEAT_INTERVAL_SECONDS: number,
  HEARTBEAT_GRACE_SECONDS: number,
  RETENTION_SECONDS: number,
  SHARD_SIZE: number,
  REPLAY_POSTS_PER_SECOND: number,
});
