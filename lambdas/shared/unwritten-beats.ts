import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { type DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { operationsTable } from './tables.ts';

/**
 * Heartbeats that are answered and not written look like silence afterwards, however short a degraded presence was. So
 * whoever answers one leaves a trace first, and nobody's silence is judged that goes back before it.
 */
export interface UnwrittenBeats {
  /** Notes that until then, epoch milliseconds, heartbeats may be answered without being written. */
  extend(until: number): Promise<void>;
  /** Until when they may have been; 0 where never. Strongly consistent. */
  until(): Promise<number>;
}

/** The trace's record in the Operations table. */
export const unwrittenBeatsRecord = 'unwritten-heartbeats';

/** A heartbeat waits no longer for it. */
const extendTimeoutMs = 1_000;

export function dynamoDbUnwrittenBeats(client: DynamoDBDocumentClient, tableName: string): UnwrittenBeats {
  const common = { TableName: tableName, Key: { [operationsTable.partitionKey]: unwrittenBeatsRecord } };
  return {
    async extend(until) {
      try {
        await client.send(
          new UpdateCommand({
            ...common,
            UpdateExpression: 'SET #until = :until',
            ConditionExpression: 'attribute_not_exists(#until) OR #until < :until',
            ExpressionAttributeNames: { '#until': 'until' },
            ExpressionAttributeValues: { ':until': until },
          }),
          { abortSignal: AbortSignal.timeout(extendTimeoutMs) },
        );
      } catch (error) {
        // Another environment has noted more already.
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    },
    async until() {
      const { Item } = await client.send(new GetCommand({ ...common, ConsistentRead: true }));
      return (Item?.until as number | undefined) ?? 0;
    },
  };
}

/** One note of an environment is good for so long: a write in 10 s instead of one for each heartbeat. */
const notedMs = 10_000;

/**
 * Leaves the trace for one function environment.
 * @param failed called where it cannot be left
 * @returns whether a heartbeat of `now` is covered; where not, it must be written
 */
export function beatNotes(
  unwritten: Pick<UnwrittenBeats, 'extend'>,
  failed: (error: Error) => void,
): (now: number) => Promise<boolean> {
  let notedUntil = Number.NEGATIVE_INFINITY;
  return async now => {
    if (now <= notedUntil) return true;
    const until = now + notedMs;
    try {
      await unwritten.extend(until);
    } catch (error) {
      failed(error as Error);
      return false;
    }
    notedUntil = Math.max(notedUntil, until);
    return true;
  };
}
