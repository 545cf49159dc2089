import { type LogEntry, later, type MessageLog } from '../shared/message-log.ts';
import { origin } from '../shared/protocol.ts';

export interface Resumption {
  /** What the subscriber has missed, in order. Empty where it was not recovered. */
  readonly messages: readonly LogEntry[];
  /** The subscriber is up to date to here once it has the messages. */
  readonly cursor: string;
  /** Whether it misses nothing; where it does, it goes on from the channel's end. */
  readonly recovered: boolean;
  /** Whether more is missed than one page holds: the subscriber asks again from `cursor`. */
  readonly more: boolean;
}

type ResumeLog = Pick<MessageLog, 'head' | 'from' | 'last' | 'moveHead'>;

/**
 * Gives a position out. The log may be ahead of the head, where a consumer is between the two or has died there. What the
 * log has expires; so the head is moved first, or one who comes back with this position could not be told from one whose
 * position never was.
 */
async function given(
  channel: string,
  head: string,
  resumption: Resumption,
  log: Pick<MessageLog, 'moveHead'>,
): Promise<Resumption> {
  if (resumption.cursor > head) await log.moveHead(channel, resumption.cursor);
  return resumption;
}

/**
 * Finds what a subscriber has missed since a cursor. Called after the subscription was written: what is appended later
 * reaches it through that.
 * @param since the last cursor that the subscriber has, or `origin`; undefined where it wants nothing of before
 */
export async function resume(channel: string, since: string | undefined, log: ResumeLog): Promise<Resumption> {
  // The head first: what is appended between the two readings is in the log, and must not look like a lost end.
  const head = (await log.head(channel)).cursor ?? origin;
  if (since === undefined) return { messages: [], cursor: head, recovered: true, more: false };
  const page = await log.from(channel, since);
  const known = page.messages[0]?.cursor === since;
  const missed = known ? page.messages.slice(1) : page.messages;
  const lost = async (): Promise<Resumption> => {
    // Nothing that is told as lost may come after it.
    const cursor = later(head, await log.last(channel)) ?? origin;
    return given(channel, head, { messages: [], cursor, recovered: false, more: false }, log);
  };
  let cursor = since;
  for (const message of missed) {
    // Something between has expired, or `since` was never a cursor of this channel.
    if ((message.previous ?? origin) !== cursor) return lost();
    cursor = message.cursor;
  }
  // The end has expired: the head outlives it.
  if (!page.more && cursor < head) return lost();
  if (missed.length === 0 && !known && since !== head) return lost();
  return given(channel, head, { messages: missed, cursor, recovered: true, more: page.more }, log);
}

/**
 * The same for a subscriber that wants the newest message only, and for which skipping is no loss. A message in parts is
 * found by replaying all of them.
 */
export async function resumeLatest(
  channel: string,
  since: string | undefined,
  log: ResumeLog & Pick<MessageLog, 'between'>,
): Promise<Resumption> {
  // The head first, for the reason above.
  const head = (await log.head(channel)).cursor ?? origin;
  const last = since === undefined ? null : await log.last(channel);
  const [newest] = last === null ? [] : await log.between(channel, last, last);
  if (newest && 'part' in newest && newest.part) {
    const resumed = await resume(channel, since, log);
    return { ...resumed, recovered: true };
  }
  const cursor = newest?.cursor ?? head;
  const isNew = newest !== undefined && since !== undefined && newest.cursor > since;
  return given(channel, head, { messages: isNew ? [newest] : [], cursor, recovered: true, more: false }, log);
}
