import type { MessageLog } from '../shared/message-log.ts';
import { type Message, origin } from '../shared/protocol.ts';

export interface Resumption {
  /** What the subscriber has missed, in order. Empty where it was not recovered. */
  readonly messages: readonly Message[];
  /** The subscriber is up to date to here once it has the messages. */
  readonly cursor: string;
  /** Whether it misses nothing; where it does, it goes on from the channel's head. */
  readonly recovered: boolean;
  /** Whether more is missed than one page holds: the subscriber asks again from `cursor`. */
  readonly more: boolean;
}

/**
 * Finds what a subscriber has missed since a cursor. Called after the subscription was written: what is appended later
 * reaches it through that.
 * @param since the last cursor that the subscriber has, or `origin`; undefined where it wants nothing of before
 */
export async function resume(
  channel: string,
  since: string | undefined,
  log: Pick<MessageLog, 'head' | 'from'>,
): Promise<Resumption> {
  // The head first: what is appended between the two readings is in the log, and must not look like a lost end.
  const head = (await log.head(channel)).cursor ?? origin;
  if (since === undefined) return { messages: [], cursor: head, recovered: true, more: false };
  const page = await log.from(channel, since);
  const known = page.messages[0]?.cursor === since;
  const missed = known ? page.messages.slice(1) : page.messages;
  const lost: Resumption = { messages: [], cursor: head, recovered: false, more: false };
  let cursor = since;
  for (const message of missed) {
    // Something between has expired, or `since` was never a cursor of this channel.
    if ((message.previous ?? origin) !== cursor) return lost;
    cursor = message.cursor;
  }
  // The end has expired: the head outlives it.
  if (!page.more && cursor < head) return lost;
  // A position ahead of the head is good where the log has it: a consumer died before it moved the head.
  if (missed.length === 0 && !known && since !== head) return lost;
  return { messages: missed, cursor, recovered: true, more: page.more };
}
