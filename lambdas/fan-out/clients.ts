import { SQSClient } from '@aws-sdk/client-sqs';
import type { z } from 'zod';
import { signedCallback } from '../shared/callback.ts';
import type { Control, ControlReader } from '../shared/control.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { type Environment, environmentOf } from '../shared/environment.ts';
import { logger } from '../shared/logger.ts';
import { dynamoDbMessageLog } from '../shared/message-log.ts';
import { pacedCallback, postPace } from '../shared/post-pace.ts';
import { dynamoDbPresence } from '../shared/presence.ts';
import { mostPosts } from './most-posts.ts';
import { quotaParts } from './quota-parts.ts';
import type { fanOutVariables } from './variables.ts';

/**
 * Everything of a function environment that holds a connection or remembers something.
 * @param parallelism posts under way at once. The pool has as many sockets: with more it opens them all, which costs CPU.
 */
function openClients(variables: z.infer<typeof fanOutVariables>, parallelism: number) {
  const client = dynamoDb();
  const sqs = new SQSClient({
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
  });
  const sockets = signedCallback({
    url: variables.CALLBACK_URL,
    timeoutMs: variables.POST_TIMEOUT_SECONDS * 1000,
    connections: parallelism,
  });
  let posts = parallelism;
  const pace = postPace({ perSecond: variables.POSTS_PER_SECOND, burst: variables.POST_BURST });
  return {
    get parallelism() {
      return posts;
    },
    /** Changes the posts under way at once, and nothing else: what the pace and the parts of the quota know stays true. */
    async postAtOnce(most: number) {
      if (most === posts) return;
      posts = most;
      await sockets.resize(most);
    },
    log: dynamoDbMessageLog(client, variables.MESSAGES_TABLE, variables.RETENTION_SECONDS * 1000),
    presence: dynamoDbPresence(variables, client),
    sqs,
    pace,
    callback: pacedCallback(sockets, pace),
    quota: quotaParts({
      client,
      tableName: variables.OPERATIONS_TABLE,
      invocations: variables.INVOCATIONS,
      use: pace.use,
      failed: error => logger.warn('not known who else posts, one part of the quota is used', error),
    }),
    async end() {
      client.destroy();
      sqs.destroy();
      await sockets.end();
    },
  };
}

export type Clients = ReturnType<typeof openClients>;

/** Posts under way at once, as the control record has it or the setting, and no more than there can be sockets. */
export const parallelismOf = ({ postParallelism }: Pick<Control, 'postParallelism'>, setting: number): number =>
  Math.min(mostPosts, postParallelism ?? setting);

/** The clients of a function environment. */
export const fanOutEnvironment = (
  variables: z.infer<typeof fanOutVariables>,
  control: ControlReader,
): Environment<Clients> =>
  environmentOf({
    control,
    // What it says of posts and flushes holds for the whole batch.
    reads: 'first',
    open: record => openClients(variables, parallelismOf(record, variables.POST_PARALLELISM)),
    adapt: (clients, record) => clients.postAtOnce(parallelismOf(record, variables.POST_PARALLELISM)),
  });
