import type { LogEntry, MessageLog } from '../shared/message-log.ts';
import { origin } from '../shared/protocol.ts';

export interface Resumption {
  /** What the subscriber has missed, in order. Empty where it was not recovered. */
  readonly messages: readonly LogEntry[];
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

/**
 * The same for a subscriber that wants the newest message only, and for which skipping is no loss. A message in parts is
 * found by replaying all of them.
 */
export async function resumeLatest(
  channel: string,
  since: string | undefined,
  log: Pick<MessageLog, 'head' | 'from' | 'last' | 'between'>,
): Promise<Resumption> {
  // The head first, for the reason above.
  const { cursor: head } = await log.head(channel);
  const last = since === undefined ? null : await log.last(channel);
  const [newest] = last === null ? [] : await log.between(channel, last, last);
  if (newest && 'part' in newest && newest.part) {
    const resumed = await resume(channel, since, log);
    return { ...resumed, recovered: true };
  }
  const position = newest?.cursor ?? head ?? origin;
  const isNew = newest !== undefined && since !== undefined && newest.cursor > since;
  return { messages: isNew ? [newest] : [], cursor: position, recovered: true, more: false };
}
