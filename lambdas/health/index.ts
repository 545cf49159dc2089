import { setTimeout } from 'node:timers/promises';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { type ConnectionCount, dynamoDbConnectionCount } from '../shared/connection-count.ts';
import { readTimeoutMs } from '../shared/control.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { environmentOf, functionControl } from '../shared/environment.ts';
import { logger } from '../shared/logger.ts';
import { readVariables } from '../shared/variables.ts';
import { healthVariables } from './variables.ts';

const variables = readVariables(healthVariables);
const environment = environmentOf({
  // At first, too: an answer would wait for it beyond its own patience, and needs nothing of it.
  control: functionControl(variables.OPERATIONS_TABLE, { firstTimeoutMs: readTimeoutMs }),
  reads: 'alongside',
  open() {
    const client = dynamoDb();
    return { count: dynamoDbConnectionCount(client, variables.OPERATIONS_TABLE), end: () => client.destroy() };
  },
});

/** A store that has not answered by then is not healthy, whatever it answers later. */
const patienceMs = 1_500;

async function storeAnswers(count: ConnectionCount): Promise<boolean> {
  const giveUp = new AbortController();
  try {
    await Promise.race([
      count.read(),
      setTimeout(patienceMs, undefined, { signal: giveUp.signal }).then(() => {
        throw new Error(`no answer within ${patienceMs} ms`);
      }),
    ]);
    return true;
  } catch (error) {
    logger.error('the store does not answer', error as Error);
    return false;
  } finally {
    giveUp.abort();
  }
}

/** `GET /health`: 200 where the service can work, 503 where its store does not answer. `uptime` is this environment's, in seconds. */
export async function handler(): Promise<APIGatewayProxyStructuredResultV2> {
  const healthy = await environment.run(({ count }) => storeAnswers(count));
  return {
    statusCode: healthy ? 200 : 503,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: JSON.stringify({
      status: healthy ? 'ok' : 'error',
      timestamp: new Date().toISOString(),
      uptime: process.uptime(),
      database: { overall: healthy ? 'healthy' : 'unhealthy' },
    }),
  };
}
