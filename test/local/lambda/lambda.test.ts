import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Place, Resource } from '../../../local/assembly/resource.ts';
import type { Principal } from '../../../local/aws/service.ts';
import { createAuthorization } from '../../../local/iam/policies.ts';
import { type Lambda, type LambdaOptions, startLambda } from '../../../local/lambda/lambda.ts';
import { ManualClock } from '../manual-clock.ts';
import { Bundles, Gate, gatedBundle, Lines } from './bundles.ts';

jest.setTimeout(30_000);

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const channel = 'lambda.test';
const arnOf = (name: string) => `arn:aws:lambda:eu-central-1:123456789012:function:${name}`;
const roleArn = 'arn:aws:iam::123456789012:role/worker';
const developer: Principal = { kind: 'user', arn: 'arn:aws:iam::123456789012:user/developer' };
const gateway: Principal = {
  kind: 'service',
  service: 'apigateway.amazonaws.com',
  sourceArn: 'arn:aws:execute-api:eu-central-1:123456789012:api/dev/$connect',
};

function resource(
  type: string,
  logicalId: string,
  properties: Record<string, unknown>,
  physicalId = logicalId,
): Resource {
  return { stack: 'shop-dev', logicalId, type: `AWS::Lambda::${type}`, properties, physicalId, attributes: {} };
}

const functionResource = (name: string, properties: Record<string, unknown> = {}) =>
  resource(
    'Function',
    `${name}Function`,
    {
      Code: { S3Bucket: 'assets', S3Key: name },
      Handler: 'index.handler',
      Runtime: 'nodejs24.x',
      Role: roleArn,
      ...properties,
    },
    name,
  );
const permission = (properties: Record<string, unknown> = {}) =>
  resource('Permission', 'Permission', {
    Action: 'lambda:InvokeFunction',
    FunctionName: arnOf('worker'),
    Principal: 'apigateway.amazonaws.com',
    SourceArn: 'arn:aws:execute-api:eu-central-1:123456789012:api/*$connect',
    ...properties,
  });
const invokeConfig = (properties: Record<string, unknown>) =>
  resource('EventInvokeConfig', 'Config', { FunctionName: 'worker', Qualifier: '$LATEST', ...properties });

interface LogLine {
  readonly level: string;
  readonly component: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

let bundles: Bundles;
let clock: ManualClock;
let gate: Gate;
let lines: Lines<LogLine>;
let lambda: Lambda | undefined;

beforeEach(() => {
  bundles = new Bundles();
  clock = new ManualClock();
  gate = new Gate(channel);
  lines = new Lines();
});
afterEach(async () => {
  await lambda?.close();
  lambda = undefined;
  gate.close();
  bundles.remove();
});

const logFile = (name = 'worker') => readFileSync(join(bundles.directory, 'logs', `${name}.log`), 'utf8');

/** Starts functions by their code, with further resources. */
function start(
  code: Record<string, string>,
  more: readonly Resource[] = [],
  options: Partial<LambdaOptions> = {},
): Lambda {
  const directories = Object.fromEntries(Object.entries(code).map(([name, text]) => [name, bundles.add(text)]));
  const declared = new Set(more.map(({ physicalId }) => physicalId));
  const functions = Object.keys(code).filter(name => !declared.has(name));
  const resources = [...functions.map(name => functionResource(name)), ...more];
  lambda = startLambda({
    resources,
    place,
    asset: key => directories[key] ?? '/nowhere',
    runtimeVariables: (role, name) => ({ AWS_REGION: 'eu-central-1', ROLE: role, NAME: name }),
    localAddresses: text => text.replace('https://public', 'http://127.0.0.1:1'),
    authorization: createAuthorization({ resources: [], place }),
    logDirectory: join(bundles.directory, 'logs'),
    maxEnvironments: 2,
    log: (level, component, message, fields = {}) => lines.add({ level, component, message, fields }),
    clock,
    ...options,
  });
  return lambda;
}

const gated = (more?: readonly Resource[]) => start({ worker: gatedBundle(channel) }, more);

/** Lets everything run that waits for neither a timer nor a thread. */
const settle = async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
};

describe('a function', () => {
  it('has the variables that the template declares, at local addresses, and those of the runtime', async () => {
    const Variables = { CALLBACK_URL: 'https://public/dev', AWS_REGION: 'elsewhere' };
    const { invoke } = start({ worker: 'exports.handler = async () => process.env' }, [
      functionResource('worker', { Environment: { Variables }, MemorySize: 256 }),
    ]);
    expect(await invoke(arnOf('worker'), {}, developer)).toEqual({
      ok: true,
      payload: {
        CALLBACK_URL: 'http://127.0.0.1:1/dev',
        AWS_REGION: 'eu-central-1',
        ROLE: roleArn,
        NAME: 'worker',
        AWS_LAMBDA_FUNCTION_NAME: 'worker',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
        AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      },
    });
  });

  it('is found by its ARN, with $LATEST or without', async () => {
    const { invoke, roleOf, timeoutSeconds } = start({ worker: 'exports.handler = async () => 1' });
    expect(await invoke(`${arnOf('worker')}:$LATEST`, {}, developer)).toEqual({ ok: true, payload: 1 });
    expect([roleOf(arnOf('worker')), timeoutSeconds(arnOf('worker'))]).toEqual([roleArn, 3]);
    const missing = { code: 'ResourceNotFoundException', status: 404 };
    await expect(invoke(arnOf('other'), {}, developer)).rejects.toMatchObject(missing);
    await expect(invoke(`${arnOf('worker')}:live`, {}, developer)).rejects.toMatchObject(missing);
    expect(() => roleOf(arnOf('other'))).toThrow(expect.objectContaining(missing));
  });

  it('is invoked by Lambda itself without a permission', async () => {
    const { invoke } = start({ worker: 'exports.handler = async () => 1' });
    const eventSource: Principal = { kind: 'service', service: 'lambda.amazonaws.com' };
    expect(await invoke(arnOf('worker'), {}, eventSource)).toEqual({ ok: true, payload: 1 });
  });
});

describe('the permission of a service', () => {
  const code = { worker: 'exports.handler = async () => 1' };

  it('lets it invoke the function from the source that it names', async () => {
    const { invoke } = start(code, [permission()]);
    expect(await invoke(arnOf('worker'), {}, gateway)).toEqual({ ok: true, payload: 1 });
  });

  it.each([
    ['no permission', []],
    ['a permission for another source', [permission({ SourceArn: 'arn:aws:execute-api:eu-central-1:1:other/*' })]],
    ['a permission for another account', [permission({ SourceAccount: '999999999999' })]],
    ['a permission for another service', [permission({ Principal: 'sns.amazonaws.com' })]],
    ['a permission for another action', [permission({ Action: 'lambda:GetFunction' })]],
  ])('is missing with %s, and the denial names who, what and where', async (_what, resources) => {
    const { invoke, invokeAsync } = start(code, resources);
    const denied = {
      code: 'AccessDeniedException',
      message: expect.stringMatching(
        `apigateway.amazonaws.com is not authorized to perform: lambda:InvokeFunction on resource: ${arnOf('worker')}`,
      ),
    };
    await expect(invoke(arnOf('worker'), {}, gateway)).rejects.toMatchObject(denied);
    await expect(invokeAsync(arnOf('worker'), {}, gateway)).rejects.toMatchObject(denied);
  });
});

describe('an asynchronous invocation', () => {
  const accept = (payload: object = { id: 'a' }) => lambda?.invokeAsync(arnOf('worker'), payload, developer);
  const failed = (retriesLeft: number) =>
    lines.find(
      ({ message, fields }) => message === 'asynchronous invocation failed' && fields.retriesLeft === retriesLeft,
    );
  const lost = (reason: string) => lines.find(({ message }) => message.endsWith(`is lost: ${reason}`));
  const minuteMs = 60_000;

  it('is accepted before the function answers, and nothing more happens when it succeeds', async () => {
    gated();
    await accept();
    gate.release(await gate.next());
    await lambda?.close();
    expect(lines.all).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  it('that fails is tried again after one and after two minutes, then lost', async () => {
    gated();
    await accept();
    gate.fail(await gate.next());
    expect(await failed(2)).toMatchObject({
      level: 'error',
      fields: { function: arnOf('worker'), errorType: 'TypeError', errorMessage: 'failed a' },
    });
    clock.advance(minuteMs - 1);
    expect(gate.started).toEqual(['a']);
    clock.advance(1);
    gate.fail(await gate.next());
    await failed(1);
    clock.advance(2 * minuteMs - 1);
    expect(gate.started).toEqual(['a', 'a']);
    clock.advance(1);
    gate.fail(await gate.next());
    await failed(0);
    expect(await lost('all attempts failed')).toMatchObject({ level: 'error', fields: { failures: 3 } });
    expect(clock.timers).toBe(0);
  });

  it('that succeeds at the second attempt is not tried again', async () => {
    gated();
    await accept();
    gate.fail(await gate.next());
    await failed(2);
    clock.advance(minuteMs);
    gate.release(await gate.next());
    await lambda?.close();
    expect(gate.started).toEqual(['a', 'a']);
    expect(clock.timers).toBe(0);
  });

  it.each([0, 1])('is tried again %i times with that MaximumRetryAttempts', async MaximumRetryAttempts => {
    gated([invokeConfig({ MaximumRetryAttempts })]);
    await accept();
    for (let retries = MaximumRetryAttempts; retries >= 0; retries--) {
      gate.fail(await gate.next());
      await failed(retries);
      clock.advance(2 * minuteMs);
    }
    await lost('all attempts failed');
    expect(gate.started).toHaveLength(MaximumRetryAttempts + 1);
  });

  it('is not tried again once it would be older than MaximumEventAgeInSeconds', async () => {
    gated([invokeConfig({ MaximumEventAgeInSeconds: 100 })]);
    await accept();
    gate.fail(await gate.next());
    await failed(2);
    clock.advance(minuteMs);
    gate.fail(await gate.next());
    await failed(1);
    await lost('it would be too old');
    expect(clock.timers).toBe(0);
  });

  it('that is throttled comes back after 1 s, 2 s, 4 s, without using up an attempt', async () => {
    gated([functionResource('worker', { ReservedConcurrentExecutions: 1 })]);
    const running = lambda?.invoke(arnOf('worker'), { id: 'running' }, developer);
    await gate.next();
    const refusals = () => lines.all.filter(({ message }) => message === 'an asynchronous invocation was refused');
    await accept();
    for (const [count, delayMs] of [
      [1, 1_000],
      [2, 2_000],
    ] as const) {
      await settle();
      expect(refusals()).toHaveLength(count);
      clock.advance(delayMs - 1);
      await settle();
      expect(refusals()).toHaveLength(count);
      clock.advance(1);
    }
    await settle();
    expect(refusals()).toHaveLength(3);
    expect(refusals()[0]).toMatchObject({ level: 'warn', fields: { error: 'TooManyRequestsException' } });
    gate.release('running');
    await running;
    clock.advance(4_000);
    gate.fail(await gate.next());
    await failed(2);
  });

  it('of more than 1 MB is refused', async () => {
    gated();
    const frame = '{"text":""}'.length;
    await expect(accept({ text: 'x'.repeat(1024 * 1024 - frame + 1) })).rejects.toMatchObject({
      code: 'RequestTooLargeException',
      status: 413,
    });
  });
});

describe('what a function writes', () => {
  it('goes to its file, line by line; warnings and errors to the log too', async () => {
    const code = `exports.handler = async () => {
      console.log('plain');
      process.stdout.write('{"level":"INFO","message":"fine"}\\n{"level":"WARN","mess');
      process.stdout.write('age":"careful","timestamp":"t","service":"s","count":2}\\n');
      console.log(JSON.stringify({ level: 'ERROR', message: 'bröken' }));
      console.log('{ not JSON');
      console.log(JSON.stringify({ _aws: { CloudWatchMetrics: [] }, Count: 1 }));
      console.error('to stderr');
    }`;
    const { invoke, close } = start({ worker: code });
    await invoke(arnOf('worker'), {}, developer);
    await close();
    const shown = lines.all.map(({ level, component, message, fields }) => [level, component, message, fields]);
    expect(shown.toSorted()).toEqual(
      [
        ['warn', 'worker', 'careful', { count: 2 }],
        ['error', 'worker', 'bröken', {}],
        ['warn', 'worker', 'to stderr', {}],
      ].toSorted(),
    );
    const written = logFile().trimEnd().split('\n');
    expect(written).toHaveLength(7);
    expect(written).toEqual(
      expect.arrayContaining([
        'plain',
        '{"level":"WARN","message":"careful","timestamp":"t","service":"s","count":2}',
        '{ not JSON',
        'to stderr',
      ]),
    );
  });

  it('is kept whole where several environments write at once', async () => {
    const line = 'x'.repeat(100);
    const code = `exports.handler = async ({ id }) => {
      for (let i = 0; i < 50; i++) { process.stdout.write(id + '${line}'); process.stdout.write('\\n') }
    }`;
    const { invoke, close } = start({ worker: code });
    await Promise.all(['a', 'b'].map(id => invoke(arnOf('worker'), { id }, developer)));
    await close();
    const written = logFile().trimEnd().split('\n');
    for (const id of ['a', 'b']) expect(written.filter(each => each === `${id}${line}`)).toHaveLength(50);
    expect(written).toHaveLength(100);
  });

  it('is joined by what Lambda says of a failure, with the stack', async () => {
    const { invoke, close } = start({ worker: 'exports.handler = async () => { throw new TypeError("bad") }' });
    await invoke(arnOf('worker'), {}, developer);
    await close();
    expect(lines.all).toEqual([
      {
        level: 'error',
        component: 'worker',
        message: 'Invoke Error',
        fields: { errorType: 'TypeError', errorMessage: 'bad', stack: expect.stringContaining('index.js') },
      },
    ]);
    expect(JSON.parse(logFile())).toMatchObject({ level: 'ERROR', message: 'Invoke Error', errorMessage: 'bad' });
  });
});

describe('close', () => {
  it('lets what runs finish, waiting and asynchronous invocations included', async () => {
    gated();
    const running = ['a', 'b', 'c'].map(id => lambda?.invoke(arnOf('worker'), { id }, developer));
    await lambda?.invokeAsync(arnOf('worker'), { id: 'd' }, developer);
    let closed = false;
    const closing = lambda?.close().then(() => {
      closed = true;
    });
    for (let count = 0; count < 4; count++) {
      const id = await gate.next();
      expect(closed).toBe(false);
      gate.release(id);
    }
    await closing;
    expect((await Promise.all(running)).map(result => result?.ok)).toEqual([true, true, true]);
    expect(gate.started.toSorted()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('lets a function that runs cause another, and refuses once all are done', async () => {
    gated();
    const first = lambda?.invoke(arnOf('worker'), { id: 'a' }, developer);
    await gate.next();
    const closing = lambda?.close();
    const caused = lambda?.invoke(arnOf('worker'), { id: 'b' }, developer);
    gate.release('a');
    gate.release(await gate.next());
    expect(await Promise.all([first, caused])).toMatchObject([{ ok: true }, { ok: true }]);
    await closing;
    await expect(lambda?.invoke(arnOf('worker'), { id: 'c' }, developer)).rejects.toMatchObject({
      code: 'ServiceException',
      status: 503,
    });
  });

  it('is bounded by the timeout of the function', async () => {
    start({ worker: 'exports.handler = () => new Promise(() => {})' }, [functionResource('worker', { Timeout: 1 })]);
    const hanging = lambda?.invoke(arnOf('worker'), {}, developer);
    await lambda?.close();
    expect(await hanging).toMatchObject({ ok: false, errorType: 'Sandbox.Timedout' });
  });

  it('gives up events that wait for a retry, and says so', async () => {
    gated();
    await lambda?.invokeAsync(arnOf('worker'), { id: 'a' }, developer);
    gate.fail(await gate.next());
    await lines.find(({ message }) => message === 'asynchronous invocation failed');
    const closing = lambda?.close();
    expect(lambda?.close()).toBe(closing);
    await closing;
    expect(lines.all.at(-1)?.message).toBe(
      'an event for asynchronous invocation is lost: the local environment was closed before its retry',
    );
    expect(clock.timers).toBe(0);
  });
});

describe('the template', () => {
  const bundle = { worker: 'exports.handler = async () => 1' };

  it.each([
    ['another runtime', 'workerFunction', 'Runtime', functionResource('worker', { Runtime: 'python3.13' })],
    ['a network', 'workerFunction', 'VpcConfig', functionResource('worker', { VpcConfig: {} })],
    ['a timeout over 15 min', 'workerFunction', 'Timeout', functionResource('worker', { Timeout: 901 })],
    [
      'more than 4 KB of variables',
      'workerFunction',
      'Environment.Variables',
      functionResource('worker', { Environment: { Variables: { TEXT: 'x'.repeat(4_096) } } }),
    ],
    ['a permission for nothing', 'Permission', 'FunctionName', permission({ FunctionName: 'other' })],
    ['a permission of an alias', 'Permission', 'FunctionName', permission({ FunctionName: `${arnOf('worker')}:live` })],
    ['retries of nothing', 'Config', 'FunctionName', invokeConfig({ FunctionName: 'other' })],
    ['retries of a version', 'Config', 'Qualifier', invokeConfig({ Qualifier: '7' })],
    ['too many retries', 'Config', 'MaximumRetryAttempts', invokeConfig({ MaximumRetryAttempts: 3 })],
    ['a destination', 'Config', 'DestinationConfig', invokeConfig({ DestinationConfig: {} })],
  ])('with %s is an error that names %s and %s', (_what, logicalId, property, wrong) => {
    expect(() => start(bundle, [wrong])).toThrow(
      expect.objectContaining({
        name: 'TemplateError',
        message: expect.stringContaining(`shop-dev.${logicalId} (${wrong.type}): property ${property}: `),
      }),
    );
  });
});
