import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  ListStateMachinesCommand,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
  UpdateStateMachineCommand,
} from '@aws-sdk/client-sfn';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Identities, Place, Resource } from '../../../local/assembly/resource.ts';
import { type AwsEndpoint, startAwsEndpoint } from '../../../local/aws/endpoint.ts';
import { AwsError, type InvocationResult, type Principal } from '../../../local/aws/service.ts';
import { createCredentials } from '../../../local/iam/credentials.ts';
import { identities as iamIdentities } from '../../../local/iam/identities.ts';
import { createAuthorization } from '../../../local/iam/policies.ts';
import { createMonitoringClock } from '../../../local/monitoring-clock.ts';
import { identities as sqsIdentities } from '../../../local/sqs/identities.ts';
import { type Sqs, startSqs } from '../../../local/sqs/service.ts';
import type { ServiceEvent } from '../../../local/stepfunctions/event-bus.ts';
import { identities as statesIdentities } from '../../../local/stepfunctions/identities.ts';
import { type StepFunctions, startStepFunctions } from '../../../local/stepfunctions/service.ts';

jest.setTimeout(30_000);

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const identities: Identities = { ...iamIdentities, ...sqsIdentities, ...statesIdentities };
const functionArn = 'arn:aws:lambda:eu-central-1:123456789012:function:worker';
const machineArn = 'arn:aws:states:eu-central-1:123456789012:stateMachine:machine';
const executionArn = (name: string) => `${machineArn.replace('stateMachine', 'execution')}:${name}`;
const roleArn = 'arn:aws:iam::123456789012:role/machine';
/** How much faster waits are than they say. */
const scale = 100;

function resource(logicalId: string, type: string, properties: Record<string, unknown>): Resource {
  const identity = identities[type]?.({ stack: 's', logicalId, property: name => properties[name] }, place);
  if (!identity) throw new Error(`no identity for ${type}`);
  return { stack: 's', logicalId, type, properties, ...identity };
}

const role = (Action: readonly string[], service = 'states.amazonaws.com') =>
  resource('Role', 'AWS::IAM::Role', {
    RoleName: 'machine',
    AssumeRolePolicyDocument: {
      Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: service } }],
    },
    Policies: [
      {
        PolicyName: 'p',
        PolicyDocument: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] },
      },
    ],
  });
const queue = resource('Queue', 'AWS::SQS::Queue', { QueueName: 'queue' });
const stateMachine = (definition: object, name = 'machine') =>
  resource(name, 'AWS::StepFunctions::StateMachine', {
    StateMachineName: name,
    RoleArn: roleArn,
    DefinitionString: JSON.stringify(definition),
  });

let directory: string;
let endpoint: AwsEndpoint | undefined;
let states: StepFunctions;
let sqs: Sqs;
let sfn: SFNClient;
let clients: { destroy(): void }[];
let events: ServiceEvent[];
let logged: unknown[][];
let published: unknown[];
let invocations: [arn: string, event: unknown, caller: Principal][];
let answer: (event: unknown) => InvocationResult | Promise<InvocationResult>;
let ended: Map<string, () => void>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'states-'));
  events = [];
  logged = [];
  published = [];
  invocations = [];
  clients = [];
  ended = new Map();
  answer = event => ({ ok: true, payload: event });
});
afterEach(async () => {
  for (const client of clients) client.destroy();
  await states?.close();
  await endpoint?.close();
  endpoint = undefined;
  await sqs?.close();
  rmSync(directory, { recursive: true });
});

async function start(resources: readonly Resource[], maxHistoryEvents?: number): Promise<void> {
  const authorization = createAuthorization({ resources, place });
  const credentials = createCredentials({ place });
  sqs = await startSqs({ resources, place, stateDirectory: directory, authorization, log: () => {} });
  const authorizeInvoke = (arn: string, principal: Principal) =>
    authorization.authorize({ principal, action: 'lambda:InvokeFunction', resource: arn });
  states = await startStepFunctions({
    resources,
    place,
    authorization,
    forRole: credentials.forRole,
    endpoint: () => endpoint?.url ?? '',
    lambda: {
      async invoke(arn, event, caller) {
        await authorizeInvoke(arn, caller);
        invocations.push([arn, event, caller]);
        return answer(event);
      },
      async invokeAsync(arn, event, caller) {
        await authorizeInvoke(arn, caller);
        invocations.push([arn, event, caller]);
      },
    },
    sns: {
      async publish(topicArn, publication, principal) {
        await authorization.authorize({ principal, action: 'sns:Publish', resource: topicArn });
        published.push([topicArn, publication.message]);
        return { messageId: 'm' };
      },
    },
    events: {
      putEvents: async entries => ({ FailedEntryCount: entries.length - 1, Entries: entries }),
      putEvent(event) {
        events.push(event);
        const { executionArn: arn, status } = event.detail as { executionArn: string; status: string };
        if (status !== 'RUNNING') ended.get(arn)?.();
      },
    },
    clock: createMonitoringClock(scale),
    log: (...line) => logged.push(line),
    ...(maxHistoryEvents !== undefined && { maxHistoryEvents }),
  });
  endpoint = await startAwsEndpoint({
    port: 0,
    services: { states, sqs },
    authenticate: credentials.authenticate,
    log: () => {},
  });
  const configuration = {
    endpoint: endpoint.url,
    region: place.region,
    credentials: credentials.developer,
    maxAttempts: 1,
  };
  sfn = new SFNClient(configuration);
  clients.push(sfn);
}

const receive = async (): Promise<string> => {
  const client = new SQSClient({
    endpoint: endpoint?.url ?? '',
    region: place.region,
    credentials: createCredentials({ place }).developer,
    useQueueUrlAsEndpoint: false,
  });
  clients.push(client);
  const { Messages } = await client.send(
    new ReceiveMessageCommand({ QueueUrl: queue.physicalId, WaitTimeSeconds: 10 }),
  );
  return Messages?.[0]?.Body ?? '';
};

const begin = (name: string, input: unknown = {}, stateMachineArn = machineArn) =>
  sfn.send(new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) }));

/** Starts an execution and waits for its end. */
async function execute(input: unknown = {}, name = 'e') {
  const over = new Promise<void>(resolve => ended.set(executionArn(name), resolve));
  await begin(name, input);
  await over;
  const { status, output, error, cause } = await sfn.send(
    new DescribeExecutionCommand({ executionArn: executionArn(name) }),
  );
  return { status, error, cause, output: output === undefined ? undefined : JSON.parse(output) };
}

const history = async (name = 'e') =>
  (await sfn.send(new GetExecutionHistoryCommand({ executionArn: executionArn(name) }))).events ?? [];

const single = (state: object, more: object = {}) => ({
  StartAt: 'A',
  States: { A: { End: true, ...state } },
  ...more,
});
const invokeTask = (more: object = {}) =>
  single({
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: { FunctionName: functionArn, 'Payload.$': '$' },
    OutputPath: '$.Payload',
    ...more,
  });

test('a function is invoked as the role of the state machine, and the history tells it', async () => {
  await start([role(['lambda:InvokeFunction']), stateMachine(invokeTask())]);
  expect(await execute({ a: 1 })).toMatchObject({ status: 'SUCCEEDED', output: { a: 1 } });
  const caller = { kind: 'role', arn: 'arn:aws:sts::123456789012:assumed-role/machine/machine' };
  expect(invocations).toEqual([[functionArn, { a: 1 }, caller]]);
  const told = await history();
  expect(told.map(({ id, type }) => [id, type])).toEqual(
    [
      'ExecutionStarted',
      'TaskStateEntered',
      'TaskScheduled',
      'TaskStarted',
      'TaskSucceeded',
      'TaskStateExited',
      'ExecutionSucceeded',
    ].map((type, index) => [index + 1, type]),
  );
  expect(told[2]?.taskScheduledEventDetails).toMatchObject({ resourceType: 'lambda', resource: 'invoke' });
  expect(told[6]?.executionSucceededEventDetails?.output).toBe('{"a":1}');
  expect(events.map(({ detail }) => (detail as { status: string }).status)).toEqual(['RUNNING', 'SUCCEEDED']);
  expect(events[1]).toMatchObject({
    source: 'aws.states',
    'detail-type': 'Step Functions Execution Status Change',
    resources: [executionArn('e')],
    detail: { stateMachineArn: machineArn, name: 'e', input: '{"a":1}', output: '{"a":1}', error: null },
  });
});

test('a denial names the missing action, under the name that Step Functions gives it', async () => {
  await start([role(['sqs:ReceiveMessage']), queue, stateMachine(invokeTask())]);
  expect(await execute()).toMatchObject({
    status: 'FAILED',
    error: 'Lambda.AWSLambdaException',
    cause: expect.stringContaining('is not authorized to perform: lambda:InvokeFunction'),
  });
});

test("a denial by an API is of the SDK's error", async () => {
  const Parameters = { QueueUrl: queue.physicalId, MessageBody: 'x' };
  const definition = single({ Type: 'Task', Resource: 'arn:aws:states:::sqs:sendMessage', Parameters });
  const generic = single({ Type: 'Task', Resource: 'arn:aws:states:::aws-sdk:sqs:sendMessage', Parameters });
  await start([role(['lambda:InvokeFunction']), queue, stateMachine(definition), stateMachine(generic, 'generic')]);
  expect(await execute()).toMatchObject({
    error: 'SQS.AmazonSQSException',
    cause: expect.stringContaining('sqs:SendMessage'),
  });
  const arn = machineArn.replace(/machine$/, 'generic');
  const over = new Promise<void>(resolve => ended.set(`${arn.replace('stateMachine', 'execution')}:g`, resolve));
  await begin('g', {}, arn);
  await over;
  expect(events.at(-1)?.detail).toMatchObject({ error: 'Sqs.SqsException' });
});

test('an error of the API keeps its name', async () => {
  const Parameters = { ExecutionArn: executionArn('missing') };
  const Resource = 'arn:aws:states:::aws-sdk:sfn:describeExecution';
  await start([role(['states:DescribeExecution']), stateMachine(single({ Type: 'Task', Resource, Parameters }))]);
  expect(await execute()).toMatchObject({ error: 'Sfn.ExecutionDoesNotExistException' });
});

test('parameters and results of an API without capitals have them', async () => {
  const Parameters = { 'ExecutionArn.$': '$$.Execution.Id' };
  const Resource = 'arn:aws:states:::aws-sdk:sfn:describeExecution';
  await start([role(['states:DescribeExecution']), stateMachine(single({ Type: 'Task', Resource, Parameters }))]);
  expect((await execute()).output).toMatchObject({
    ExecutionArn: executionArn('e'),
    Status: 'RUNNING',
    StartDate: expect.stringMatching(/^\d{4}-.*Z$/),
  });
});

test("a function's error has its own name, and is retried and caught", async () => {
  let failures = 0;
  answer = () => {
    failures += 1;
    return { ok: false, errorType: 'TypeError', errorMessage: 'broken' };
  };
  const definition = {
    StartAt: 'A',
    States: {
      A: {
        Type: 'Task',
        Resource: functionArn,
        Retry: [{ ErrorEquals: ['TypeError'], MaxAttempts: 2, IntervalSeconds: 1 }],
        Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'B' }],
        End: true,
      },
      B: { Type: 'Pass', End: true },
    },
  };
  await start([role(['lambda:InvokeFunction']), stateMachine(definition)]);
  const { output } = await execute();
  expect(failures).toBe(3);
  expect(output).toEqual({
    error: { Error: 'TypeError', Cause: '{"errorMessage":"broken","errorType":"TypeError"}' },
  });
  expect((await history()).filter(({ type }) => type === 'LambdaFunctionFailed')).toHaveLength(3);
});

test.each([
  ['TooManyRequestsException', 429, 'Lambda.TooManyRequestsException'],
  ['ServiceException', 500, 'Lambda.ServiceException'],
  ['ResourceNotFoundException', 404, 'Lambda.ResourceNotFoundException'],
])('Lambda answering %s', async (code, status, error) => {
  answer = () => Promise.reject(new AwsError(code, 'no', status));
  await start([role(['lambda:InvokeFunction']), stateMachine(invokeTask())]);
  expect(await execute()).toMatchObject({ status: 'FAILED', error });
});

test('a task that only calls something times out in real time', async () => {
  const held = Promise.withResolvers<InvocationResult>();
  answer = () => held.promise;
  await start([role(['lambda:InvokeFunction']), stateMachine(invokeTask({ TimeoutSeconds: 1 }))]);
  const from = performance.now();
  expect(await execute()).toMatchObject({ status: 'FAILED', error: 'States.Timeout' });
  expect(performance.now() - from).toBeGreaterThan(950);
  held.resolve({ ok: true, payload: null });
});

const waitForToken = (more: object = {}) =>
  single({
    Type: 'Task',
    Resource: 'arn:aws:states:::sqs:sendMessage.waitForTaskToken',
    Parameters: { QueueUrl: queue.physicalId, MessageBody: { 'token.$': '$$.Task.Token', 'in.$': '$' } },
    ...more,
  });

test('a task waits for its callback; each has a token of its own, worth something once', async () => {
  const definition = {
    StartAt: 'M',
    States: { M: { Type: 'Map', ItemProcessor: waitForToken(), End: true } },
  };
  await start([role(['sqs:SendMessage']), queue, stateMachine(definition)]);
  const over = new Promise<void>(resolve => ended.set(executionArn('e'), resolve));
  await begin('e', [1, 2]);
  const messages = [JSON.parse(await receive()), JSON.parse(await receive())];
  const [first, second] = messages.map(({ token }) => token);
  expect(first).not.toBe(second);
  await sfn.send(new SendTaskHeartbeatCommand({ taskToken: first }));
  for (const message of messages)
    await sfn.send(new SendTaskSuccessCommand({ taskToken: message.token, output: JSON.stringify(message.in * 10) }));
  await over;
  const { output } = await sfn.send(new DescribeExecutionCommand({ executionArn: executionArn('e') }));
  expect(output).toBe('[10,20]');
  const again = new SendTaskSuccessCommand({ taskToken: first, output: '1' });
  await expect(sfn.send(again)).rejects.toMatchObject({ name: 'TaskTimedOut' });
  const unknown = new SendTaskSuccessCommand({ taskToken: 'x', output: '1' });
  await expect(sfn.send(unknown)).rejects.toMatchObject({ name: 'InvalidToken' });
});

test('a callback can fail the task', async () => {
  await start([role(['sqs:SendMessage']), queue, stateMachine(waitForToken())]);
  const over = new Promise<void>(resolve => ended.set(executionArn('e'), resolve));
  await begin('e');
  const { token } = JSON.parse(await receive());
  const notJson = new SendTaskSuccessCommand({ taskToken: token, output: '{' });
  await expect(sfn.send(notJson)).rejects.toMatchObject({ name: 'InvalidOutput' });
  await sfn.send(new SendTaskFailureCommand({ taskToken: token, error: 'Rejected', cause: 'no' }));
  await over;
  expect(events.at(-1)?.detail).toMatchObject({ status: 'FAILED', error: 'Rejected', cause: 'no' });
});

test.each([
  ['States.Timeout', { TimeoutSeconds: 100 }],
  ['States.HeartbeatTimeout', { TimeoutSeconds: 99_999, HeartbeatSeconds: 50 }],
])('a callback that does not come ends as %s, in monitoring time', async (error, more) => {
  await start([role(['sqs:SendMessage']), queue, stateMachine(waitForToken(more))]);
  expect(await execute()).toMatchObject({ status: 'FAILED', error });
  expect((await history()).map(({ type }) => type)).toContain('TaskTimedOut');
});

const nested = (suffix: string) =>
  single({
    Type: 'Task',
    Resource: `arn:aws:states:::states:startExecution${suffix}`,
    Parameters: { StateMachineArn: machineArn.replace(/machine$/, 'inner'), Input: { 'x.$': '$.x' } },
  });
const managedRule = ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'];

test('another execution is waited for, and its output is JSON with .sync:2', async () => {
  const inner = stateMachine(single({ Type: 'Pass', Parameters: { 'y.$': '$.x' } }), 'inner');
  const actions = ['states:StartExecution', 'states:DescribeExecution', 'states:StopExecution', ...managedRule];
  await start([role(actions), inner, stateMachine(nested('.sync:2'))]);
  expect((await execute({ x: 5 })).output).toMatchObject({ Status: 'SUCCEEDED', Output: { y: 5 } });
});

test('another execution that fails fails the task', async () => {
  const inner = stateMachine({ StartAt: 'F', States: { F: { Type: 'Fail', Error: 'Bad', Cause: 'why' } } }, 'inner');
  await start([role(['states:*', ...managedRule]), inner, stateMachine(nested('.sync:2'))]);
  const { error, cause } = await execute({ x: 5 });
  expect(error).toBe('States.TaskFailed');
  expect(JSON.parse(cause ?? '')).toMatchObject({ Status: 'FAILED', Error: 'Bad', Cause: 'why' });
});

test('a stopped execution stops what it waits for', async () => {
  const inner = stateMachine(single({ Type: 'Wait', Seconds: 999_999 }), 'inner');
  await start([role(['states:*', ...managedRule]), inner, stateMachine(nested('.sync'))]);
  const stopped = new Promise<void>(resolve => {
    const isInner = (arn: string) => arn.includes(':execution:inner:');
    ended.get = arn => (isInner(arn) ? resolve : undefined);
  });
  await begin('e', { x: 1 });
  await new Promise<void>(resolve => {
    const look = () => (events.length === 2 ? resolve() : setImmediate(look));
    look();
  });
  await sfn.send(new StopExecutionCommand({ executionArn: executionArn('e'), error: 'Enough', cause: 'by hand' }));
  await stopped;
  expect(await sfn.send(new DescribeExecutionCommand({ executionArn: executionArn('e') }))).toMatchObject({
    status: 'ABORTED',
    error: 'Enough',
    cause: 'by hand',
  });
});

test('topics are published to, and entries that the bus refuses fail the task', async () => {
  const definition = {
    StartAt: 'A',
    States: {
      A: {
        Type: 'Task',
        Resource: 'arn:aws:states:::sns:publish',
        Parameters: { TopicArn: 'arn:aws:sns:eu-central-1:123456789012:t', Message: { 'm.$': '$.m' } },
        Next: 'B',
      },
      B: {
        Type: 'Task',
        Resource: 'arn:aws:states:::events:putEvents',
        Parameters: { Entries: [{ Detail: {} }, { Detail: {} }] },
        End: true,
      },
    },
  };
  await start([role(['sns:Publish']), stateMachine(definition)]);
  expect(await execute({ m: 1 })).toMatchObject({ error: 'EventBridge.FailedEntry' });
  expect(published).toEqual([['arn:aws:sns:eu-central-1:123456789012:t', '{"m":1}']]);
});

test('a name is in use for as long as its execution is known, unless it runs with the same input', async () => {
  await start([role([]), stateMachine(single({ Type: 'Wait', Seconds: 999_999 }))]);
  const { startDate } = await begin('e', { a: 1 });
  expect((await begin('e', { a: 1 })).startDate).toEqual(startDate);
  const inUse = { name: 'ExecutionAlreadyExists' };
  await expect(begin('e', { a: 2 })).rejects.toMatchObject(inUse);
  await sfn.send(new StopExecutionCommand({ executionArn: executionArn('e') }));
  await expect(begin('e', { a: 1 })).rejects.toMatchObject(inUse);
});

test.each([
  ['a name with a blank', { name: 'a b' }, 'InvalidName'],
  ['a long name', { name: 'x'.repeat(81) }, 'InvalidName'],
  ['input that is not JSON', { input: '{' }, 'InvalidExecutionInput'],
  ['input over 256 KB', { input: JSON.stringify('x'.repeat(262_144)) }, 'InvalidExecutionInput'],
  ['another machine', { stateMachineArn: `${machineArn}2` }, 'StateMachineDoesNotExist'],
])('%s is refused', async (_, parameters, name) => {
  await start([role([]), stateMachine(single({ Type: 'Pass' }))]);
  const command = new StartExecutionCommand({ stateMachineArn: machineArn, ...parameters });
  await expect(sfn.send(command)).rejects.toMatchObject({ name });
});

test('executions and machines are listed', async () => {
  await start([role([]), stateMachine(single({ Type: 'Pass' }))]);
  await execute({}, 'first');
  await execute({}, 'second');
  const list = (more: object) => sfn.send(new ListExecutionsCommand({ stateMachineArn: machineArn, ...more }));
  const page = await list({ maxResults: 1 });
  expect(page.executions?.map(({ name }) => name)).toEqual(['second']);
  expect((await list({ nextToken: page.nextToken })).executions?.map(({ name }) => name)).toEqual(['first']);
  expect((await list({ statusFilter: 'RUNNING' })).executions).toEqual([]);
  expect((await sfn.send(new ListStateMachinesCommand({}))).stateMachines?.[0]?.stateMachineArn).toBe(machineArn);
  const described = await sfn.send(new DescribeStateMachineCommand({ stateMachineArn: machineArn }));
  expect(described).toMatchObject({ name: 'machine', roleArn, definition: expect.stringContaining('"StartAt":"A"') });
});

test('an updated machine is another for what starts from now on; what runs keeps its definition', async () => {
  const waits = (says: string) => ({
    StartAt: 'A',
    States: {
      A: { Type: 'Wait', Seconds: 50, Next: 'B' },
      B: { Type: 'Pass', Result: says, End: true },
    },
  });
  await start([role([]), stateMachine(waits('old'))]);
  const over = new Promise<void>(resolve => ended.set(executionArn('under-way'), resolve));
  await begin('under-way');
  const update = (definition: object | string) =>
    sfn.send(
      new UpdateStateMachineCommand({
        stateMachineArn: machineArn,
        definition: typeof definition === 'string' ? definition : JSON.stringify(definition),
      }),
    );
  await update(waits('new'));
  expect(await execute({}, 'later')).toMatchObject({ output: 'new' });
  await over;
  expect(await sfn.send(new DescribeExecutionCommand({ executionArn: executionArn('under-way') }))).toMatchObject({
    output: '"old"',
  });
  const described = await sfn.send(new DescribeStateMachineCommand({ stateMachineArn: machineArn }));
  expect(described.definition).toContain('"new"');
  const invalid = { name: 'InvalidDefinition' };
  await expect(update('{')).rejects.toMatchObject(invalid);
  await expect(update(single({ Type: 'Task', Resource: 'arn:aws:states:::s3:putObject' }))).rejects.toMatchObject(
    invalid,
  );
});

test('an execution over its time, or its history, ends', async () => {
  const loop = {
    StartAt: 'A',
    States: {
      A: { Type: 'Pass', Next: 'B' },
      B: { Type: 'Choice', Choices: [{ Variable: '$.stop', IsPresent: true, Next: 'C' }], Default: 'A' },
      C: { Type: 'Succeed' },
    },
  };
  const slow = single({ Type: 'Wait', Seconds: 999_999 }, { TimeoutSeconds: 10 });
  await start([role([]), stateMachine(loop), stateMachine(slow, 'slow')], 50);
  expect(await execute()).toMatchObject({
    status: 'FAILED',
    error: 'States.Runtime',
    cause: expect.stringContaining('50'),
  });
  expect(await history()).toHaveLength(50);
  const arn = machineArn.replace(/machine$/, 'slow');
  const over = new Promise<void>(resolve => ended.set(`${arn.replace('stateMachine', 'execution')}:s`, resolve));
  await begin('s', {}, arn);
  await over;
  expect(events.at(-1)?.detail).toMatchObject({ status: 'TIMED_OUT' });
});

test('executions that run when it closes are named', async () => {
  await start([role([]), stateMachine(single({ Type: 'Wait', Seconds: 999_999 }))]);
  await begin('e');
  await states.close();
  expect(logged).toContainEqual([
    'warn',
    'states',
    'executions end with the local environment and are not taken up again',
    { executions: ['machine:e'] },
  ]);
});

test.each([
  [
    'an integration that is not run',
    single({ Type: 'Task', Resource: 'arn:aws:states:::batch:submitJob' }),
    'state A: arn:aws:states:::batch:submitJob cannot be run',
  ],
  [
    'a client that is not there',
    single({ Type: 'Task', Resource: 'arn:aws:states:::aws-sdk:s3:getObject' }),
    'state A: aws-sdk:s3 cannot be run',
  ],
  [
    'an action that is not there',
    single({ Type: 'Task', Resource: 'arn:aws:states:::aws-sdk:sqs:sendMassage' }),
    'sqs has no action sendMassage',
  ],
  ['a parameter that is not run', invokeTask({ Parameters: { FunctionName: 'f', LogType: 'Tail' } }), 'LogType'],
  ['a role that may keep no rule', nested('.sync:2'), 'not authorized to create managed-rule'],
])('%s is an error at start that names it', async (_, definition, message) => {
  await expect(start([role(['states:*']), stateMachine(definition)])).rejects.toMatchObject({
    name: 'TemplateError',
    message: expect.stringMatching(new RegExp(`^s\\.machine .*${message}`)),
  });
});

test('a role of another service is an error at start', async () => {
  const machine = stateMachine(single({ Type: 'Pass' }));
  await expect(start([role([], 'lambda.amazonaws.com'), machine])).rejects.toThrow(
    'does not let states.amazonaws.com assume it',
  );
});
