/** What a client sent that the gateway does not accept. */
export type FrameViolation = 'frame-too-large' | 'message-too-large' | 'binary';

export interface FrameLimits {
  readonly maxFrameBytes: number;
  readonly maxMessageBytes: number;
}

export interface FrameMeter {
  /** Takes the next chunk of the stream. */
  read(chunk: Buffer): void;
  /** Messages without a violation whose last frame began. What the library hands out beyond them is refused. */
  readonly acceptedMessages: number;
}

const opcodes = { continuation: 0, binary: 2, firstControl: 8 };

/**
 * Reads the headers of the WebSocket frames (RFC 6455, section 5.2) in a client's byte stream, however it is cut into
 * chunks, and reports the first frame that breaks a limit. The payloads are left to the WebSocket library, which knows
 * messages only.
 */
export function createFrameMeter(limits: FrameLimits, onViolation: (violation: FrameViolation) => void): FrameMeter {
  const header = Buffer.alloc(14);
  let headerLength = 0;
  let payloadLeft = 0;
  let messageBytes = 0;
  let acceptedMessages = 0;
  let stopped = false;

  function headerBytesNeeded(): number {
    if (headerLength < 2) return 2;
    const second = header[1] as number;
    const length = second & 0x7f;
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second & 0x80 ? 4 : 0);
  }

  function payloadBytes(): number {
    const length = (header[1] as number) & 0x7f;
    if (length === 126) return header.readUInt16BE(2);
    if (length === 127) return Number(header.readBigUInt64BE(2));
    return length;
  }

  function violationOf(opcode: number, length: number): FrameViolation | undefined {
    if (opcode >= opcodes.firstControl) return undefined;
    if (opcode === opcodes.binary) return 'binary';
    messageBytes = opcode === opcodes.continuation ? messageBytes + length : length;
    if (length > limits.maxFrameBytes) return 'frame-too-large';
    return messageBytes > limits.maxMessageBytes ? 'message-too-large' : undefined;
  }

  function read(chunk: Buffer): void {
    let offset = 0;
    while (!stopped && offset < chunk.length) {
      if (payloadLeft > 0) {
        const skipped = Math.min(payloadLeft, chunk.length - offset);
        payloadLeft -= skipped;
        offset += skipped;
        continue;
      }
      header[headerLength++] = chunk[offset++] as number;
      if (headerLength < headerBytesNeeded()) continue;
      payloadLeft = payloadBytes();
      headerLength = 0;
      const first = header[0] as number;
      const opcode = first & 0x0f;
      const violation = violationOf(opcode, payloadLeft);
      if (violation) {
        stopped = true;
        onViolation(violation);
      } else if (opcode < opcodes.firstControl && first & 0x80) {
        acceptedMessages += 1;
      }
    }
  }

  return {
    read,
    get acceptedMessages() {
      return acceptedMessages;
    },
  };
}
