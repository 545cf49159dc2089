import { type Cursor, maxFrameBytes, origin, type Part } from './frames.ts';

/** A piece of a message's JSON text, and its place in it. */
export interface Piece {
  readonly data: string;
  readonly part: Part;
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** What a frame leaves to a part's data, in bytes: of the frame that carries it out, which is the longer one. */
function room(channel: string, id: string, bytes: number): number {
  const position: Cursor = origin;
  const envelope = {
    type: 'message',
    channel,
    cursor: position,
    previous: position,
    id,
    data: '',
    publishedAt: Number.MAX_SAFE_INTEGER,
    part: { offset: bytes, bytes, of: 'x'.repeat(22) },
    replay: true,
  };
  return maxFrameBytes - bytesOf(JSON.stringify(envelope));
}

/** Bytes of a character as UTF-8, by its first code unit; 4 stand for both halves of a surrogate pair. */
const utf8Bytes = (unit: number): number => {
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  return unit >= 0xd800 && unit < 0xe000 ? 4 : 3;
};

const quote = 0x22;
const backslash = 0x5c;

/**
 * Cuts what `JSON.stringify` wrote so that each piece, written as JSON again, fits a frame. No surrogate pair is cut.
 * @param text has neither control characters nor lone surrogates, since `JSON.stringify` escapes both
 */
export function cut(text: string, channel: string, id: string): readonly Piece[] {
  const bytes = bytesOf(text);
  const limit = room(channel, id, bytes);
  const pieces: Piece[] = [];
  let [start, offset, length, written] = [0, 0, 0, 0];
  const flush = (end: number) => {
    pieces.push({ data: text.slice(start, end), part: { offset, bytes } });
    offset += length;
    start = end;
    length = 0;
    written = 0;
  };
  for (let at = 0; at < text.length; ) {
    const unit = text.charCodeAt(at);
    const size = utf8Bytes(unit);
    const escaped = unit === quote || unit === backslash ? 2 : size;
    if (written + escaped > limit) flush(at);
    length += size;
    written += escaped;
    at += size === 4 ? 2 : 1;
  }
  flush(text.length);
  return pieces;
}
