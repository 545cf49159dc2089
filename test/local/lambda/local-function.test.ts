import { join } from 'node:path';
import { type FunctionDefinition, LocalFunction } from '../../../local/lambda/local-function.ts';
import { Bundles, Gate, gatedBundle, Lines } from './bundles.ts';

jest.setTimeout(30_000);

const channel = 'local-function.test';
let bundles: Bundles;
let gate: Gate;
let written: Lines<string>;
let fn: LocalFunction;

beforeEach(() => {
  bundles = new Bundles();
  gate = new Gate(channel);
  written = new Lines();
});
afterEach(async () => {
  await fn.close();
  gate.close();
  bundles.remove();
});

function start(code: string, options: Partial<FunctionDefinition> & { maxEnvironments?: number } = {}): void {
  const { maxEnvironments = 4, ...definition } = options;
  fn = new LocalFunction(
    {
      name: 'f',
      version: '$LATEST',
      concurrency: { running: 0 },
      arn: 'arn:aws:lambda:eu-central-1:123456789012:function:f',
      path: join(bundles.add(code), 'index.js'),
      exportName: 'handler',
      memoryMegabytes: 128,
      timeoutSeconds: 10,
      reservedConcurrency: undefined,
      variables: () => ({}),
      log: {
        output: () => ({ write() {}, end() {} }),
        write: (_level, message) => written.add(message),
      },
      ...definition,
    },
    maxEnvironments,
  );
}

const gated = (options?: Parameters<typeof start>[1]) => start(gatedBundle(channel), options);
const threadOf = (result: unknown) => (result as { payload: { threadId: number } }).payload.threadId;
const countingBundle = (body: string) => `const { threadId } = require('node:worker_threads'); let count = 0;
  exports.handler = async event => { count += 1; ${body}; return { threadId, count } }`;

test('gives the answer, and tells the handler who it is', async () => {
  start(
    'exports.handler = async (event, { functionName, invokedFunctionArn, memoryLimitInMB, awsRequestId }) => ({ event, functionName, invokedFunctionArn, memoryLimitInMB, awsRequestId })',
  );
  expect(await fn.invoke({ a: 1 })).toEqual({
    ok: true,
    payload: {
      event: { a: 1 },
      functionName: 'f',
      invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:f',
      memoryLimitInMB: 128,
      awsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    },
  });
});

test('a failure is told without the stack, which is for the log', async () => {
  start('exports.handler = async () => { throw new TypeError("bad") }');
  expect(await fn.invoke({})).toEqual({ ok: false, errorType: 'TypeError', errorMessage: 'bad' });
});

test('an environment that is free is used again', async () => {
  start(countingBundle(''));
  const first = await fn.invoke({});
  const second = await fn.invoke({});
  expect(second).toEqual({ ok: true, payload: { threadId: threadOf(first), count: 2 } });
});

test('an environment handles one invocation at a time: at once there are as many environments', async () => {
  gated();
  const results = ['a', 'b', 'c'].map(id => fn.invoke({ id }));
  for (const _ of results) await gate.next();
  expect(gate.started.toSorted()).toEqual(['a', 'b', 'c']);
  for (const id of ['c', 'a', 'b']) gate.release(id);
  expect(new Set((await Promise.all(results)).map(threadOf)).size).toBe(3);
});

test('the environment used last is used next', async () => {
  gated();
  const first = fn.invoke({ id: 'a' });
  const second = fn.invoke({ id: 'b' });
  await gate.next();
  await gate.next();
  gate.release('a');
  await first;
  gate.release('b');
  const thread = threadOf(await second);
  const third = fn.invoke({ id: 'c' });
  gate.release(await gate.next());
  expect(threadOf(await third)).toBe(thread);
});

test('beyond the environments that may run, invocations wait in order, and their wait is not charged', async () => {
  gated({ maxEnvironments: 1, timeoutSeconds: 1 });
  const results = ['a', 'b', 'c'].map(id => fn.invoke({ id }));
  expect(await gate.next()).toBe('a');
  // Together they take longer than the timeout of one.
  for (const [id, next] of [
    ['a', 'b'],
    ['b', 'c'],
  ] as const) {
    await new Promise(resolve => setTimeout(resolve, 600));
    expect(gate.started).not.toContain(next);
    gate.release(id);
    expect(await gate.next()).toBe(next);
  }
  gate.release('c');
  const all = await Promise.all(results);
  expect(all.map(({ ok }) => ok)).toEqual([true, true, true]);
  expect(new Set(all.map(threadOf)).size).toBe(1);
});

test('reserved concurrency throttles what exceeds it with 429, those that wait counted', async () => {
  gated({ reservedConcurrency: 2, maxEnvironments: 1 });
  const first = fn.invoke({ id: 'a' });
  const second = fn.invoke({ id: 'b' });
  await expect(fn.invoke({ id: 'c' })).rejects.toMatchObject({ code: 'TooManyRequestsException', status: 429 });
  gate.release(await gate.next());
  await first;
  gate.release(await gate.next());
  await second;
  const third = fn.invoke({ id: 'd' });
  gate.release(await gate.next());
  expect((await third).ok).toBe(true);
  expect(gate.started).toEqual(['a', 'b', 'd']);
});

test('a reserved concurrency of 0 lets nothing through', async () => {
  start(countingBundle(''), { reservedConcurrency: 0 });
  await expect(fn.invoke({})).rejects.toMatchObject({ code: 'TooManyRequestsException' });
});

test.each([
  ['times out', 'if (event.bad) for (;;);', 'Sandbox.Timedout'],
  ['exits', 'if (event.bad) process.exit(1)', 'Runtime.ExitError'],
])(
  'after one that %s, the next invocation gets a new environment, also one that waits',
  async (_what, body, errorType) => {
    start(countingBundle(body), { timeoutSeconds: 0.3, maxEnvironments: 1 });
    const before = await fn.invoke({});
    const [bad, waiting] = await Promise.all([fn.invoke({ bad: true }), fn.invoke({})]);
    expect(bad).toMatchObject({ ok: false, errorType });
    expect(waiting).toMatchObject({ ok: true, payload: { count: 1 } });
    expect(threadOf(waiting)).not.toBe(threadOf(before));
    expect(await fn.invoke({})).toEqual({ ok: true, payload: { threadId: threadOf(waiting), count: 2 } });
  },
);

test('an environment that ended while it was free is not used again', async () => {
  start(countingBundle('if (event.bad) setTimeout(() => process.exit(7))'), { maxEnvironments: 1 });
  await fn.invoke({ bad: true });
  await written.find(message => message.includes('exit status 7'));
  expect(await fn.invoke({})).toMatchObject({ ok: true, payload: { count: 1 } });
});

test('after an initialization that failed, the next invocation tries anew', async () => {
  start('throw new Error("not yet")', { maxEnvironments: 1 });
  for (let attempt = 0; attempt < 2; attempt++) {
    expect(await fn.invoke({})).toEqual({ ok: false, errorType: 'Error', errorMessage: 'not yet' });
  }
});

test('payloads of up to 6 MB pass in both directions', async () => {
  start('exports.handler = async ({ text, answer }) => answer === undefined ? text.length : "x".repeat(answer)');
  const limit = 6 * 1024 * 1024;
  const frame = '{"text":""}'.length;
  expect(await fn.invoke({ text: 'x'.repeat(limit - frame) })).toEqual({ ok: true, payload: limit - frame });
  await expect(fn.invoke({ text: 'x'.repeat(limit - frame + 1) })).rejects.toMatchObject({
    code: 'RequestTooLargeException',
    status: 413,
  });
  expect(await fn.invoke({ answer: limit - 2 })).toMatchObject({ ok: true });
  expect(await fn.invoke({ answer: limit - 1 })).toMatchObject({
    ok: false,
    errorType: 'Function.ResponseSizeTooLarge',
  });
});

test('once closed, what ran and what waited has failed', async () => {
  gated({ maxEnvironments: 1 });
  const running = fn.invoke({ id: 'a' });
  const waiting = fn.invoke({ id: 'b' });
  await gate.next();
  await Promise.all([
    fn.close(),
    expect(running).resolves.toMatchObject({ ok: false, errorType: 'Runtime.ExitError' }),
    expect(waiting).rejects.toMatchObject({ code: 'ServiceException', status: 503 }),
  ]);
});
