import fc from 'fast-check';
import {
  type ClientFrame,
  cursorOf,
  cursorSchema,
  decodeFrame,
  encodeFrame,
  errorFrame,
  FrameRefusal,
  type Message,
  maxFrameBytes,
  origin,
  outgoingFrameBytes,
  Refusal,
  referenceIn,
} from '../../../lambdas/shared/protocol.ts';

/** The frame, or the refusal of it. */
function decoded(text: string): ClientFrame | FrameRefusal {
  try {
    return decodeFrame(text);
  } catch (error) {
    if (error instanceof FrameRefusal) return error;
    throw error;
  }
}
const refusalOf = (frame: unknown): FrameRefusal => {
  const result = decoded(typeof frame === 'string' ? frame : JSON.stringify(frame));
  if (result instanceof FrameRefusal) return result;
  throw new Error(`taken: ${JSON.stringify(result)}`);
};
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const publishFrame = (data: string): string => `{"action":"publish","channel":"c","id":"1","data":${data}}`;

describe('a frame that is understood', () => {
  test.each<ClientFrame>([
    { type: 'ping' },
    { action: 'subscribe', channel: 'room:1' },
    { action: 'subscribe', channel: 'room:1', since: origin, request: 7 },
    { action: 'subscribe', channel: 'room:1', since: origin, latest: true },
    { action: 'publish', channel: 'room:1', id: '1', data: 'x', part: { offset: 0, bytes: 1_048_576 } },
    { action: 'unsubscribe', channel: 'room:1', request: 'r' },
    { action: 'publish', channel: 'a/b@c.d,e~!$&-+=_', id: 'x'.repeat(128), data: null },
    { action: 'publish', channel: 'c'.repeat(128), id: '1', data: { a: [1, 'b', false, null, {}] }, request: 0 },
    { action: 'heartbeat' },
    { action: 'presence', channel: 'room:1' },
  ])('%j', frame => {
    expect(decodeFrame(JSON.stringify(frame))).toEqual(frame);
  });

  test('data is taken as it is, whatever the names in it', () => {
    const data = '{"__proto__":{"a":1},"constructor":2,"toString":[]}';
    expect(JSON.stringify(decodeFrame(publishFrame(data)))).toContain(`"data":${data}`);
  });

  test('any JSON value is data', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), data => {
        const frame = decodeFrame(publishFrame(data));
        expect(frame).toEqual({ action: 'publish', channel: 'c', id: '1', data: JSON.parse(data) });
      }),
    );
  });
});

describe('a frame that is refused', () => {
  const wrongAction = 'action: one of subscribe, unsubscribe, publish, heartbeat, presence was expected, as text';
  const channelCharacters = 'letters, digits and _ . : @ / + = , ~ ! $ & - only';
  test.each<[unknown, string, string]>([
    ['', 'bad_json', 'the frame is not JSON'],
    ['{"action":', 'bad_json', 'the frame is not JSON'],
    ['ping', 'bad_json', 'the frame is not JSON'],
    ['null', 'bad_frame', 'frame: Invalid input: expected object, received null'],
    ['[]', 'bad_frame', 'frame: Invalid input: expected object, received array'],
    ['"ping"', 'bad_frame', 'frame: Invalid input: expected object, received string'],
    [{}, 'bad_frame', wrongAction],
    [{ action: 5 }, 'bad_frame', wrongAction],
    [{ type: 'pong' }, 'bad_frame', wrongAction],
    [
      { action: 'shout' },
      'unknown_action',
      'the action is one of subscribe, unsubscribe, publish, heartbeat, presence',
    ],
    [
      { action: 'toString' },
      'unknown_action',
      'the action is one of subscribe, unsubscribe, publish, heartbeat, presence',
    ],
    [{ action: 'subscribe' }, 'bad_frame', 'channel: Invalid input: expected string, received undefined'],
    [{ action: 'subscribe', channel: 5 }, 'bad_frame', 'channel: Invalid input: expected string, received number'],
    [{ action: 'subscribe', channel: '' }, 'bad_frame', 'channel: Too small: expected string to have >=1 characters'],
    [
      { action: 'subscribe', channel: 'c'.repeat(129) },
      'bad_frame',
      'channel: Too big: expected string to have <=128 characters',
    ],
    [{ action: 'subscribe', channel: 'a b' }, 'bad_frame', `channel: ${channelCharacters}`],
    [{ action: 'subscribe', channel: 'room*' }, 'bad_frame', `channel: ${channelCharacters}`],
    [{ action: 'subscribe', channel: 'room#1' }, 'bad_frame', `channel: ${channelCharacters}`],
    [{ action: 'subscribe', channel: 'raum:ü' }, 'bad_frame', `channel: ${channelCharacters}`],
    [{ action: 'subscribe', channel: 'room\n' }, 'bad_frame', `channel: ${channelCharacters}`],
    [{ action: 'subscribe', channel: '__proto__' }, 'bad_frame', 'channel: this name is reserved'],
    [{ action: 'subscribe', channel: 'c', since: '12' }, 'bad_frame', 'since: a cursor is 39 digits'],
    [{ action: 'subscribe', channel: 'c', since: `${origin}\n` }, 'bad_frame', 'since: a cursor is 39 digits'],
    [
      { action: 'subscribe', channel: 'c', since: null },
      'bad_frame',
      'since: Invalid input: expected string, received null',
    ],
    [{ action: 'subscribe', channel: 'c', request: {} }, 'bad_frame', 'request: Invalid input'],
    [
      { action: 'subscribe', channel: 'c', request: 'r'.repeat(129) },
      'bad_frame',
      'request: Too big: expected string to have <=128 characters',
    ],
    [
      { action: 'publish', channel: 'c', data: 1 },
      'bad_frame',
      'id: Invalid input: expected string, received undefined',
    ],
    [
      { action: 'publish', channel: 'c', id: 1, data: 1 },
      'bad_frame',
      'id: Invalid input: expected string, received number',
    ],
    [
      { action: 'publish', channel: 'c', id: '', data: 1 },
      'bad_frame',
      'id: Too small: expected string to have >=1 characters',
    ],
    [
      { action: 'publish', channel: 'c', id: 'x'.repeat(129), data: 1 },
      'bad_frame',
      'id: Too big: expected string to have <=128 characters',
    ],
    [{ action: 'publish', channel: 'c', id: 'half \ud83d', data: 1 }, 'bad_frame', 'id: well-formed Unicode only'],
    [{ action: 'publish', channel: 'c', id: '1' }, 'bad_frame', 'data: required'],
    [publishFrame('1e999'), 'bad_frame', 'data: at most 100 levels deep, and finite numbers only'],
    [publishFrame(nested(101)), 'bad_frame', 'data: at most 100 levels deep, and finite numbers only'],
    [{ action: 'heartbeat', extra: 1 }, 'bad_frame', 'frame: Unrecognized key: "extra"'],
    [{ action: 'presence' }, 'bad_frame', 'channel: Invalid input: expected string, received undefined'],
  ])('%j', (frame, code, message) => {
    expect(refusalOf(frame)).toMatchObject({ code, message });
  });

  test('data may be 100 levels deep', () => {
    expect(decodeFrame(publishFrame(nested(100)))).toMatchObject({ action: 'publish' });
  });

  test('the deepest frame that the gateway takes', () => {
    expect(refusalOf(publishFrame(nested(65_000)))).toMatchObject({ code: 'bad_frame' });
    expect(refusalOf(nested(65_000))).toMatchObject({ code: 'bad_frame' });
  });

  test('a long unknown field makes no long answer', () => {
    const { message } = refusalOf({ action: 'heartbeat', ['x'.repeat(100_000)]: 1 });
    expect(message).toMatch(/^frame: Unrecognized key: "x+$/);
    expect(message.length).toBe(200);
  });

  test('names its request and id where they can be read', () => {
    expect(refusalOf({ action: 'shout', id: 'm1', request: 3 }).reference).toEqual({ id: 'm1', request: 3 });
    expect(refusalOf({ action: 'publish', channel: '', id: 'm1', data: 1 }).reference).toEqual({ id: 'm1' });
    expect(refusalOf({ action: 'publish', id: '', request: 'r' }).reference).toEqual({ request: 'r' });
    expect(refusalOf({ action: 'publish', id: {}, request: [] }).reference).toEqual({});
    expect(refusalOf([{ id: 'm1' }]).reference).toEqual({});
    expect(refusalOf('{"request":1').reference).toEqual({});
  });
});

test('any text is decoded or refused with a code, and its refusal fits a frame', () => {
  const fields = fc.record(
    {
      action: fc.oneof(fc.constantFrom('subscribe', 'unsubscribe', 'publish', 'heartbeat', 'presence'), fc.jsonValue()),
      type: fc.oneof(fc.constant('ping'), fc.jsonValue()),
      channel: fc.oneof(fc.constantFrom('c', '', '__proto__', 'a b'), fc.jsonValue()),
      id: fc.oneof(fc.string({ unit: 'binary', maxLength: 140 }), fc.jsonValue()),
      data: fc.jsonValue(),
      since: fc.oneof(fc.constant(origin), fc.jsonValue()),
      request: fc.oneof(fc.string({ maxLength: 140 }), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fields.map(frame => JSON.stringify(frame)),
    fc
      .tuple(fields, fc.jsonValue(), fc.string())
      .map(([frame, value, name]) => JSON.stringify({ ...frame, [name]: value })),
  );
  const codes = ['bad_json', 'bad_frame', 'unknown_action'];
  fc.assert(
    fc.property(text, value => {
      const result = decoded(value);
      if (!(result instanceof FrameRefusal)) return;
      expect(codes).toContain(result.code);
      expect(result.message).not.toBe('');
      expect(Buffer.byteLength(encodeFrame(errorFrame(result, result.reference)))).toBeLessThan(4096);
      expect(referenceIn(value)).toEqual(result.reference);
    }),
    { numRuns: 1000 },
  );
});

test('cursors compare by code unit as sequence numbers do by value', () => {
  const sequenceNumber = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
  const sign = (difference: bigint) => (difference < 0n ? -1 : difference > 0n ? 1 : 0);
  fc.assert(
    fc.property(sequenceNumber, sequenceNumber, (a, b) => {
      const [left, right] = [cursorOf(String(a)), cursorOf(String(b))];
      expect(left < right ? -1 : left > right ? 1 : 0).toBe(sign(a - b));
      expect(cursorSchema.safeParse(left).success).toBe(true);
      expect(BigInt(left)).toBe(a);
    }),
  );
});

test('the size that is checked when a message is accepted is never less than that of the frame that carries it', () => {
  const cursor = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map(value => cursorOf(String(value)));
  const message: fc.Arbitrary<Message> = fc.record({
    channel: fc.string({ minLength: 1, maxLength: 128 }),
    cursor,
    previous: fc.option(cursor),
    id: fc.string({ unit: 'binary', minLength: 1, maxLength: 128 }),
    data: fc.jsonValue() as fc.Arbitrary<Message['data']>,
    publishedAt: fc.nat(),
  });
  fc.assert(
    fc.property(message, fc.boolean(), (message, replay) => {
      const frame = encodeFrame({ type: 'message', ...message, ...(replay && { replay }) });
      const { cursor: _, previous: __, ...publication } = message;
      expect(outgoingFrameBytes(publication)).toBeGreaterThanOrEqual(Buffer.byteLength(frame));
    }),
  );
});

test('an error frame tells code, reason, what it answers and when to try again', () => {
  const refusal = new Refusal('rate_limited', 'too many frames a second', 1_000);
  expect(errorFrame(refusal, { id: 'm1', request: 3 })).toEqual({
    type: 'error',
    code: 'rate_limited',
    message: 'too many frames a second',
    id: 'm1',
    request: 3,
    retryAfterMs: 1_000,
  });
  expect(errorFrame(new Refusal('internal', 'no'), {})).toEqual({ type: 'error', code: 'internal', message: 'no' });
});

test('a frame has at most 128 KB', () => {
  expect(maxFrameBytes).toBe(131_072);
});
