import { ItemRefused, type LogEntry, later, type MessageLog } from '../shared/message-log.ts';
import type { Message } from '../shared/protocol.ts';
import type { Delivery } from './delivery.ts';

/** Appends a delivery, or that it cannot be delivered, after `previous`. */
async function appendOne(
  channel: string,
  { cursor, publication }: Delivery,
  previous: string | null,
  log: Pick<MessageLog, 'append'>,
): Promise<LogEntry> {
  const place = { channel, cursor, previous };
  if (!publication) {
    const entry = { ...place, undeliverable: 'unreadable' } as const;
    await log.append(entry);
    return entry;
  }
  const { id, data, publishedAt, part } = publication;
  const message: Message = { ...place, id, data, publishedAt, ...(part && { part }) };
  try {
    await log.append(message);
    return message;
  } catch (error) {
    if (!(error instanceof ItemRefused)) throw error;
    // Where the store refuses this one too, the item is not the reason, and the channel waits.
    const entry = { ...place, undeliverable: 'refused' } as const;
    await log.append(entry);
    return entry;
  }
}

/**
 * Appends what is not in the log yet, in order.
 * @param deliveries of one channel, by rising cursor
 * @returns the entries of the batch as the log has them; what expired since an earlier delivery is not among them
 */
export async function append(
  channel: string,
  deliveries: readonly Delivery[],
  log: Pick<MessageLog, 'head' | 'last' | 'append' | 'between'>,
): Promise<readonly LogEntry[]> {
  // The log is a beginning of what the queue gives out, since everyone appends in the queue's order. Its end may be
  // ahead of the head, where a consumer died between the two, and behind it, where the log has expired.
  const [head, last] = await Promise.all([log.head(channel), log.last(channel)]);
  let previous = later(head.cursor, last);
  const appended = deliveries.filter(({ cursor }) => previous !== null && cursor <= previous);
  const entries: LogEntry[] = [];
  const [first, end] = [appended.at(0), appended.at(-1)];
  if (first && end) entries.push(...(await log.between(channel, first.cursor, end.cursor)));
  for (const delivery of deliveries.slice(appended.length)) {
    entries.push(await appendOne(channel, delivery, previous, log));
    previous = delivery.cursor;
  }
  return entries;
}
