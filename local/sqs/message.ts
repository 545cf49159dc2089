import { createHash } from 'node:crypto';

/** A user's attribute of a message, as the API carries it; `BinaryValue` in base64. */
export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string | undefined;
  readonly BinaryValue?: string | undefined;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** A message as it lies in a queue, with what only a receive may see. Times are epoch milliseconds. */
export interface StoredMessage {
  readonly id: string;
  /** 20 digits; on a FIFO queue what the API calls SequenceNumber. Also the order of arrival of a standard queue. */
  readonly sequence: string;
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
  readonly senderId: string;
  readonly sentAt: number;
  readonly traceHeader: string | undefined;
  /** ARN of the queue that gave the message up, if this is a dead-letter queue. */
  readonly sourceArn: string | undefined;
  /** Before this time it is delayed or in flight. */
  visibleAt: number;
  receiveCount: number;
  firstReceivedAt: number | undefined;
  lastReceivedAt: number | undefined;
  /** The part of the last receive's handle that no one can guess. */
  receipt: string | undefined;
}

export const md5Hex = (content: string | Buffer): string => createHash('md5').update(content).digest('hex');

const lengthPrefixed = (content: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
};

/** Digest of message attributes; the encoding is in "Calculating the MD5 message digest for message attributes". */
export function md5OfAttributes(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) return undefined;
  const parts = names.flatMap(name => {
    const attribute = attributes[name] as MessageAttribute;
    const binary = attribute.DataType.startsWith('Binary');
    const value = binary
      ? Buffer.from(attribute.BinaryValue ?? '', 'base64')
      : Buffer.from(attribute.StringValue ?? '');
    return [
      lengthPrefixed(Buffer.from(name)),
      lengthPrefixed(Buffer.from(attribute.DataType)),
      Buffer.from([binary ? 2 : 1]),
      lengthPrefixed(value),
    ];
  });
  return md5Hex(Buffer.concat(parts));
}

/** Bytes that count against the size limit: the body, and name, type and value of every attribute. */
export function messageBytes(body: string, attributes: MessageAttributes): number {
  let bytes = Buffer.byteLength(body);
  for (const [name, { DataType, StringValue, BinaryValue }] of Object.entries(attributes)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(DataType) + Buffer.byteLength(StringValue ?? '');
    bytes += BinaryValue === undefined ? 0 : Buffer.byteLength(BinaryValue, 'base64');
  }
  return bytes;
}
