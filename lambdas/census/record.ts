import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { type DynamoDBDocumentClient, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import { levelSchema } from './level.ts';

/** The key of the census's record in the Operations table. */
export const censusRecord = 'census';

/** What a census leaves for the next one. */
export const censusStateSchema = z.object({
  level: levelSchema.default({ counts: [], peak: 0 }),
  /** When connections were last counted; epoch milliseconds. */
  takenAt: z.number().optional(),
  /** Since when heartbeats have been watched without a break; epoch milliseconds. */
  watchedSince: z.number().optional(),
  /** Whether silence meant at that time that clients are dead. */
  mayEvict: z.boolean().default(false),
  /** Whether it did however many they are, since the others were heard: for who asks for it, and not for each census. */
  mayEvictMany: z.boolean().default(false),
});
export type CensusState = z.infer<typeof censusStateSchema>;

/** The state of the census, held by one at a time: two that overlap would both correct the counters. */
export interface CensusRecord {
  /** @returns the state as the last one left it; undefined while another holds it */
  acquire(holder: string, now: number): Promise<CensusState | undefined>;
  /**
   * Lets go of it.
   * @param state what to leave; as it was where absent
   * @throws Error where another has taken it over meanwhile
   */
  release(holder: string, state?: CensusState): Promise<void>;
}

/** A census that died holds it no longer than its function could have run (55 s, `Connections`). */
const leaseMs = 56_000;

export function dynamoDbCensusRecord(
  client: DynamoDBDocumentClient,
  tableName: string,
  failed: (message: string, error: Error) => void,
): CensusRecord {
  const common = { TableName: tableName, Key: { record: censusRecord } };
  return {
    async acquire(holder, now) {
      try {
        const { Attributes } = await client.send(
          new UpdateCommand({
            ...common,
            UpdateExpression: 'SET #holder = :holder, heldUntil = :until',
            ConditionExpression: 'attribute_not_exists(heldUntil) OR heldUntil < :now',
            ExpressionAttributeNames: { '#holder': 'holder' },
            ExpressionAttributeValues: { ':holder': holder, ':until': now + leaseMs, ':now': now },
            ReturnValues: 'ALL_NEW',
          }),
        );
        const state = censusStateSchema.safeParse(Attributes?.state ?? {});
        if (!state.success) failed('the state of the last census cannot be read, a new one begins', state.error);
        return state.success ? state.data : censusStateSchema.parse({});
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return undefined;
        throw error;
      }
    },
    async release(holder, state) {
      await client.send(
        new UpdateCommand({
          ...common,
          UpdateExpression: `${state ? 'SET #state = :state ' : ''}REMOVE #holder, heldUntil`,
          ConditionExpression: '#holder = :holder',
          ExpressionAttributeNames: { '#holder': 'holder', ...(state && { '#state': 'state' }) },
          ExpressionAttributeValues: { ':holder': holder, ...(state && { ':state': state }) },
        }),
      );
    },
  };
}
