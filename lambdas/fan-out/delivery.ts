import { z } from 'zod';
import { channelSchema, cursorOf, cursorSchema } from '../shared/protocol.ts';
import { type Publication, publicationSchema } from '../shared/publication.ts';
import type { QueueRecord } from './batch.ts';

/** What the queue of publications gives out, with its place in the channel. */
export interface Delivery {
  readonly cursor: string;
  /** Undefined where the body is none of this channel, and never will be. */
  readonly publication: Publication | undefined;
  /** As it came, for the dead-letter queue. */
  readonly body: string;
  /** When the queue took it, epoch milliseconds. */
  readonly sentAt: number;
}

/** Stands in the queue behind publications that were logged and not posted: subscribers are told to fetch them. */
export const resyncMarkerSchema = z.strictObject({ channel: channelSchema, resync: z.literal(true) });
export type ResyncMarker = z.infer<typeof resyncMarkerSchema>;

/** Part of a large channel's delivery: what its subscribers of one shard are to get. */
export const shardTaskSchema = z.object({
  channel: channelSchema,
  shard: z.int().min(0),
  /** Whether the shard is known to be full. */
  full: z.boolean(),
  /** Cursors of the first and the last log entry; absent where they are to fetch what they miss by themselves. */
  entries: z.object({ from: cursorSchema, to: cursorSchema, publishedAt: z.number() }).optional(),
});
export type ShardTask = z.infer<typeof shardTaskSchema>;

function parsed<T>(schema: z.ZodType<T>, body: string): T | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    // Not JSON: what it is stays open, and the caller says what becomes of it.
    return undefined;
  }
  return schema.safeParse(value).data;
}

/** Reads a record of the queue of publications. */
export function readDelivery(channel: string, record: QueueRecord): Delivery | ResyncMarker {
  const { body, sequenceNumber, sentAt } = record;
  const marker = parsed(resyncMarkerSchema, body);
  if (marker?.channel === channel) return marker;
  const publication = parsed(publicationSchema, body);
  return {
    cursor: cursorOf(sequenceNumber),
    publication: publication?.channel === channel ? publication : undefined,
    body,
    sentAt,
  };
}

/** Reads a record of the queue of shard tasks; undefined where it is none. */
export const readShardTask = ({ body }: QueueRecord): ShardTask | undefined => parsed(shardTaskSchema, body);
