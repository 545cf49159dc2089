import { type DynamoDBDocumentClient, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { epochSeconds } from '../shared/dynamodb.ts';
import type { FrameVerdict } from './frame-rate.ts';

/** What all function environments together have had of a connection within one second. */
export interface FrameTally {
  /** Adds frames and returns the sum. */
  add(connectionId: string, second: number, frames: number): Promise<number>;
}

/** Kept for a while, for whoever wants to see who flooded. */
const keptMs = 3_600_000;

export function dynamoDbFrameTally(client: DynamoDBDocumentClient, tableName: string): FrameTally {
  return {
    async add(connectionId, second, frames) {
      const { Attributes } = await client.send(
        new UpdateCommand({
          TableName: tableName,
          Key: { record: `frames#${connectionId}#${second}` },
          UpdateExpression: 'ADD #frames :frames SET expiresAt = :expiresAt',
          ExpressionAttributeNames: { '#frames': 'frames' },
          ExpressionAttributeValues: { ':frames': frames, ':expiresAt': epochSeconds(second * 1000 + keptMs) },
          ReturnValues: 'UPDATED_NEW',
        }),
      );
      return Attributes?.frames as number;
    },
  };
}

/** A connection with so many times its frames within a second is cut off. */
const floodFactor = 5;
/** Frames within a second, as a share of the rate, after which an environment tells the others. */
const reportedShare = 0.2;

/**
 * Holds a connection to its rate across function environments. A client that floods is handled by many environments at
 * once, each of which sees little of it; so each adds to a shared tally what it had, every fifth of the rate. Who sends
 * less than that to an environment costs no write at all.
 * @param local the verdict of this environment alone
 * @param failed called where the tally cannot be had; the local verdict then stands
 */
export function talliedFrameRate(
  perSecond: number,
  local: (connectionId: string, now: number) => FrameVerdict,
  tally: FrameTally,
  failed: (error: unknown) => void,
): (connectionId: string, now: number) => Promise<FrameVerdict> {
  const reportedFrames = Math.max(5, Math.ceil(perSecond * reportedShare));
  let current = 0;
  let windows = new Map<string, { unreported: number; total: number }>();
  return async (connectionId, now) => {
    const verdict = local(connectionId, now);
    const second = Math.floor(now / 1000);
    if (second !== current) {
      current = second;
      windows = new Map();
    }
    const window = windows.get(connectionId) ?? { unreported: 0, total: 0 };
    windows.set(connectionId, window);
    window.unreported += 1;
    if (window.unreported >= reportedFrames) {
      const frames = window.unreported;
      window.unreported = 0;
      try {
        window.total = await tally.add(connectionId, second, frames);
      } catch (error) {
        failed(error);
      }
    }
    if (window.total > floodFactor * perSecond) return 'flooding';
    return verdict === 'taken' && window.total > perSecond ? 'refused' : verdict;
  };
}
