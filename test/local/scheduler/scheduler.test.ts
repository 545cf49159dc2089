import type { Resource } from '../../../local/assembly/resource.ts';
import { AwsError, type Principal } from '../../../local/aws/service.ts';
import { createMonitoringClock } from '../../../local/monitoring-clock.ts';
import { identities, type Scheduler, startScheduler } from '../../../local/scheduler/scheduler.ts';
import { ManualClock } from '../manual-clock.ts';

const functionArn = 'arn:aws:lambda:eu-central-1:123456789012:function:census';
const roleArn = 'arn:aws:iam::123456789012:role/scheduler';
const scheduleArn = 'arn:aws:scheduler:eu-central-1:123456789012:schedule/default/census';

function schedule(properties: Record<string, unknown> = {}, target: Record<string, unknown> = {}): Resource {
  return {
    stack: 'shop-dev',
    logicalId: 'Census',
    type: 'AWS::Scheduler::Schedule',
    properties: {
      ScheduleExpression: 'rate(1 minute)',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: { Arn: functionArn, RoleArn: roleArn, ...target },
      ...properties,
    },
    physicalId: 'census',
    attributes: { Arn: scheduleArn },
  };
}

interface Invocation {
  readonly at: number;
  readonly arn: string;
  readonly event: unknown;
  readonly caller: Principal;
}

const minuteMs = 60_000;
const startedAt = Date.UTC(2026, 0, 1);
let clock: ManualClock;
let invocations: Invocation[];
let logged: unknown[][];
let answer: () => Promise<void>;
let scheduler: Scheduler | undefined;

beforeEach(() => {
  clock = new ManualClock(startedAt);
  invocations = [];
  logged = [];
  answer = async () => {};
});
afterEach(async () => {
  await scheduler?.close();
  scheduler = undefined;
});

function start(resource: Resource, timeScale = 1, others: readonly Resource[] = []): void {
  scheduler = startScheduler({
    resources: [resource, ...others],
    lambda: {
      invokeAsync(arn, event, caller) {
        invocations.push({ at: clock.now() - startedAt, arn, event, caller });
        return answer();
      },
    },
    stepFunctions: {
      async startExecution(arn, input, _name, caller) {
        invocations.push({ at: clock.now() - startedAt, arn, event: JSON.parse(input), caller });
        await answer();
        return { executionArn: `${arn}:1`, startDate: clock.now() };
      },
    },
    log: (...line) => logged.push(line),
    clock: createMonitoringClock(timeScale, clock),
  });
}

const times = () => invocations.map(({ at }) => at);

test('a rate invokes its function as its role, one interval after the other', () => {
  start(schedule({ ScheduleExpression: 'rate(2 minutes)' }));
  clock.advance(7 * minuteMs);
  expect(times()).toEqual([2 * minuteMs, 4 * minuteMs, 6 * minuteMs]);
  expect(invocations[0]).toMatchObject({ arn: functionArn, caller: { kind: 'role', arn: roleArn } });
});

test.each([
  ['rate(1 minute)', minuteMs],
  ['rate(3 hours)', 180 * minuteMs],
  ['rate(30 days)', 30 * 24 * 60 * minuteMs],
])('%s', (ScheduleExpression, intervalMs) => {
  start(schedule({ ScheduleExpression }));
  clock.advance(intervalMs - 1);
  expect(times()).toEqual([]);
  clock.advance(1);
  expect(times()).toEqual([intervalMs]);
});

test('a clock that wakes early, as one of Node.js does after 24 days, does not run a schedule early', () => {
  const early = new ManualClock(startedAt);
  const schedules = jest.fn((delayMs: number, callback: () => void) =>
    early.schedule(Math.min(delayMs, minuteMs), callback),
  );
  scheduler = startScheduler({
    resources: [schedule({ ScheduleExpression: 'rate(3 minutes)' })],
    lambda: {
      invokeAsync: async (arn, event, caller) => {
        invocations.push({ at: early.now() - startedAt, arn, event, caller });
      },
    },
    stepFunctions: { startExecution: () => Promise.reject(new Error('not a state machine')) },
    log: () => {},
    clock: { ...createMonitoringClock(1, early), now: () => early.now(), schedule: schedules },
  });
  early.advance(6 * minuteMs);
  expect(times()).toEqual([3 * minuteMs, 6 * minuteMs]);
  expect(schedules.mock.calls.length).toBeGreaterThan(4);
});

test('a time scale makes it faster', () => {
  start(schedule(), 60);
  clock.advance(3_000);
  expect(times()).toEqual([1_000, 2_000, 3_000]);
});

test('a state machine is started with the input, as the role', () => {
  const arn = 'arn:aws:states:eu-central-1:123456789012:stateMachine:reconcile';
  start(schedule({}, { Arn: arn, Input: '{"a":1}' }));
  clock.advance(minuteMs);
  expect(invocations).toEqual([{ at: minuteMs, arn, event: { a: 1 }, caller: { kind: 'role', arn: roleArn } }]);
});

test('a time runs once', () => {
  start(schedule({ ScheduleExpression: 'at(2026-01-01T00:03:00)' }));
  clock.advance(60 * minuteMs);
  expect(times()).toEqual([3 * minuteMs]);
});

test('cron runs at its times', () => {
  start(schedule({ ScheduleExpression: 'cron(0/20 8-9 ? * MON-FRI *)' }));
  clock.advance(4 * 24 * 60 * minuteMs + 9 * 60 * minuteMs);
  // The first of January 2026 is a Thursday.
  const hours = [8, 8 + 1 / 3, 8 + 2 / 3, 9, 9 + 1 / 3, 9 + 2 / 3];
  const days = [0, 1].flatMap(day => hours.map(hour => day * 24 + hour));
  const monday = [8, 8 + 1 / 3, 8 + 2 / 3, 9].map(hour => 4 * 24 + hour);
  expect(times()).toEqual([...days, ...monday].map(hour => Math.round(hour * 60) * minuteMs));
});

test('a role that the scheduler cannot assume is an error at start', () => {
  const AssumeRolePolicyDocument = {
    Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'lambda.amazonaws.com' } }],
  };
  const role: Resource = {
    ...schedule(),
    type: 'AWS::IAM::Role',
    properties: { AssumeRolePolicyDocument },
    attributes: { Arn: roleArn },
  };
  expect(() => start(schedule(), 1, [role])).toThrow('does not let scheduler.amazonaws.com assume it');
});

test('a disabled schedule does nothing', () => {
  start(schedule({ State: 'DISABLED' }));
  clock.advance(10 * minuteMs);
  expect(times()).toEqual([]);
});

test('the function gets the input, or the default notification where there is none', async () => {
  start(schedule({}, { Input: '{"kind":"census"}' }));
  clock.advance(minuteMs);
  await scheduler?.close();
  start(schedule());
  clock.advance(minuteMs);
  expect(invocations.map(({ event }) => event)).toEqual([
    { kind: 'census' },
    {
      version: '0',
      id: expect.any(String),
      'detail-type': 'Scheduled Event',
      source: 'aws.scheduler',
      account: '123456789012',
      time: '2026-01-01T00:02:00Z',
      region: 'eu-central-1',
      resources: [scheduleArn],
      detail: '{}',
    },
  ]);
});

test('a role that may not invoke the function is in the log, by name, and the schedule goes on', async () => {
  const denial = `User: ${roleArn} is not authorized to perform: lambda:InvokeFunction on resource: ${functionArn}`;
  answer = () => Promise.reject(new AwsError('AccessDeniedException', denial));
  start(schedule());
  clock.advance(2 * minuteMs);
  await scheduler?.close();
  expect(logged).toEqual([
    ['error', 'scheduler', denial, { schedule: 'census' }],
    ['error', 'scheduler', denial, { schedule: 'census' }],
  ]);
});

test('once closed it invokes nothing more, and what it invoked is accepted', async () => {
  const accepted = Promise.withResolvers<void>();
  answer = () => accepted.promise;
  start(schedule());
  clock.advance(minuteMs);
  let closed = false;
  const closing = scheduler?.close().then(() => {
    closed = true;
  });
  clock.advance(10 * minuteMs);
  await new Promise(setImmediate);
  expect({ closed, times: times() }).toEqual({ closed: false, times: [minuteMs] });
  accepted.resolve();
  await closing;
});

test.each([
  ['another time zone', 'ScheduleExpressionTimezone', schedule({ ScheduleExpressionTimezone: 'Europe/Berlin' })],
  ['a rate of nothing', 'ScheduleExpression', schedule({ ScheduleExpression: 'rate(0 minutes)' })],
  ['a disabled cron expression', 'ScheduleExpression', schedule({ State: 'DISABLED', ScheduleExpression: 'cron(x)' })],
  ['a flexible window', 'FlexibleTimeWindow.Mode', schedule({ FlexibleTimeWindow: { Mode: 'FLEXIBLE' } })],
  ['a start date', 'StartDate', schedule({ StartDate: '2026-01-01T00:00:00Z' })],
  ['another target', 'Target.Arn', schedule({}, { Arn: 'arn:aws:sqs:eu-central-1:123456789012:jobs' })],
  ['input that is not JSON', 'Target.Input', schedule({}, { Input: '{kind:census}' })],
  ['context attributes', 'Target.Input', schedule({}, { Input: '{"at":"<aws.scheduler.scheduled-time>"}' })],
  ['a dead-letter queue', 'Target.DeadLetterConfig', schedule({}, { DeadLetterConfig: { Arn: 'x' } })],
])('%s is an error at start that names %s', (_what, property, resource) => {
  expect(() => start(resource)).toThrow(
    expect.objectContaining({
      name: 'TemplateError',
      message: expect.stringContaining(`shop-dev.Census (AWS::Scheduler::Schedule): property ${property}: `),
    }),
  );
});

test('a schedule is called as declared, or by a name that fits', () => {
  const place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' } as const;
  const identify = (logicalId: string, Name?: string) =>
    identities['AWS::Scheduler::Schedule']?.({ stack: 'shop-dev', logicalId, property: () => Name }, place);
  expect(identify('Census', 'census')).toEqual({ physicalId: 'census', attributes: { Arn: scheduleArn } });
  expect(identify('C'.repeat(100))?.physicalId).toHaveLength(64);
});
