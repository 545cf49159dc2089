import { createHash } from 'node:crypto';
import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { type DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import type { ControlReader } from './control.ts';
import { epochSeconds } from './dynamodb.ts';
import { Refusal } from './protocol.ts';

/** When each publisher last published to each channel, for all function environments together. */
export interface Turns {
  /** Takes a turn. @returns milliseconds until there is one, 0 where it was taken */
  take(publisher: string, channel: string, everyMs: number, now: number): Promise<number>;
}

export interface Throttle {
  /** @throws Refusal `throttled` with the time until the next message of the publisher may go to the channel */
  admit(publisher: string, channel: string, now: number): Promise<void>;
}

/** Records of turns in the Operations table begin so. */
export const turnPrefix = 'turn#';

/** Kept for a while after it means nothing any more; DynamoDB deletes it some time. */
const keptMs = 3_600_000;

/**
 * A read for each question, and a write for each turn that is taken; only while a throttle is on. What is refused costs no write:
 * the store may be short of them, which is why there is a throttle.
 */
export function dynamoDbTurns(client: DynamoDBDocumentClient, tableName: string): Turns {
  return {
    async take(publisher, channel, everyMs, now) {
      const publishes = createHash('sha256')
        .update(JSON.stringify([publisher, channel]))
        .digest('hex');
      const turn = { TableName: tableName, Key: { record: `${turnPrefix}${publishes}` } };
      // Clocks of two environments differ by a little: never longer than a turn.
      const waitMs = (takenAt: number) => Math.min(everyMs, Math.max(0, takenAt + everyMs - now));
      const { Item } = await client.send(new GetCommand({ ...turn, ConsistentRead: true }));
      const wait = waitMs(Number(Item?.takenAt ?? Number.NEGATIVE_INFINITY));
      if (wait > 0) return wait;
      try {
        await client.send(
          new UpdateCommand({
            ...turn,
            UpdateExpression: 'SET takenAt = :now, expiresAt = :expiresAt',
            ConditionExpression: 'attribute_not_exists(takenAt) OR takenAt <= :due',
            ExpressionAttributeValues: { ':now': now, ':due': now - everyMs, ':expiresAt': epochSeconds(now + keptMs) },
            ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
          }),
        );
        return 0;
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        // The document client leaves the item of an error in DynamoDB's own types.
        return Math.max(1, waitMs(Number(error.Item?.takenAt?.N ?? now)));
      }
    },
  };
}

/** Above this, those whose turn has come are forgotten: one takes some 100 bytes. */
const mostRemembered = 10_000;

/**
 * The control record's throttle. Without one it costs nothing. With one, a function environment asks for a turn only when it
 * does not know that it is not there yet: otherwise a throttled flood would cost the store as many writes as one that is not.
 * @param failed called where the turns cannot be had; the message is then taken: a throttle must not become an outage
 */
export function controlledThrottle(control: ControlReader, turns: Turns, failed: (error: Error) => void): Throttle {
  const takenAt = new Map<string, number>();
  const remember = (key: string, at: number, due: number) => {
    if (takenAt.size >= mostRemembered) for (const [each, before] of takenAt) if (before <= due) takenAt.delete(each);
    takenAt.set(key, at);
  };
  return {
    async admit(publisher, channel, now) {
      const { throttleMs } = await control.read();
      if (throttleMs === null) return;
      const key = JSON.stringify([publisher, channel]);
      let waitMs = Math.min(throttleMs, (takenAt.get(key) ?? Number.NEGATIVE_INFINITY) + throttleMs - now);
      if (waitMs <= 0) {
        try {
          waitMs = await turns.take(publisher, channel, throttleMs, now);
        } catch (error) {
          failed(error as Error);
          return;
        }
        remember(key, waitMs > 0 ? now + waitMs - throttleMs : now, now - throttleMs);
      }
      if (waitMs > 0) throw new Refusal('throttled', `one message in ${throttleMs} ms to a channel for now`, waitMs);
    },
  };
}
