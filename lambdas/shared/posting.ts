import type { Callback, PostResult } from './callback.ts';
import type { LogEntry } from './message-log.ts';
import { encodeFrame, type MessageFrame } from './protocol.ts';

/** Messages for one connection share a frame up to this size: the unit that API Gateway bills. */
const sharedFrameBytes = 32 * 1024;

interface Marks {
  readonly replay?: true;
}

const emptyFrameBytes = Buffer.byteLength(encodeFrame({ type: 'messages', messages: [] }));

/** What goes into one frame each, in order: messages share one where they are small; what cannot be delivered has its own. */
export function frameRuns(entries: readonly LogEntry[], marks: Marks = {}): readonly (readonly LogEntry[])[] {
  const runs: LogEntry[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const alone = 'undeliverable' in entry;
    const size = alone ? Number.POSITIVE_INFINITY : Buffer.byteLength(encodeFrame(messageFrame(entry, marks))) + 1;
    const run = runs.at(-1);
    if (run && bytes + size <= sharedFrameBytes) {
      run.push(entry);
      bytes += size;
    } else {
      runs.push([entry]);
      bytes = emptyFrameBytes + size;
    }
  }
  return runs;
}

const messageFrame = (message: Exclude<LogEntry, { undeliverable: string }>, marks: Marks): MessageFrame => ({
  type: 'message',
  ...message,
  ...marks,
});

/** The frame that carries a run. */
function frameOf(run: readonly LogEntry[], marks: Marks): string {
  const messages: MessageFrame[] = [];
  for (const entry of run) {
    if (!('undeliverable' in entry)) messages.push(messageFrame(entry, marks));
    else {
      const { channel, cursor, previous } = entry;
      return encodeFrame({ type: 'undeliverable', channel, cursor, previous });
    }
  }
  const [only] = messages;
  return encodeFrame(only && messages.length === 1 ? only : { type: 'messages', messages });
}

/** The frames that carry what a log has, in order, several messages in one where they are small. */
export const framesOf = (entries: readonly LogEntry[], marks: Marks = {}): readonly string[] =>
  frameRuns(entries, marks).map(run => frameOf(run, marks));

/** Posts frames in order to one connection; stops at the first that is not delivered. */
export async function postInOrder(
  connectionId: string,
  frames: readonly string[],
  callback: Pick<Callback, 'post'>,
): Promise<PostResult> {
  for (const frame of frames) {
    const result = await callback.post(connectionId, frame);
    if (result !== 'delivered') return result;
  }
  return 'delivered';
}
