import { AwsError, type Log } from '../aws/service.ts';
import type { Clock } from '../clock.ts';
import type { Json } from './dynalite.ts';
import type { TableDefinition } from './table-definition.ts';

export interface TtlSweepOptions {
  readonly tables: readonly TableDefinition[];
  readonly itemsOf: (table: string) => AsyncIterable<Json>;
  /** Runs a DeleteItem. */
  readonly write: (deleteItem: Json) => Promise<unknown>;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

// "Using time to live (TTL) in DynamoDB": an item that expired more than five years ago is left alone.
const fiveYearsSeconds = 5 * 365 * 86_400;

/** Deletes expired items of tables with TTL, rarely. */
export function startTtlSweep({ tables, itemsOf, write, intervalMs, clock, log }: TtlSweepOptions) {
  let running: Promise<number> = Promise.resolve(0);

  const now = (): Promise<number> => {
    running = running.then(sweep, sweep);
    return running;
  };
  const timer = setInterval(() => {
    now().catch(error => log('error', 'dynamodb', 'deleting expired items failed', { error: String(error) }));
  }, intervalMs);
  timer.unref();

  async function sweep(): Promise<number> {
    const nowSeconds = Math.floor(clock.now() / 1000);
    let deleted = 0;
    for (const { name, keyNames, ttlAttribute } of tables) {
      if (ttlAttribute === undefined) continue;
      for await (const item of itemsOf(name)) {
        if (!isExpired(item[ttlAttribute], nowSeconds)) continue;
        const key = Object.fromEntries(keyNames.map(keyName => [keyName, item[keyName]]));
        if (await deleteExpired(name, key, ttlAttribute, nowSeconds)) deleted++;
      }
    }
    return deleted;
  }

  /** False if the item was given another expiry in the meantime. */
  async function deleteExpired(table: string, key: Json, attribute: string, nowSeconds: number): Promise<boolean> {
    try {
      await write({
        TableName: table,
        Key: key,
        ConditionExpression: '#expiry < :now',
        ExpressionAttributeNames: { '#expiry': attribute },
        ExpressionAttributeValues: { ':now': { N: String(nowSeconds) } },
      });
      return true;
    } catch (error) {
      if (error instanceof AwsError && error.code === 'ConditionalCheckFailedException') return false;
      throw error;
    }
  }

  return {
    now,
    stop: async (): Promise<void> => {
      clearInterval(timer);
      await Promise.allSettled([running]);
    },
  };
}

/** Only numbers count as an expiry, in seconds. */
function isExpired(value: unknown, nowSeconds: number): boolean {
  if (typeof value !== 'object' || value === null || !('N' in value)) return false;
  const expiry = Number(value.N);
  return expiry < nowSeconds && expiry > nowSeconds - fiveYearsSeconds;
}
