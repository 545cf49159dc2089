import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ExecutionEnvironment, type ExecutionEnvironmentOptions } from '../../../local/lambda/execution-environment.ts';
import { Bundles, Lines } from './bundles.ts';

jest.setTimeout(30_000);

let bundles: Bundles;
let written: Lines<{ level: string; message: string }>;
let output: string;
const environments: ExecutionEnvironment[] = [];

beforeEach(() => {
  bundles = new Bundles();
  written = new Lines();
  output = '';
});
afterEach(async () => {
  await Promise.all(environments.splice(0).map(environment => environment.terminate()));
  bundles.remove();
});

function start(code: string, options: Partial<ExecutionEnvironmentOptions> = {}): ExecutionEnvironment {
  const environment = new ExecutionEnvironment({
    path: join(bundles.add(code), 'index.js'),
    exportName: 'handler',
    variables: () => ({ GREETING: 'hello' }),
    memoryMegabytes: 128,
    timeoutSeconds: 10,
    log: {
      output: level => ({
        write: text => {
          output += `${level}: ${text}`;
        },
        end: () => {},
      }),
      write: (level, message, fields) => written.add({ level, message, ...fields }),
    },
    ...options,
  });
  environments.push(environment);
  return environment;
}

const invocation = (event: unknown = {}) => ({
  event: JSON.stringify(event),
  context: { functionName: 'f', awsRequestId: 'r1' },
});
const invoke = (code: string, event?: unknown, options?: Partial<ExecutionEnvironmentOptions>) =>
  start(code, options).invoke(invocation(event));

test('answers with what the handler returns, as JSON', async () => {
  const code = `exports.handler = async event => ({ got: event, at: new Date(0), none: undefined, to: process.env })`;
  const outcome = await invoke(code, { a: [1, 'ä'] });
  expect(outcome).toEqual({ ok: true, payload: expect.any(String) });
  expect(JSON.parse(outcome.ok ? outcome.payload : '')).toEqual({
    got: { a: [1, 'ä'] },
    at: '1970-01-01T00:00:00.000Z',
    // Nothing of this process's own environment.
    to: { GREETING: 'hello' },
  });
});

test('an answer of nothing is null', async () => {
  expect(await invoke('exports.handler = () => {}')).toEqual({ ok: true, payload: 'null' });
});

test('gives the handler its context', async () => {
  const code = `exports.handler = async (event, context) =>
    ({ ...context, left: context.getRemainingTimeInMillis() })`;
  const outcome = await invoke(code, {}, { timeoutSeconds: 5 });
  const context = JSON.parse(outcome.ok ? outcome.payload : '');
  expect(context).toMatchObject({ functionName: 'f', awsRequestId: 'r1' });
  expect(context.left).toBeGreaterThan(3_000);
  expect(context.left).toBeLessThanOrEqual(5_000);
});

test.each([
  ['an error', 'throw new TypeError("bad input")', 'TypeError', 'bad input'],
  ['a rejection', 'await Promise.reject(new RangeError("too far"))', 'RangeError', 'too far'],
  ['text', 'throw "just text"', 'string', 'just text'],
  ['nothing', 'throw undefined', 'undefined', 'undefined'],
  ['a result with a cycle', 'event.self = event; return event', 'Error', 'Unable to stringify response body'],
  ['a result with a BigInt', 'return 1n', 'Error', 'Unable to stringify response body'],
])('%s of the handler is a failure, and the environment lives on', async (_what, body, errorType, errorMessage) => {
  const environment = start(`let n = 0; exports.handler = async event => { if (n++ === 0) { ${body} } return n }`);
  expect(await environment.invoke(invocation())).toMatchObject({ ok: false, errorType, errorMessage });
  expect(written.all).toEqual([expect.objectContaining({ level: 'ERROR', message: 'Invoke Error', errorType })]);
  expect(environment.alive).toBe(true);
  expect(await environment.invoke(invocation())).toEqual({ ok: true, payload: '2' });
});

test.each([
  ['waits', 'new Promise(() => {})'],
  ['never yields', '(() => { for (;;); })()'],
])('a handler that %s for longer than the timeout is killed', async (_what, body) => {
  const environment = start(`exports.handler = () => ${body}`, { timeoutSeconds: 0.25 });
  expect(await environment.invoke(invocation())).toEqual({
    ok: false,
    errorType: 'Sandbox.Timedout',
    errorMessage: 'Task timed out after 0.25 seconds',
  });
  expect(environment.alive).toBe(false);
  expect(written.all).toEqual([
    expect.objectContaining({ level: 'ERROR', message: 'Task timed out after 0.25 seconds' }),
  ]);
  await environment.exited;
});

test('the initialization is not charged to the timeout', async () => {
  const code = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
    exports.handler = async (event, context) => context.getRemainingTimeInMillis()`;
  const outcome = await invoke(code, {}, { timeoutSeconds: 0.5 });
  expect(outcome).toMatchObject({ ok: true });
  expect(Number(outcome.ok && outcome.payload)).toBeGreaterThan(0);
});

test('process.exit in the handler ends the environment', async () => {
  const environment = start('exports.handler = () => process.exit(3)');
  expect(await environment.invoke(invocation())).toEqual({
    ok: false,
    errorType: 'Runtime.ExitError',
    errorMessage: 'Runtime exited with error: exit status 3',
  });
  expect(environment.alive).toBe(false);
});

test('an uncaught error ends the environment, also between invocations, and is in the log', async () => {
  const environment = start(`exports.handler = () => { setTimeout(() => { throw new RangeError('later') }) }`);
  expect(await environment.invoke(invocation())).toEqual({ ok: true, payload: 'null' });
  expect(await written.find(() => true)).toMatchObject({
    level: 'ERROR',
    message: 'later',
    errorType: 'RangeError',
    stack: expect.stringContaining('index.js:1'),
  });
  await environment.exited;
  expect(environment.alive).toBe(false);
  expect(await environment.invoke(invocation())).toMatchObject({ ok: false, errorType: 'RangeError' });
});

test('more memory than the function has ends the environment', async () => {
  const code = `exports.handler = () => { const kept = []; for (;;) kept.push(new Array(100000).fill(kept.length)) }`;
  const environment = start(code, { memoryMegabytes: 16 });
  expect(await environment.invoke(invocation())).toEqual({
    ok: false,
    errorType: 'Runtime.OutOfMemory',
    errorMessage: 'the function used more than its 16 MB',
  });
  expect(environment.alive).toBe(false);
});

describe('buffers, which are outside of the heap of V8,', () => {
  const outOfMemory = {
    ok: false,
    errorType: 'Runtime.OutOfMemory',
    errorMessage: 'the function used more than its 128 MB',
  };

  test('end the environment when what it keeps of its invocations is too much', async () => {
    const code = `const kept = []; exports.handler = () => kept.push(Buffer.alloc(50 * 1024 * 1024, 1))`;
    const environment = start(code, { memoryMegabytes: 128 });
    expect(await environment.invoke(invocation())).toEqual({ ok: true, payload: '1' });
    expect(await environment.invoke(invocation())).toEqual({ ok: true, payload: '2' });
    expect(await environment.invoke(invocation())).toEqual(outOfMemory);
    expect(environment.alive).toBe(false);
    await environment.exited;
  });

  test('end it while it waits', async () => {
    const code = `exports.handler = () => { kept = Buffer.alloc(150 * 1024 * 1024, 1); return new Promise(() => {}) }; let kept`;
    const environment = start(code, { memoryMegabytes: 128, timeoutSeconds: 30 });
    expect(await environment.invoke(invocation())).toEqual(outOfMemory);
    await environment.exited;
  });
});

test.each([
  ['throws', 'throw new TypeError("no table")', 'TypeError', 'no table'],
  ['exports no handler', 'exports.other = 1', 'Runtime.HandlerNotFound', 'handler is undefined or not exported'],
  ['is not JavaScript', 'exports.handler = (', 'Runtime.UserCodeSyntaxError', 'Unexpected end of input'],
  ['lacks a module', 'require("not-bundled")', 'Runtime.ImportModuleError', "Cannot find module 'not-bundled'"],
  ['exits', 'process.exit(1)', 'Runtime.ExitError', 'Runtime exited with error: exit status 1'],
])('a bundle that %s when it is loaded fails the invocation', async (_what, code, errorType, message) => {
  const environment = start(code);
  const errorMessage = expect.stringContaining(message);
  expect(await environment.invoke(invocation())).toMatchObject({ ok: false, errorType, errorMessage });
  expect(written.all).toEqual([expect.objectContaining({ level: 'ERROR', errorType, message: errorMessage })]);
  expect(environment.alive).toBe(false);
});

test('a bundle is CommonJS, as on Lambda, whatever package.json lies above it', async () => {
  writeFileSync(join(bundles.directory, 'package.json'), '{"type":"module"}');
  expect(await invoke('module.exports = { handler: () => "here" }')).toEqual({ ok: true, payload: '"here"' });
});

test('a package.json of the bundle itself counts', async () => {
  const directory = bundles.add('export const handler = () => "module"');
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  const environment = start('', { path: join(directory, 'index.js') });
  expect(await environment.invoke(invocation())).toEqual({ ok: true, payload: '"module"' });
});

test('what it writes is in the log before it answers', async () => {
  const environment = start(`console.log('loaded'); exports.handler = async () => {
    process.stdout.write(Buffer.from('bytes'));
    await new Promise(resolve => process.stderr.write('text', 'utf8', resolve));
    console.log('to out');
    console.error('to err');
  }`);
  await environment.invoke(invocation());
  expect(output).toBe('info: loaded\ninfo: byteswarn: textinfo: to out\nwarn: to err\n');
});

test.each([
  ['exits', 'process.exit(1)'],
  ['times out', 'for (;;);'],
])('what it writes before it %s is in the log', async (_what, end) => {
  const environment = start(`exports.handler = () => { for (let i = 0; i < 3; i++) console.log(i); ${end} }`, {
    timeoutSeconds: 0.25,
  });
  await environment.invoke(invocation());
  await environment.exited;
  expect(output).toBe('info: 0\ninfo: 1\ninfo: 2\n');
});

test('an invocation under way fails when the environment is ended', async () => {
  const environment = start('exports.handler = () => new Promise(() => {})');
  const outcome = environment.invoke(invocation());
  await environment.terminate();
  expect(await outcome).toMatchObject({ ok: false, errorType: 'Runtime.ExitError' });
  expect(written.all).toEqual([]);
});
