import { SQSClient } from '@aws-sdk/client-sqs';
import type { z } from 'zod';
import { signedCallback } from '../shared/callback.ts';
import { type Control, dynamoDbControl } from '../shared/control.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { logger } from '../shared/logger.ts';
import { dynamoDbMessageLog } from '../shared/message-log.ts';
import { pacedCallback, postPace } from '../shared/post-pace.ts';
import { dynamoDbPresence } from '../shared/presence.ts';
import { quotaParts } from './quota-parts.ts';
import type { fanOutVariables } from './variables.ts';

/** "Lambda quotas": 1,024 file descriptors, and each post under way holds a socket. */
const maxParallelism = 500;

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
  const pace = postPace({ perSecond: variables.POSTS_PER_SECOND, burst: variables.POST_BURST });
  return {
    parallelism,
    log: dynamoDbMessageLog(client, variables.MESSAGES_TABLE, variables.RETENTION_SECONDS * 1000),
    presence: dynamoDbPresence(variables, client),
    control: dynamoDbControl(client, variables.OPERATIONS_TABLE, (message, error) => logger.error(message, error)),
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
  Math.min(maxParallelism, postParallelism ?? setting);

/**
 * The clients of a function environment, opened anew when the control record's `generation` has risen: an operator asks
 * for it where an environment may hold on to something broken. Another parallelism needs another pool, too. To be called
 * while none of them is in use.
 */
export function renewedClients(
  variables: z.infer<typeof fanOutVariables>,
): () => Promise<{ readonly clients: Clients; readonly control: Control }> {
  let clients = openClients(variables, parallelismOf({ postParallelism: null }, variables.POST_PARALLELISM));
  let generation: number | undefined;
  return async () => {
    const control = await clients.control.read();
    const parallelism = parallelismOf(control, variables.POST_PARALLELISM);
    const risen = generation !== undefined && control.generation > generation;
    if (risen || parallelism !== clients.parallelism) {
      await clients.end();
      clients = openClients(variables, parallelism);
      logger.info('clients opened anew', { generation: control.generation, parallelism });
    }
    generation = Math.max(generation ?? control.generation, control.generation);
    return { clients, control };
  };
}
