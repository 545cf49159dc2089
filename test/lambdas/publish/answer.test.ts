import fc from 'fast-check';
import { answer, type PublishDependencies } from '../../../lambdas/publish/answer.ts';
import { Refusal } from '../../../lambdas/shared/protocol.ts';
import type { Publication, PublicationQueue } from '../../../lambdas/shared/publication.ts';

const call = (body: unknown, channel = 'prices:eur') => ({
  userArn: 'arn:aws:sts::123456789012:assumed-role/Pricing/i-1',
  channel,
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

/** A FIFO queue that knows repetitions, and fails where it is told to, before or after it took a message. */
class ScriptedQueue implements PublicationQueue {
  readonly taken: Publication[] = [];
  readonly #known = new Set<string>();
  readonly #script: ('take' | 'refuse' | 'take and fail' | 'stall')[];

  constructor(script: ('take' | 'refuse' | 'take and fail' | 'stall')[] = []) {
    this.#script = script;
  }

  async send(publication: Publication, deduplicationId: string, signal?: AbortSignal): Promise<string> {
    const step = this.#script.shift() ?? 'take';
    if (step === 'refuse') throw new Error('ServiceUnavailable');
    if (step === 'stall') {
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    }
    if (!this.#known.has(deduplicationId)) this.taken.push(publication);
    this.#known.add(deduplicationId);
    if (step === 'take and fail') throw new Error('the answer was lost');
    return String(1000 + this.#known.size);
  }
}

function dependencies(queue: PublicationQueue, withinMs = 1_000) {
  const refusals: { publisher: string; refusal: Refusal }[] = [];
  const own: PublishDependencies = {
    queue,
    limits: { maxMessageBytes: 100_000 },
    throttle: { admit: async () => {} },
    now: () => 5,
    refused: (publisher, refusal) => refusals.push({ publisher, refusal }),
    withinMs,
  };
  return { ...own, refusals };
}

async function answered(body: unknown, d: PublishDependencies, channel?: string) {
  const { statusCode, headers, body: text } = await answer(call(body, channel), d);
  return { status: statusCode, headers, body: JSON.parse(text ?? '') };
}

const messages = (...ids: string[]) => ({ messages: ids.map(id => ({ id, data: id })) });
const cursor = (n: number) => String(n).padStart(39, '0');

test('one message is answered with its cursor', async () => {
  const queue = new ScriptedQueue();
  const { status, body } = await answered({ id: 'm1', data: { eur: 1 } }, dependencies(queue));
  expect([status, body]).toEqual([200, { id: 'm1', cursor: cursor(1001) }]);
  expect(queue.taken).toEqual([{ channel: 'prices:eur', id: 'm1', data: { eur: 1 }, publishedAt: 5 }]);
});

test('several are accepted in their order, each with its cursor', async () => {
  const queue = new ScriptedQueue();
  const { status, body } = await answered(messages('a', 'b', 'c'), dependencies(queue));
  expect(status).toBe(200);
  expect(body).toEqual({
    messages: [
      { id: 'a', cursor: cursor(1001) },
      { id: 'b', cursor: cursor(1002) },
      { id: 'c', cursor: cursor(1003) },
    ],
  });
  expect(queue.taken.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
});

test('none is sent after one that fails, and the answer says which were accepted', async () => {
  const queue = new ScriptedQueue(['take', 'refuse']);
  const d = dependencies(queue);
  const { status, headers, body } = await answered(messages('a', 'b', 'c'), d);
  expect(status).toBe(503);
  expect(headers).toMatchObject({ 'retry-after': '1' });
  expect(body).toEqual({
    code: 'unavailable',
    message: expect.any(String),
    messages: [
      { id: 'a', cursor: cursor(1001) },
      { id: 'b', code: 'unavailable' },
      { id: 'c', code: 'unavailable' },
    ],
  });
  expect(queue.taken.map(({ id }) => id)).toEqual(['a']);
  expect(d.refusals).toMatchObject([{ refusal: { code: 'unavailable', cause: { message: 'ServiceUnavailable' } } }]);
});

test('a queue that stalls does not hold the publisher up, whichever message it stalls at', async () => {
  const startedAt = performance.now();
  const { status, body } = await answered(
    messages('a', 'b', 'c'),
    dependencies(new ScriptedQueue(['take', 'stall']), 100),
  );
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect(status).toBe(503);
  expect(body.messages).toEqual([
    { id: 'a', cursor: cursor(1001) },
    { id: 'b', code: 'unavailable' },
    { id: 'c', code: 'unavailable' },
  ]);
});

test('a throttle that does not answer does not hold the publisher up either', async () => {
  const queue = new ScriptedQueue();
  let turns = 0;
  const throttle = {
    admit: () => {
      turns += 1;
      return turns > 1 ? new Promise<void>(() => {}) : Promise.resolve();
    },
  };
  const { status, body } = await answered(messages('a', 'b', 'c'), { ...dependencies(queue, 100), throttle });
  expect(status).toBe(503);
  expect(body.messages).toMatchObject([
    { id: 'a', cursor: cursor(1001) },
    { code: 'unavailable' },
    { code: 'unavailable' },
  ]);
  expect(turns).toBe(2);
});

test('a request that is repeated until it is accepted leaves its messages once and in order', async () => {
  const step = fc.constantFrom('take' as const, 'refuse' as const, 'take and fail' as const);
  const steps = fc.array(step, { maxLength: 20 });
  const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3, unit: 'grapheme-ascii' }), {
    minLength: 1,
    maxLength: 10,
  });
  await fc.assert(
    fc.asyncProperty(ids, steps, async (names, script) => {
      const queue = new ScriptedQueue([...script]);
      const d = dependencies(queue);
      for (let tries = 0; tries <= script.length; tries += 1) {
        const { status, body } = await answered(messages(...names), d);
        const accepted = body.messages.filter((message: object) => 'cursor' in message).length;
        // Whatever the answer, what is accepted is durable, and the queue holds at most one more: its answer was lost.
        expect(queue.taken.length - accepted).toBeGreaterThanOrEqual(0);
        if (status === 200) break;
      }
      expect(queue.taken.map(({ id }) => id)).toEqual(names);
    }),
  );
});

test('all sessions of a role are one publisher', async () => {
  const queue = new ScriptedQueue();
  const d = dependencies(queue);
  await answer(call({ id: 'm', data: 1 }), d);
  const other = 'arn:aws:sts::123456789012:assumed-role/Pricing/i-2';
  await answer({ ...call({ id: 'm', data: 1 }), userArn: other }, d);
  expect(queue.taken).toHaveLength(1);
  await answer({ ...call({ id: 'm', data: 1 }), userArn: 'arn:aws:sts::123456789012:assumed-role/Other/i-2' }, d);
  expect(queue.taken).toHaveLength(2);
});

const tooMany = Array.from({ length: 11 }, (_, n) => `m${n}`);
test.each([
  ['no JSON', '{', 400, 'bad_json', 'the body is not JSON'],
  ['no id', { data: 1 }, 400, 'bad_frame', 'body.id: '],
  ['an unknown field', { id: 'a', data: 1, ttl: 1 }, 400, 'bad_frame', 'body: '],
  ['no messages', { messages: [] }, 400, 'bad_frame', 'body.messages: one message at least'],
  ['too many', messages(...tooMany), 400, 'bad_frame', 'body.messages: 10 messages at most'],
  ['a list and a message', { ...messages('a'), id: 'b', data: 1 }, 400, 'bad_frame', 'body: '],
  [
    'a wrong one among right ones',
    { messages: [{ id: 'a', data: 1 }, { id: '' }] },
    400,
    'bad_frame',
    'body.messages.1.id: ',
  ],
  [
    'a large one among small ones',
    {
      messages: [
        { id: 'a', data: 1 },
        { id: 'b', data: 'x'.repeat(100_000) },
      ],
    },
    413,
    'message_too_large',
    'messages.1: data has 100002 bytes, 100000 are allowed',
  ],
  [
    'more than a batch of SQS holds',
    { messages: Array.from({ length: 10 }, (_, n) => ({ id: `m${n}`, data: 'ü'.repeat(52_500) })) },
    413,
    'message_too_large',
    'the body has 1050',
  ],
])('%s is refused, and nothing is accepted', async (_, body, status, code, message) => {
  const queue = new ScriptedQueue();
  const reply = await answered(body, dependencies(queue));
  expect(reply).toMatchObject({ status, body: { code, message: expect.stringContaining(message) } });
  expect(reply.body.messages).toBeUndefined();
  expect(queue.taken).toEqual([]);
});

test('a channel that can be none is refused', async () => {
  const reply = await answered({ id: 'a', data: 1 }, dependencies(new ScriptedQueue()), 'a#0');
  expect(reply).toMatchObject({
    status: 400,
    body: { code: 'bad_frame', message: expect.stringMatching(/^channel: /) },
  });
});

test('an error that is no refusal is not taken for one', async () => {
  const queue: PublicationQueue = { send: async () => '1' };
  const d = {
    ...dependencies(queue),
    now: () => {
      throw new TypeError('no clock');
    },
  };
  await expect(answer(call({ id: 'a', data: 1 }), d)).rejects.toThrow('no clock');
});

test('under a throttle the first goes and the others are told how long to wait', async () => {
  const queue = new ScriptedQueue();
  let turns = 0;
  const throttle = {
    admit: async () => {
      turns += 1;
      if (turns > 1) throw new Refusal('throttled', 'one message in 2000 ms', 1_200);
    },
  };
  const { status, headers, body } = await answered(messages('a', 'b', 'c'), { ...dependencies(queue), throttle });
  expect([status, headers?.['retry-after']]).toEqual([429, '2']);
  expect(body).toMatchObject({
    code: 'throttled',
    messages: [
      { id: 'a', cursor: cursor(1001) },
      { id: 'b', code: 'throttled' },
      { id: 'c', code: 'throttled' },
    ],
  });
  expect(queue.taken.map(({ id }) => id)).toEqual(['a']);
});

test('a throttle that does not answer holds a server up no longer than its second', async () => {
  const queue = new ScriptedQueue();
  const throttle = { admit: () => new Promise<never>(() => {}) };
  const { status, body } = await answered({ id: 'a', data: 1 }, { ...dependencies(queue, 50), throttle });
  expect([status, body.code]).toEqual([503, 'unavailable']);
  expect(queue.taken).toEqual([]);
});
