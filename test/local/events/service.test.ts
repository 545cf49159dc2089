import type { Place, Resource } from '../../../local/assembly/resource.ts';
import { type AwsCall, AwsError, type Principal } from '../../../local/aws/service.ts';
import { identities } from '../../../local/events/rules.ts';
import { type Events, startEvents } from '../../../local/events/service.ts';
import { createMonitoringClock } from '../../../local/monitoring-clock.ts';
import { ManualClock } from '../manual-clock.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const principal: Principal = { kind: 'role', arn: 'arn:aws:iam::123456789012:role/app' };
const functionArn = 'arn:aws:lambda:eu-central-1:123456789012:function:worker';
const machineArn = 'arn:aws:states:eu-central-1:123456789012:stateMachine:responder';
const queueArn = 'arn:aws:sqs:eu-central-1:123456789012:queue';
const topicArn = 'arn:aws:sns:eu-central-1:123456789012:topic';
const roleArn = 'arn:aws:iam::123456789012:role/starter';
const ruleArn = 'arn:aws:events:eu-central-1:123456789012:rule/rule';
const startedAt = Date.UTC(2026, 0, 1);

let clock: ManualClock;
let delivered: [kind: string, target: string, content: unknown, by: Principal][];
let logged: unknown[][];
let asked: unknown[];
let fail: (target: string) => void;
let events: Events;

beforeEach(() => {
  clock = new ManualClock(startedAt);
  delivered = [];
  logged = [];
  asked = [];
  fail = () => {};
});
afterEach(() => events?.close());

const rule = (properties: Record<string, unknown>): Resource => {
  const declared = { Name: 'rule', ...properties };
  const identity = identities['AWS::Events::Rule']?.(
    { stack: 's', logicalId: 'Rule', property: name => (declared as Record<string, unknown>)[name] },
    place,
  );
  if (!identity) throw new Error('no identity');
  return { stack: 's', logicalId: 'Rule', type: 'AWS::Events::Rule', properties: declared, ...identity };
};
const EventPattern = { source: ['app'] };
const toFunction = (more: object = {}) => rule({ EventPattern, Targets: [{ Id: 't', Arn: functionArn, ...more }] });

function start(...resources: Resource[]): void {
  const deliver = async (kind: string, target: string, content: unknown, by: Principal) => {
    fail(target);
    delivered.push([kind, target, content, by]);
  };
  events = startEvents({
    resources,
    place,
    clock: createMonitoringClock(1, clock),
    authorization: {
      authorize: async request => {
        asked.push(request);
      },
    },
    lambda: { invokeAsync: (arn, event, by) => deliver('lambda', arn, event, by) },
    stepFunctions: {
      startExecution: async (arn, input, _name, by) => {
        await deliver('states', arn, input, by);
        return { executionArn: arn, startDate: 0 };
      },
    },
    sqs: {
      deliver: async (arn, message, by) => {
        await deliver('sqs', arn, message, by);
        return { messageId: 'm', md5OfBody: '', md5OfAttributes: undefined, sequenceNumber: undefined };
      },
    },
    sns: {
      publish: async (arn, message, by) => {
        await deliver('sns', arn, message, by);
        return { messageId: 'm' };
      },
    },
    log: (...line) => logged.push(line),
  });
}

const put = (detail: object = { a: 1 }) =>
  events.putEvent({ source: 'app', 'detail-type': 'Happened', resources: ['r'], detail });
const settle = async () => {
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
};
const contents = () => delivered.map(([, , content]) => content);

test('an event goes to every target of the rules that match it, as the rule or its role', async () => {
  const service: Principal = { kind: 'service', service: 'events.amazonaws.com', sourceArn: ruleArn };
  start(
    rule({
      EventPattern,
      Targets: [
        { Id: 'f', Arn: functionArn },
        { Id: 'm', Arn: machineArn, RoleArn: roleArn, InputPath: '$.detail' },
        { Id: 'q', Arn: queueArn, Input: '{"fixed":true}', SqsParameters: { MessageGroupId: 'g' } },
        { Id: 't', Arn: topicArn, InputPath: '$.detail.text' },
      ],
    }),
    rule({ Name: 'other', EventPattern: { source: ['else'] }, Targets: [{ Id: 'f', Arn: functionArn }] }),
    rule({ Name: 'off', EventPattern, State: 'DISABLED', Targets: [{ Id: 'f', Arn: functionArn }] }),
  );
  put({ text: 'hi' });
  await settle();
  const event = {
    version: '0',
    id: expect.any(String),
    'detail-type': 'Happened',
    source: 'app',
    account: '123456789012',
    time: '2026-01-01T00:00:00Z',
    region: 'eu-central-1',
    resources: ['r'],
    detail: { text: 'hi' },
  };
  expect(delivered).toEqual([
    ['lambda', functionArn, event, service],
    ['states', machineArn, '{"text":"hi"}', { kind: 'role', arn: roleArn }],
    ['sqs', queueArn, { body: '{"fixed":true}', groupId: 'g' }, service],
    ['sns', topicArn, { message: 'hi' }, service],
  ]);
});

test.each([
  ['{"name":<name>,"list":<list>}', { name: 'a "b"', list: [1, 2] }],
  ['{"text":"alarm <name> of <list>"}', { text: 'alarm a "b" of [1,2]' }],
  ['"<name> is here"', 'a "b" is here'],
  [
    '{"rule":"<aws.events.rule-name>","all":<aws.events.event>}',
    { rule: 'rule', all: expect.objectContaining({ source: 'app' }) },
  ],
])('a template %s', async (InputTemplate, expected) => {
  start(
    toFunction({
      InputTransformer: { InputPathsMap: { name: '$.detail.name', list: '$.detail.list' }, InputTemplate },
    }),
  );
  put({ name: 'a "b"', list: [1, 2] });
  await settle();
  expect(contents()).toEqual([expected]);
});

test('what is refused for a while is tried again, until it is too old', async () => {
  fail = () => {
    throw new AwsError('TooManyRequestsException', 'slow down', 429);
  };
  start(toFunction({ RetryPolicy: { MaximumRetryAttempts: 3 } }), rule({ Name: 'x', EventPattern: { source: ['x'] } }));
  put();
  await settle();
  for (let turn = 0; turn < 4; turn += 1) {
    clock.advance(60_000);
    await settle();
  }
  expect(logged.map(([level]) => level)).toEqual(['warn', 'warn', 'warn', 'error']);
  expect(clock.timers).toBe(0);
});

test('a target that lets nobody in is not tried again: the event is dead-lettered with the reason', async () => {
  fail = target => {
    if (target === functionArn) throw new AwsError('AccessDeniedException', 'no lambda:InvokeFunction');
  };
  start(toFunction({ DeadLetterConfig: { Arn: queueArn } }));
  put({ a: 1 });
  await settle();
  const [[kind, arn, message] = []] = delivered;
  expect([kind, arn]).toEqual(['sqs', queueArn]);
  const { body, attributes } = message as { body: string; attributes: Record<string, { StringValue: string }> };
  expect(JSON.parse(body).detail).toEqual({ a: 1 });
  expect(Object.entries(attributes).map(([name, { StringValue }]) => [name, StringValue])).toEqual([
    ['RULE_ARN', ruleArn],
    ['TARGET_ARN', functionArn],
    ['ERROR_CODE', 'NO_PERMISSIONS'],
    ['ERROR_MESSAGE', 'no lambda:InvokeFunction'],
  ]);
  expect(logged).toEqual([['error', 'events', 'no lambda:InvokeFunction', expect.objectContaining({ rule: 'rule' })]]);
});

test('a rule runs by its schedule', async () => {
  start(rule({ ScheduleExpression: 'rate(5 minutes)', Targets: [{ Id: 't', Arn: functionArn }] }));
  clock.advance(10 * 60_000);
  await settle();
  expect(contents()).toEqual([
    expect.objectContaining({ source: 'aws.events', 'detail-type': 'Scheduled Event', time: '2026-01-01T00:05:00Z' }),
    expect.objectContaining({ resources: [ruleArn], time: '2026-01-01T00:10:00Z' }),
  ]);
});

const call = (target: string, body: unknown) =>
  events.handle({
    principal,
    headers: { 'x-amz-target': target },
    body: Buffer.from(JSON.stringify(body)),
  } as unknown as AwsCall);

test('PutEvents needs permission on the bus, and answers for each entry', async () => {
  start(toFunction());
  const entry = { Source: 'app', DetailType: 'd', Detail: '{"a":1}', Time: 1_767_225_600 };
  const { body } = await call('AWSEvents.PutEvents', {
    Entries: [
      entry,
      { ...entry, Source: 'aws.ec2' },
      { ...entry, Detail: '{' },
      { ...entry, DetailType: '' },
      { ...entry, EventBusName: 'mine' },
    ],
  });
  expect(JSON.parse(String(body))).toEqual({
    FailedEntryCount: 4,
    Entries: [
      { EventId: expect.any(String) },
      { ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage: expect.any(String) },
      { ErrorCode: 'MalformedDetail', ErrorMessage: expect.any(String) },
      { ErrorCode: 'InvalidArgument', ErrorMessage: expect.any(String) },
      { ErrorCode: 'ResourceNotFoundException', ErrorMessage: expect.any(String) },
    ],
  });
  await settle();
  expect(contents()).toEqual([expect.objectContaining({ detail: { a: 1 }, time: '2026-01-01T00:00:00Z' })]);
  expect(asked).toEqual([
    {
      principal,
      action: 'events:PutEvents',
      resource: 'arn:aws:events:eu-central-1:123456789012:event-bus/default',
    },
  ]);
  await expect(call('AWSEvents.PutEvents', { Entries: Array(11).fill(entry) })).rejects.toMatchObject({
    code: 'ValidationException',
  });
  await expect(call('AWSEvents.PutRule', {})).rejects.toMatchObject({ code: 'UnknownOperationException' });
});

test.each([
  ['a pattern that is not run', rule({ EventPattern: { a: [{ cidr: 'x' }] } }), 'EventPattern'],
  ['no pattern', rule({}), 'EventPattern'],
  ['another bus', rule({ EventPattern, EventBusName: 'mine' }), 'EventBusName'],
  [
    'a target that is not run',
    toFunction({ Arn: 'arn:aws:kinesis:eu-central-1:123456789012:stream/s' }),
    'Targets.0.Arn',
  ],
  ['a state machine without a role', toFunction({ Arn: machineArn }), 'Targets.0.RoleArn'],
  ['a variable without a path', toFunction({ InputTransformer: { InputTemplate: '{"a":<b>}' } }), 'Targets.0'],
  ['six targets', rule({ EventPattern, Targets: Array(6).fill({ Id: 't', Arn: functionArn }) }), 'Targets'],
])('%s is an error at start that names %s', (_, resource, property) => {
  expect(() => start(resource)).toThrow(
    expect.objectContaining({
      name: 'TemplateError',
      message: expect.stringContaining(`s.Rule (AWS::Events::Rule): property ${property}`),
    }),
  );
});
