import fc from 'fast-check';
import { createFrameMeter, type FrameViolation } from '../../../local/apigateway/frame-lengths.ts';
import { frame } from './gateway.ts';

const limits = { maxFrameBytes: 300, maxMessageBytes: 1000 };

/** A message's frames: their lengths, and whether it is binary. */
interface Message {
  readonly lengths: number[];
  readonly binary: boolean;
}

function bytesOf({ lengths, binary }: Message): Buffer {
  return Buffer.concat(
    lengths.map((length, i) =>
      frame(Buffer.alloc(length, 'x'), { opcode: i > 0 ? 0 : binary ? 2 : 1, fin: i === lengths.length - 1 }),
    ),
  );
}

function expected(messages: Message[]): FrameViolation | undefined {
  for (const { lengths, binary } of messages) {
    if (binary) return 'binary';
    let sum = 0;
    for (const length of lengths) {
      sum += length;
      if (length > limits.maxFrameBytes) return 'frame-too-large';
      if (sum > limits.maxMessageBytes) return 'message-too-large';
    }
  }
  return undefined;
}

/** How many messages come whole before the first violation. */
function acceptedBefore(messages: Message[]): number {
  return messages.findIndex(each => expected([each]) !== undefined);
}

const message: fc.Arbitrary<Message> = fc.record({
  lengths: fc.array(fc.oneof(fc.integer({ min: 0, max: 310 }), fc.constantFrom(125, 126, 127, 299, 300, 301, 70_000)), {
    minLength: 1,
    maxLength: 6,
  }),
  binary: fc.constant<boolean>(false),
});

test('the first violation is found however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          { weight: 9, arbitrary: message },
          { weight: 1, arbitrary: fc.constant<Message>({ lengths: [3], binary: true }) },
        ),
        { maxLength: 5 },
      ),
      fc.infiniteStream(fc.integer({ min: 1, max: 400 })),
      fc.boolean(),
      (messages, cuts, pings) => {
        const violations: FrameViolation[] = [];
        const meter = createFrameMeter(limits, violation => violations.push(violation));
        const ping = frame(Buffer.from('ping'), { opcode: 9 });
        const stream = Buffer.concat(messages.flatMap(each => (pings ? [ping, bytesOf(each)] : [bytesOf(each)])));
        for (let offset = 0; offset < stream.length; ) {
          const length = cuts.next().value;
          meter.read(stream.subarray(offset, offset + length));
          offset += length;
        }
        const first = expected(messages);
        expect(violations).toEqual(first === undefined ? [] : [first]);
        expect(meter.acceptedMessages).toBe(first === undefined ? messages.length : acceptedBefore(messages));
      },
    ),
  );
});

test('a control frame between the frames of a message does not start a new one', () => {
  const violations: FrameViolation[] = [];
  const meter = createFrameMeter({ maxFrameBytes: 10, maxMessageBytes: 15 }, violation => violations.push(violation));
  meter.read(frame(Buffer.alloc(10), { fin: false }));
  meter.read(frame(Buffer.alloc(2), { opcode: 9 }));
  expect(violations).toEqual([]);
  meter.read(frame(Buffer.alloc(10), { opcode: 0 }));
  expect(violations).toEqual(['message-too-large']);
});

test('a frame is refused by its header, before its payload came', () => {
  const violations: FrameViolation[] = [];
  const meter = createFrameMeter(limits, violation => violations.push(violation));
  meter.read(frame(Buffer.alloc(100_000)).subarray(0, 14));
  expect(violations).toEqual(['frame-too-large']);
});
