import { z } from 'zod';
import { presenceVariables } from '../shared/presence.ts';
import { number } from '../shared/variables.ts';

export const fanOutVariables = presenceVariables.extend({
  MESSAGES_TABLE: z.string().min(1),
  CALLBACK_URL: z.url(),
  PUBLICATIONS_QUEUE_URL: z.url(),
  SHARD_TASKS_QUEUE_URL: z.url(),
  /** Tells the records of the two queues apart. */
  SHARD_TASKS_QUEUE_ARN: z.string().min(1),
  PUBLICATION_DEAD_LETTERS_URL: z.url(),
  SHARD_TASK_DEAD_LETTERS_URL: z.url(),
  RETENTION_SECONDS: number,
  POST_TIMEOUT_SECONDS: number,
  POST_PARALLELISM: number,
  POSTS_PER_SECOND: number,
  POST_BURST: number,
  /** Invocations that there can be at once, each with its part of the request quota. */
  INVOCATIONS: number,
  SHARD_SIZE: number,
});
