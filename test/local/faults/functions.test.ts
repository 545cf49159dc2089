import { join } from 'node:path';
import type { Place, Resource } from '../../../local/assembly/resource.ts';
import type { Principal } from '../../../local/aws/service.ts';
import { createFaults, type Faults } from '../../../local/faults/faults.ts';
import { createAuthorization } from '../../../local/iam/policies.ts';
import { type Lambda, startLambda } from '../../../local/lambda/lambda.ts';
import { type ScriptedServer, startScriptedServer } from '../../lambdas/scripted-server.ts';
import { Bundles } from '../lambda/bundles.ts';

jest.setTimeout(30_000);

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const developer: Principal = { kind: 'user', arn: 'arn:aws:iam::123456789012:user/developer' };
const arn = 'arn:aws:lambda:eu-central-1:123456789012:function:shop-worker';
const worker: Resource = {
  stack: 'shop-dev',
  logicalId: 'WorkerFunction00C0FFEE',
  type: 'AWS::Lambda::Function',
  physicalId: 'shop-worker',
  attributes: {},
  properties: {
    Code: { S3Bucket: 'assets', S3Key: 'worker' },
    Handler: 'index.handler',
    Runtime: 'nodejs24.x',
    Role: 'arn:aws:iam::123456789012:role/worker',
    Timeout: 1,
  },
};
const resources = [worker];

let bundles: Bundles;
let faults: Faults;
let lambda: Lambda;
let server: ScriptedServer;

beforeEach(async () => {
  bundles = new Bundles();
  server = await startScriptedServer(() => ({ status: 200, body: '{}' }));
});
afterEach(async () => {
  faults.close();
  await lambda.close();
  await server.close();
  bundles.remove();
});

function start(code: string): void {
  const log = () => {};
  const directory = bundles.add(code);
  faults = createFaults({ resources, log });
  lambda = startLambda({
    resources,
    place,
    asset: () => directory,
    runtimeVariables: () => ({ SERVER: server.url }),
    localAddresses: text => text,
    authorization: createAuthorization({ resources: [], place }),
    logDirectory: join(bundles.directory, 'logs'),
    maxEnvironments: 2,
    log,
    faults,
  });
}

const invoke = () => lambda.invoke(arn, {}, developer);
const answering = 'const { threadId } = require("node:worker_threads"); exports.handler = async () => threadId;';

/** Makes five calls, one after the other, as the SDK does with Node's own client, or as posts are made with undici. */
const calling = (client: 'http' | 'undici') => {
  const get = {
    http: `const http = require('node:http'); const agent = new http.Agent({ keepAlive: true });
      const get = path => new Promise((resolve, reject) => {
        http.get(process.env.SERVER + path, { agent }, response => response.resume().on('end', resolve)).on('error', reject);
      });`,
    undici: `const { Pool } = require(${JSON.stringify(require.resolve('undici'))});
      const pool = new Pool(process.env.SERVER, { connections: 1 });
      const get = async path => (await pool.request({ method: 'GET', path })).body.dump();`,
  }[client];
  return `${get} exports.handler = async () => { for (let n = 0; n < 5; n += 1) await get('/' + n); return 'done'; }`;
};
const called = () => server.requests.map(({ url }) => url);

test('an error is the function’s own, for the invocations that it is for', async () => {
  start(answering);
  faults.inject({ fault: 'function-error', function: 'worker', errorType: 'TypeError', errorMessage: 'no', times: 1 });
  expect(await invoke()).toEqual({ ok: false, errorType: 'TypeError', errorMessage: 'no' });
  expect(await invoke()).toMatchObject({ ok: true });
});

test('latency counts towards the function’s timeout', async () => {
  start(answering);
  await invoke();
  faults.inject({ fault: 'function-latency', delayMs: 150, times: 1 });
  const startedAt = performance.now();
  expect(await invoke()).toMatchObject({ ok: true });
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(149);
  faults.inject({ fault: 'function-latency', delayMs: 60_000, times: 1 });
  expect(await invoke()).toMatchObject({ ok: false, errorType: 'Sandbox.Timedout' });
  expect(await invoke()).toMatchObject({ ok: true });
});

test.each(['http', 'undici'] as const)('a crash comes right after so many calls by %s', async client => {
  start(calling(client));
  faults.inject({ fault: 'function-crash', function: 'worker', afterCalls: 3, times: 1 });
  expect(await invoke()).toEqual({
    ok: false,
    errorType: 'Runtime.ExitError',
    errorMessage: 'Runtime exited with error: exit status 1',
  });
  expect(called()).toEqual(['/0', '/1', '/2']);
  expect(await invoke()).toEqual({ ok: true, payload: 'done' });
});

test('a crash at once leaves the work undone, and one after more calls than there are does not come', async () => {
  start(calling('http'));
  faults.inject({ fault: 'function-crash', times: 1 });
  expect(await invoke()).toMatchObject({ ok: false, errorType: 'Runtime.ExitError' });
  expect(called()).toEqual([]);
  faults.inject({ fault: 'function-crash', afterCalls: 6, times: 1 });
  expect(await invoke()).toEqual({ ok: true, payload: 'done' });
  // Not in the next one either, in the same environment.
  expect(await invoke()).toEqual({ ok: true, payload: 'done' });
});

test('a cold start finds no environment of before', async () => {
  start(answering);
  const thread = async () => ((await invoke()) as { payload: number }).payload;
  const first = await thread();
  expect(await thread()).toBe(first);
  const { id } = faults.inject({ fault: 'function-cold' });
  const threads = [first, await thread(), await thread()];
  expect(new Set(threads).size).toBe(3);
  faults.clear(id);
  expect(await thread()).toBe(threads[2]);
});
