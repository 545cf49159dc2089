import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { type Message, outgoingFrameBytes, Refusal } from '../../../lambdas/shared/protocol.ts';
import {
  type Publication,
  type PublicationQueue,
  publicationSchema,
  publish,
  sqsPublicationQueue,
} from '../../../lambdas/shared/publication.ts';
import { useRoleCredentials } from '../credentials.ts';
import {
  type ReceivedRequest,
  type ScriptedAnswer,
  type ScriptedServer,
  startScriptedServer,
} from '../scripted-server.ts';

const limits = { maxMessageBytes: 1_000 };

interface Sent {
  readonly publication: Publication;
  readonly deduplicationId: string;
}
function recordingQueue(): PublicationQueue & { readonly sent: Sent[] } {
  const sent: Sent[] = [];
  return {
    sent,
    async send(publication, deduplicationId) {
      sent.push({ publication, deduplicationId });
      return '18870000000000000256';
    },
  };
}
const message = { channel: 'room:1', id: 'm1', data: { text: 'hi' } };
const refusalOf = (promise: Promise<unknown>): Promise<Refusal> =>
  promise.then(
    () => {
      throw new Error('accepted');
    },
    (error: unknown) => {
      if (error instanceof Refusal) return error;
      throw error;
    },
  );

test('a message is queued as it is, with the time, and has the cursor of its sequence number', async () => {
  const queue = recordingQueue();
  const accepted = await publish('alice', { ...message, action: 'publish' } as typeof message, 123, limits, queue);
  expect(accepted).toEqual({ cursor: '000000000000000000018870000000000000256' });
  expect(queue.sent).toEqual([
    { publication: { ...message, publishedAt: 123 }, deduplicationId: expect.stringMatching(/^[0-9a-f]{64}$/) },
  ]);
});

describe('repetitions', () => {
  const identity = (publisher: string, changes: Partial<Pick<Message, 'channel' | 'id' | 'data'>> = {}, now = 0) => {
    const queue = recordingQueue();
    return publish(publisher, { ...message, ...changes }, now, limits, queue).then(
      () => queue.sent[0]?.deduplicationId,
    );
  };

  test('the same message of the same publisher is the same, whenever it is sent', async () => {
    expect(await identity('alice', {}, 1)).toBe(await identity('alice', {}, 200_000));
  });

  test('another publisher, channel, id or other data is another', async () => {
    const identities = await Promise.all([
      identity('alice'),
      identity('bob'),
      identity('alice', { channel: 'room:2' }),
      identity('alice', { id: 'm2' }),
      identity('alice', { data: { text: 'ho' } }),
      identity('alice', { data: '{"text":"hi"}' }),
      identity('alice', { data: null }),
      identity('alice', { data: 'null' }),
    ]);
    expect(new Set(identities).size).toBe(identities.length);
  });

  test('no two differ only in where one field ends', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', '"', ',', ' '), minLength: 1, maxLength: 3 });
    const parts = fc.tuple(text, text, text, text);
    await fc.assert(
      fc.asyncProperty(parts, parts, async (a, b) => {
        const of = ([publisher, channel, id, data]: typeof a) =>
          identity(publisher, { channel, id, data: data as never });
        expect((await of(a)) === (await of(b))).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

describe('size', () => {
  test('data may have exactly the bytes of UTF-8 that are allowed', async () => {
    const queue = recordingQueue();
    const data = 'ü'.repeat(499);
    await publish('alice', { ...message, data: data as never }, 0, limits, queue);
    const refusal = await refusalOf(publish('alice', { ...message, data: `${data}x` as never }, 0, limits, queue));
    expect(refusal).toMatchObject({ code: 'message_too_large' });
    expect(refusal.message).toBe('data has 1001 bytes, 1000 are allowed');
    expect(queue.sent).toHaveLength(1);
  });

  test('the frame that will carry it must fit the gateway, whatever the limit', async () => {
    const wide = { maxMessageBytes: 1_000_000 };
    const queue = recordingQueue();
    const empty = { channel: 'c'.repeat(128), id: '"'.repeat(128), data: '' as never, publishedAt: 1_700_000_000_000 };
    const room = 131_072 - outgoingFrameBytes(empty);
    const ofLength = (length: number) =>
      publish('alice', { ...empty, data: 'x'.repeat(length) as never }, empty.publishedAt, wide, queue);
    await ofLength(room);
    const refusal = await refusalOf(ofLength(room + 1));
    expect(refusal.message).toBe('the outgoing frame has 131073 bytes, 131072 are allowed');
    expect(queue.sent).toHaveLength(1);
  });
});

describe('a part', () => {
  const ofWhole = (data: unknown, part: { offset: number; bytes: number }, publisher = 'alice', id = 'm1') => {
    const queue = recordingQueue();
    return publish(publisher, { channel: 'room:1', id, data: data as never, part }, 0, limits, queue).then(
      () => queue.sent[0] as Sent,
    );
  };

  test('is queued with what all parts of its message share, and no other message has', async () => {
    const [first, second, ofBob, other] = await Promise.all([
      ofWhole('ab', { offset: 0, bytes: 4 }),
      ofWhole('ab', { offset: 2, bytes: 4 }),
      ofWhole('ab', { offset: 0, bytes: 4 }, 'bob'),
      ofWhole('ab', { offset: 0, bytes: 4 }, 'alice', 'm2'),
    ]);
    expect(publicationSchema.parse(JSON.parse(JSON.stringify(first.publication)))).toEqual(first.publication);
    expect(first.publication).toMatchObject({ id: 'm1', data: 'ab', part: { offset: 0, bytes: 4 } });
    const whole = first.publication.part?.of;
    expect(whole).toMatch(/^[\w-]{22}$/);
    expect(second.publication.part?.of).toBe(whole);
    expect(new Set([whole, ofBob.publication.part?.of, other.publication.part?.of]).size).toBe(3);
    // Alike, and not the same.
    expect(second.deduplicationId).not.toBe(first.deduplicationId);
  });

  test('is refused where the whole is larger than allowed, or smaller than it says', async () => {
    await ofWhole('x'.repeat(500), { offset: 500, bytes: 1_000 });
    const refused = (data: unknown, offset: number, bytes: number) => refusalOf(ofWhole(data, { offset, bytes }));
    expect(await refused('x', 0, 1_001)).toMatchObject({
      code: 'message_too_large',
      message: 'data has 1001 bytes, 1000 are allowed',
    });
    // In bytes of UTF-8.
    expect(await refused('üü', 1, 4)).toMatchObject({ code: 'bad_frame', message: 'part: it ends after the whole' });
  });

  test.each([1, null, ['x'], '', '\ud83c'])('is a piece of text: not %j', async data => {
    expect(await refusalOf(ofWhole(data, { offset: 0, bytes: 100 }))).toMatchObject({ code: 'bad_frame' });
  });

  test('may be wider as JSON than the whole may be', async () => {
    await ofWhole('"'.repeat(1_000), { offset: 0, bytes: 1_000 });
  });
});

test('a queue that fails is a refusal that says to try again, and keeps its cause to the log', async () => {
  const cause = new Error('AccessDenied for arn:aws:sqs:secret');
  const refusal = await refusalOf(publish('alice', message, 0, limits, { send: () => Promise.reject(cause) }));
  expect(refusal).toMatchObject({ code: 'unavailable', retryAfterMs: 1_000, cause });
  expect(refusal.message).not.toContain('secret');
});

describe('the queue', () => {
  useRoleCredentials();
  const publication = { ...message, publishedAt: 123 };
  /** The SDK compares the digest with that of what it sent. */
  const accept = ({ body }: ReceivedRequest, SequenceNumber?: string): ScriptedAnswer => {
    const { MessageBody } = JSON.parse(String(body));
    const MD5OfMessageBody = createHash('md5').update(MessageBody).digest('hex');
    return { status: 200, body: JSON.stringify({ MessageId: 'x', MD5OfMessageBody, SequenceNumber }) };
  };
  const accepted = (request: ReceivedRequest) => accept(request, '18870000000000000256');
  let server: ScriptedServer;
  const queueAt = async (answer: (request: ReceivedRequest, n: number) => ScriptedAnswer, timeoutMs = 2_000) => {
    server = await startScriptedServer(answer);
    // Otherwise the SDK warns that the URL is of another host than the region's.
    process.env.AWS_ENDPOINT_URL_SQS = server.url;
    return sqsPublicationQueue(`${server.url}/123456789012/q.fifo`, timeoutMs);
  };
  afterEach(() => server.close());

  test('keeps a channel in order: it is the message group', async () => {
    const queue = await queueAt(accepted);
    expect(await queue.send(publication, 'd')).toBe('18870000000000000256');
    const body = JSON.parse(String(server.requests[0]?.body));
    expect(body).toMatchObject({ MessageGroupId: 'room:1', MessageDeduplicationId: 'd' });
    expect(publicationSchema.parse(JSON.parse(body.MessageBody))).toEqual(publication);
  });

  test('is given no character that SQS refuses, and none is lost', async () => {
    const bodies: string[] = [];
    const queue = await queueAt(request => {
      bodies.push(JSON.parse(String(request.body)).MessageBody);
      return accepted(request);
    });
    // "Amazon SQS message quotas"; a lone surrogate is no character.
    const allowed = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;
    const unit = fc.constantFrom('\u0000', '\u001f', '\ufffe', '\uffff', '\ud800', '\\', '"', '🎈', '\u{1ffff}');
    await fc.assert(
      fc.asyncProperty(fc.string({ unit }), async data => {
        await queue.send({ ...publication, data }, 'd');
        const body = bodies.at(-1) ?? '';
        expect(body).toMatch(allowed);
        expect(JSON.parse(body)).toEqual({ ...publication, data });
      }),
    );
  });

  test('is asked again where it does not answer, within the time that a call has', async () => {
    const queue = await queueAt((request, n) => (n === 1 ? 'never' : accepted(request)), 1_000);
    expect(await queue.send(publication, 'd')).toBe('18870000000000000256');
    expect(server.requests).toHaveLength(2);
  });

  test('is given up when the time is over', async () => {
    const queue = await queueAt(() => 'never', 300);
    const started = performance.now();
    await expect(queue.send(publication, 'd')).rejects.toThrow();
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test('that gives no sequence number is not the right one', async () => {
    const queue = await queueAt(request => accept(request));
    await expect(queue.send(publication, 'd')).rejects.toThrow('not a FIFO queue');
  });
});
