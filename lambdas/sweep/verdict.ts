import { type DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import { censusRecord } from '../census/record.ts';

const verdict = z.object({ state: z.object({ takenAt: z.number(), mayEvictMany: z.boolean() }) });

/** As old as a verdict may be: two censuses were missed. */
const longestMs = 150_000;

/** Whether the last census, of a moment ago, found that silent clients are dead ones, however many. */
export function censusVerdict(client: DynamoDBDocumentClient, tableName: string): (now: number) => Promise<boolean> {
  return async now => {
    const { Item } = await client.send(
      new GetCommand({ TableName: tableName, Key: { record: censusRecord }, ConsistentRead: true }),
    );
    const last = verdict.safeParse(Item);
    return last.success && last.data.state.mayEvictMany && now - last.data.state.takenAt <= longestMs;
  };
}
