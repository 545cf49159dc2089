import { type DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import { censusRecord } from '../census/record.ts';

const verdict = z.object({ state: z.object({ takenAt: z.number(), mayEvictMany: z.boolean() }) });

/** As old as a verdict may be: two censuses were missed. */
const longestMs = 150_000;

/**
 * When the last census found that who was silent then is dead, however many; undefined where it did not, or is no longer of a
 * moment ago. Of who fell silent since it says nothing: heartbeats may have ceased to be written a moment before it.
 */
export function censusVerdict(
  client: DynamoDBDocumentClient,
  tableName: string,
): (now: number) => Promise<number | undefined> {
  return async now => {
    const { Item } = await client.send(
      new GetCommand({ TableName: tableName, Key: { record: censusRecord }, ConsistentRead: true }),
    );
    const last = verdict.safeParse(Item);
    if (!last.success) return undefined;
    const { takenAt, mayEvictMany } = last.data.state;
    return mayEvictMany && now - takenAt <= longestMs ? takenAt : undefined;
  };
}
