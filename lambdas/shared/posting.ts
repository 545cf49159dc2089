import type { Callback, PostResult } from './callback.ts';
import { encodeFrame, type Message, type MessageFrame } from './protocol.ts';

/** Messages for one connection share a frame up to this size: the unit that API Gateway bills. */
const sharedFrameBytes = 32 * 1024;

/** The frames that carry messages, in order, several in one where they are small. */
export function framesOf(messages: readonly Message[], marks: { readonly replay?: true } = {}): readonly string[] {
  const frames: string[] = [];
  let batch: MessageFrame[] = [];
  let bytes = 0;
  const flush = () => {
    const [only] = batch;
    if (only) frames.push(encodeFrame(batch.length === 1 ? only : { type: 'messages', messages: batch }));
    batch = [];
    bytes = Buffer.byteLength(encodeFrame({ type: 'messages', messages: [] }));
  };
  flush();
  for (const message of messages) {
    const entry: MessageFrame = { type: 'message', ...message, ...marks };
    const size = Buffer.byteLength(encodeFrame(entry)) + 1;
    if (bytes + size > sharedFrameBytes) flush();
    batch.push(entry);
    bytes += size;
  }
  flush();
  return frames;
}

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
