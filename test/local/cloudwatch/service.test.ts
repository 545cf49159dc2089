import {
  CloudWatchClient,
  DescribeAlarmHistoryCommand,
  DescribeAlarmsCommand,
  GetDashboardCommand,
  GetMetricDataCommand,
  GetMetricStatisticsCommand,
  ListAlarmMuteRulesCommand,
  ListMetricsCommand,
  PutMetricDataCommand,
  type PutMetricDataCommandInput,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import type { Resource } from '../../../local/assembly/resource.ts';
import type { Principal } from '../../../local/aws/service.ts';
import { type CloudWatch, createCloudWatch } from '../../../local/cloudwatch/service.ts';
import { createAuthorization } from '../../../local/iam/policies.ts';
import { readKeys } from '../../../local/kms/keys.ts';
import { createMonitoringClock } from '../../../local/monitoring-clock.ts';
import { type Sns, startSns } from '../../../local/sns/service.ts';
import type { ServiceEvent } from '../../../local/stepfunctions/event-bus.ts';
import { ManualClock } from '../manual-clock.ts';
import { type FrontDoor, openFrontDoor } from '../sqs/front-door.ts';
import { alarm, composite, place, resource } from './template.ts';

const start = Date.UTC(2026, 10, 22, 12);
const minute = 60_000;
const region = place.region;
const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
const developer: Principal = { kind: 'user', arn: 'arn:aws:iam::123456789012:user/developer' };

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

let real: ManualClock;
let cloudwatch: CloudWatch;
let sns: Sns;
let door: FrontDoor;
let client: CloudWatchClient;
let events: ServiceEvent[];
let log: Line[];
let delivered: { readonly queue: string; readonly body: string }[];

beforeEach(() => {
  real = new ManualClock(start);
  events = [];
  log = [];
  delivered = [];
});
afterEach(async () => {
  client.destroy();
  await cloudwatch.close();
  await sns.close();
  await door.close();
});

async function run(resources: readonly Resource[], { timeScale = 1, principal = developer } = {}): Promise<void> {
  const authorization = createAuthorization({ resources, place });
  const clock = createMonitoringClock(timeScale, real);
  const common = {
    resources,
    place,
    authorization,
    log: (level: string, _: string, message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      log.push({ level, message, fields });
    },
  };
  cloudwatch = createCloudWatch({ ...common, clock, realClock: real });
  sns = await startSns({
    ...common,
    keys: readKeys(resources, authorization),
    sqs: {
      deliver: async (queue, { body }) => {
        delivered.push({ queue, body });
        return { messageId: 'm', md5OfBody: '', md5OfAttributes: undefined, sequenceNumber: undefined };
      },
    },
    invoker: { invoke: async () => ({ ok: true, payload: null }) },
  });
  cloudwatch.start({ sns, onStateChange: event => events.push(event) });
  door = await openFrontDoor(cloudwatch, 'monitoring', principal);
  client = new CloudWatchClient({ endpoint: door.url, region, credentials, maxAttempts: 1 });
}

const put = (input: Omit<PutMetricDataCommandInput, 'Namespace'>, Namespace = 'test') =>
  client.send(new PutMetricDataCommand({ Namespace, ...input }));
const errors = (Value: number) => put({ MetricData: [{ MetricName: 'Errors', Value }] });

/** The sums of the metric `Errors` by minute, as someone asks who has the real time. */
async function sums(minutes: number): Promise<number[] | undefined> {
  const { MetricDataResults } = await client.send(
    new GetMetricDataCommand({
      StartTime: new Date(real.now() - minutes * minute),
      EndTime: new Date(real.now()),
      ScanBy: 'TimestampAscending',
      MetricDataQueries: [
        { Id: 'm', MetricStat: { Metric: { Namespace: 'test', MetricName: 'Errors' }, Period: 60, Stat: 'Sum' } },
      ],
    }),
  );
  return MetricDataResults?.[0]?.Values;
}

describe('PutMetricData', () => {
  it('takes values, sets and counts, compressed ones too', async () => {
    await run([]);
    await put({
      MetricData: [
        { MetricName: 'Errors', Value: 1, Timestamp: new Date(start) },
        { MetricName: 'Errors', Values: [2, 3], Counts: [2, 1] },
        { MetricName: 'Errors', StatisticValues: { SampleCount: 2, Sum: 10, Minimum: 4, Maximum: 6 } },
      ],
    });
    const many = Array.from({ length: 1000 }, (_, index) => ({ MetricName: `Metric${index % 7}`, Value: index }));
    await put({ MetricData: many });
    real.advance(minute);
    expect(await sums(1)).toEqual([18]);
    const { Metrics } = await client.send(new ListMetricsCommand({ Namespace: 'test', MetricName: 'Metric3' }));
    expect(Metrics).toEqual([{ Namespace: 'test', MetricName: 'Metric3', Dimensions: [] }]);
    const { Datapoints } = await client.send(
      new GetMetricStatisticsCommand({
        Namespace: 'test',
        MetricName: 'Errors',
        StartTime: new Date(start),
        EndTime: new Date(start + minute),
        Period: 60,
        Statistics: ['Sum', 'Maximum', 'SampleCount'],
      }),
    );
    expect(Datapoints).toEqual([{ Timestamp: new Date(start), Sum: 18, Maximum: 6, SampleCount: 6 }]);
  });

  const datum = { MetricName: 'm', Value: 1 };
  it.each<[what: string, input: Omit<PutMetricDataCommandInput, 'Namespace'>, namespace?: string]>([
    ['1,001 metrics', { MetricData: new Array(1001).fill(datum) }],
    ['151 values', { MetricData: [{ MetricName: 'm', Values: new Array(151).fill(1) }] }],
    [
      '31 dimensions',
      { MetricData: [{ ...datum, Dimensions: Array.from({ length: 31 }, (_, i) => ({ Name: `d${i}`, Value: 'v' })) }] },
    ],
    ['a time more than two weeks ago', { MetricData: [{ ...datum, Timestamp: new Date(start - 15 * 86_400_000) }] }],
    ['a time in more than two hours', { MetricData: [{ ...datum, Timestamp: new Date(start + 3 * 3_600_000) }] }],
    ['values and a value', { MetricData: [{ ...datum, Values: [1] }] }],
    ['counts that are not as many as values', { MetricData: [{ MetricName: 'm', Values: [1], Counts: [1, 2] }] }],
    ['a namespace of AWS', { MetricData: [datum] }, 'AWS/Lambda'],
  ])('refuses %s', async (_, input, namespace = 'test') => {
    await run([]);
    await expect(put(input, namespace)).rejects.toMatchObject({ name: 'InvalidParameterValueException' });
    expect(cloudwatch.metrics.metrics()).toEqual([]);
  });
});

describe('permissions', () => {
  const role = (statement: object) =>
    ({
      stack: 's',
      logicalId: 'Role',
      type: 'AWS::IAM::Role',
      physicalId: 'app',
      attributes: {},
      properties: {
        AssumeRolePolicyDocument: { Statement: [] },
        Policies: [
          {
            PolicyName: 'p',
            PolicyDocument: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] },
          },
        ],
      },
    }) satisfies Resource;
  const principal: Principal = { kind: 'role', arn: 'arn:aws:iam::123456789012:role/app' };

  it('are those of the role, for its namespace', async () => {
    const Condition = { StringEquals: { 'cloudwatch:namespace': 'test' } };
    await run([role({ Action: 'cloudwatch:PutMetricData', Resource: '*', Condition })], { principal });
    await errors(1);
    await expect(put({ MetricData: [{ MetricName: 'm', Value: 1 }] }, 'other')).rejects.toThrow(
      'is not authorized to perform: cloudwatch:PutMetricData',
    );
    await expect(sums(1)).rejects.toMatchObject({ name: 'AccessDeniedException' });
    await expect(client.send(new DescribeAlarmsCommand({}))).rejects.toThrow('cloudwatch:DescribeAlarms');
  });

  it('of composite alarms must be for all resources', async () => {
    const Resource = 'arn:aws:cloudwatch:eu-central-1:123456789012:alarm:*';
    await run([role({ Action: 'cloudwatch:DescribeAlarms', Resource })], { principal });
    await client.send(new DescribeAlarmsCommand({}));
    await expect(client.send(new DescribeAlarmsCommand({ AlarmTypes: ['CompositeAlarm'] }))).rejects.toThrow(
      'cloudwatch:DescribeAlarms on resource: *',
    );
  });
});

describe('GetMetricData', () => {
  it('runs math, with a period for each metric where there is none', async () => {
    await run([]);
    await errors(4);
    real.advance(minute);
    const stat = (Period: number, Stat: string) => ({
      Metric: { Namespace: 'test', MetricName: 'Errors' },
      Period,
      Stat,
    });
    const span = { StartTime: new Date(start), EndTime: new Date(start + minute) };
    const math = await client.send(
      new GetMetricDataCommand({
        ...span,
        MetricDataQueries: [
          { Id: 'm', MetricStat: stat(60, 'Sum'), ReturnData: false },
          { Id: 'x', Expression: 'm * 10', Label: 'ten' },
        ],
      }),
    );
    expect(math.MetricDataResults).toEqual([
      { Id: 'x', Label: 'ten', Timestamps: [new Date(start)], Values: [40], StatusCode: 'Complete' },
    ]);
    const both = await client.send(
      new GetMetricDataCommand({
        ...span,
        MetricDataQueries: [
          { Id: 'a', MetricStat: stat(60, 'Sum') },
          { Id: 'b', MetricStat: stat(300, 'p99') },
        ],
      }),
    );
    expect(both.MetricDataResults?.map(({ Values }) => Values)).toEqual([[4], [4]]);
    const wrong = new GetMetricDataCommand({
      ...span,
      MetricDataQueries: [{ Id: 'x', Expression: 'SEARCH("a")', Period: 60 }],
    });
    await expect(client.send(wrong)).rejects.toThrow('does not run the function SEARCH');
  });

  it('answers in minutes of CloudWatch at every time scale', async () => {
    await run([], { timeScale: 60 });
    for (const value of [1, 2, 3]) {
      await errors(value);
      real.advance(1_000);
    }
    expect(await sums(3)).toEqual([1, 2, 3]);
    expect(await sums(1)).toEqual([3]);
  });
});

describe('an alarm', () => {
  const topic = resource('Pages', 'AWS::SNS::Topic', {
    TopicName: 'pages',
    Subscription: [{ Protocol: 'sqs', Endpoint: 'arn:aws:sqs:eu-central-1:123456789012:inbox' }],
  });
  const page = topic.physicalId;
  const AlarmDescription = 'P1: too many errors. https://runbooks.example.org/chat.md#errors';
  const paging = alarm('errors', { AlarmDescription, AlarmActions: [page] });

  /** Lets minutes pass, and what they start come to its end. */
  async function pass(minutes: number): Promise<void> {
    real.advance(minutes * minute);
    await cloudwatch.close();
    await sns.close();
  }

  it('tells EventBridge, its topic and the terminal, with its link', async () => {
    await run([paging, topic]);
    await errors(6);
    await pass(1.5);
    expect(events).toEqual([
      {
        source: 'aws.cloudwatch',
        'detail-type': 'CloudWatch Alarm State Change',
        resources: ['arn:aws:cloudwatch:eu-central-1:123456789012:alarm:errors'],
        time: expect.any(Number),
        detail: {
          alarmName: 'errors',
          configuration: {
            description: AlarmDescription,
            metrics: [
              {
                id: 'm1',
                metricStat: { metric: { namespace: 'test', name: 'Errors', dimensions: {} }, period: 60, stat: 'Sum' },
                returnData: true,
              },
            ],
          },
          previousState: expect.objectContaining({
            value: 'INSUFFICIENT_DATA',
            reason: 'Unchecked: Initial alarm creation',
          }),
          state: {
            value: 'ALARM',
            reason: expect.stringContaining('1 out of the last 1 datapoint [6.0 (22/11/26 12:00:00)]'),
            reasonData: expect.any(String),
            timestamp: expect.stringMatching(/^2026-11-22T12:01:0\d\.\d{3}\+0000$/),
          },
        },
      },
    ]);
    expect(log).toContainEqual({
      level: 'warn',
      message: 'errors: INSUFFICIENT_DATA → ALARM',
      fields: { reason: expect.any(String), runbook: 'https://runbooks.example.org/chat.md#errors' },
    });
    const [{ body = '' } = {}] = delivered;
    const { Subject, Message } = JSON.parse(body);
    expect(Subject).toBe('ALARM: "errors" in eu-central-1');
    expect(JSON.parse(Message)).toMatchObject({
      AlarmName: 'errors',
      AlarmDescription,
      NewStateValue: 'ALARM',
      OldStateValue: 'INSUFFICIENT_DATA',
      AlarmArn: paging.attributes.Arn,
      Trigger: { MetricName: 'Errors', Statistic: 'SUM', Threshold: 5, Period: 60, TreatMissingData: 'missing' },
    });
    const { AlarmHistoryItems } = await client.send(new DescribeAlarmHistoryCommand({ AlarmName: 'errors' }));
    expect(AlarmHistoryItems?.map(({ HistorySummary }) => HistorySummary)).toEqual([
      `Successfully executed action ${page}`,
      'Alarm updated from INSUFFICIENT_DATA to ALARM',
    ]);
  });

  it('is evaluated once a minute of CloudWatch, which a time scale makes shorter', async () => {
    await run([paging, topic], { timeScale: 60 });
    await errors(6);
    real.advance(1_200);
    expect(events.map(({ detail }) => (detail as { state: { value: string } }).state.value)).toEqual(['ALARM']);
  });

  it('is told with the rule that mutes it, and carries out no action', async () => {
    const mute = resource('Quiet', 'AWS::CloudWatch::AlarmMuteRule', {
      Name: 'quiet',
      Rule: { Schedule: { Expression: 'cron(0 12 * * *)', Duration: 'PT1H' } },
      MuteTargets: { AlarmNames: ['errors'] },
    });
    await run([paging, topic, mute]);
    await errors(6);
    real.advance(1.5 * minute);
    const active = await client.send(new ListAlarmMuteRulesCommand({ AlarmName: 'errors', Statuses: ['ACTIVE'] }));
    expect(active.AlarmMuteRuleSummaries).toMatchObject([{ Status: 'ACTIVE', MuteType: 'RECURRING' }]);
    const [event] = events;
    expect(event?.detail).toMatchObject({
      muteDetail: {
        mutedBy: 'arn:aws:cloudwatch:eu-central-1:123456789012:alarm-mute-rule:quiet',
        muteWindowStart: '2026-11-22T12:00:00.000+0000',
        muteWindowEnd: '2026-11-22T13:00:00.000+0000',
      },
    });
    expect(delivered).toEqual([]);
  });

  it('tells what suppresses a composite alarm', async () => {
    const suppressed = composite('paged', 'ALARM(errors)', {
      ActionsSuppressor: 'errors',
      ActionsSuppressorWaitPeriod: 60,
      ActionsSuppressorExtensionPeriod: 60,
    });
    await run([paging, topic, suppressed]);
    await errors(6);
    real.advance(1.5 * minute);
    expect(events.at(-1)?.detail).toMatchObject({
      alarmName: 'paged',
      configuration: { alarmRule: 'ALARM(errors)', actionsSuppressor: 'errors' },
      state: { value: 'ALARM', actionsSuppressedBy: 'Alarm' },
    });
    const { CompositeAlarms } = await client.send(new DescribeAlarmsCommand({ AlarmTypes: ['CompositeAlarm'] }));
    expect(CompositeAlarms).toMatchObject([{ AlarmName: 'paged', StateValue: 'ALARM', ActionsSuppressedBy: 'Alarm' }]);
  });

  it('is described, composite ones only where they are asked for', async () => {
    await run([paging, topic, alarm('quiet', { MetricName: 'None' }), composite('paged', 'ALARM(errors)')]);
    await errors(6);
    real.advance(1.5 * minute);
    const described = await client.send(new DescribeAlarmsCommand({}));
    expect(described.CompositeAlarms).toEqual([]);
    expect(described.MetricAlarms).toMatchObject([
      {
        AlarmName: 'errors',
        StateValue: 'ALARM',
        AlarmDescription,
        Threshold: 5,
        AlarmActions: [page],
        MetricName: 'Errors',
      },
      { AlarmName: 'quiet', StateValue: 'INSUFFICIENT_DATA' },
    ]);
    const [first] = described.MetricAlarms ?? [];
    expect(first?.StateTransitionedTimestamp?.getTime()).toBeGreaterThan(start + minute);
    const named = new DescribeAlarmsCommand({ StateValue: 'ALARM', AlarmTypes: ['CompositeAlarm', 'MetricAlarm'] });
    const { CompositeAlarms, MetricAlarms } = await client.send(named);
    expect([CompositeAlarms, MetricAlarms].map(list => list?.map(({ AlarmName }) => AlarmName))).toEqual([
      ['paged'],
      ['errors'],
    ]);
    const firstPage = await client.send(new DescribeAlarmsCommand({ MaxRecords: 1 }));
    const secondPage = await client.send(new DescribeAlarmsCommand({ MaxRecords: 1, NextToken: firstPage.NextToken }));
    expect(secondPage.MetricAlarms).toMatchObject([{ AlarmName: 'quiet' }]);
    expect(secondPage.NextToken).toBeUndefined();
  });

  it('cannot be set by hand', async () => {
    await run([paging, topic]);
    const set = new SetAlarmStateCommand({ AlarmName: 'errors', StateValue: 'ALARM', StateReason: 'drill' });
    await expect(client.send(set)).rejects.toThrow('does not run the CloudWatch action SetAlarmState');
  });

  const statement = (more: object) => ({
    Effect: 'Allow',
    Principal: { Service: 'cloudwatch.amazonaws.com' },
    ...more,
  });
  const topicPolicy = (more: object) =>
    resource('Policy', 'AWS::SNS::TopicPolicy', {
      Topics: [page],
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [statement({ Action: 'sns:Publish', Resource: page, ...more })],
      },
    });

  it.each<[what: string, count: number, resources: Resource[]]>([
    ['lets it publish', 1, [topicPolicy({ Condition: { StringEquals: { 'aws:SourceAccount': place.account } } })]],
    ['is about another service', 0, [topicPolicy({ Principal: { Service: 'events.amazonaws.com' } })]],
  ])('publishes as the policy of its topic says: %s', async (_, count, resources) => {
    await run([paging, topic, ...resources]);
    await errors(6);
    await pass(1.5);
    expect(delivered).toHaveLength(count);
    const failures = log.filter(({ message }) => message === 'an alarm action failed');
    expect(failures).toHaveLength(1 - count);
  });

  const key = (Statement: object[]) =>
    resource('Key', 'AWS::KMS::Key', { KeyPolicy: { Version: '2012-10-17', Statement } });
  const encrypted: Resource = { ...topic, properties: { ...topic.properties, KmsMasterKeyId: key([]).attributes.Arn } };
  const use = { Action: ['kms:Decrypt', 'kms:GenerateDataKey*'], Resource: '*' };

  it.each<[what: string, count: number, statements: object[]]>([
    ['lets it in', 1, [statement(use)]],
    ['lets it decrypt only', 0, [statement({ ...use, Action: 'kms:Decrypt' })]],
    ['does not know it', 0, []],
  ])('publishes to an encrypted topic where the key %s', async (_, count, statements) => {
    await run([paging, encrypted, key(statements)]);
    await errors(6);
    await pass(1.5);
    expect(delivered).toHaveLength(count);
    const failures = log.filter(({ message }) => message === 'an alarm action failed');
    expect(failures).toHaveLength(1 - count);
    if (count === 0)
      expect(failures[0]?.fields).toMatchObject({
        alarm: 'errors',
        action: page,
        error: expect.stringContaining('kms:'),
      });
  });
});

describe('what a function writes', () => {
  it('is put as metrics, at the time it names', async () => {
    await run([], { timeScale: 60 });
    real.advance(1_000);
    const written = {
      _aws: {
        Timestamp: start + 500,
        CloudWatchMetrics: [{ Namespace: 'test', Dimensions: [[]], Metrics: [{ Name: 'Errors', Unit: 'Count' }] }],
      },
      Errors: 3,
    };
    cloudwatch.takeLogLine('fan-out', JSON.stringify(written));
    cloudwatch.takeLogLine('fan-out', 'hello');
    expect(await sums(1)).toEqual([3]);
    expect(log).toEqual([]);
  });

  it('is told where it is not as the format has it', async () => {
    await run([]);
    cloudwatch.takeLogLine('fan-out', '{"_aws":{"CloudWatchMetrics":[{"Namespace":"test"}]}}');
    expect(log).toMatchObject([{ level: 'warn', fields: { source: 'fan-out' } }]);
  });
});

it('asks services for their figures at the end of each minute', async () => {
  await run([]);
  cloudwatch.everyMinute(() => cloudwatch.put('AWS/SQS', 'Depth', { QueueName: 'q' }, 7, 'Count'));
  real.advance(2.5 * minute);
  const grid = { start, periodMs: minute, count: 3 };
  const query = { namespace: 'AWS/SQS', name: 'Depth', dimensions: { QueueName: 'q' } };
  expect(cloudwatch.metrics.aggregates(query, grid).map(samples => samples?.set.sum)).toEqual([7, 7, undefined]);
});

it('keeps dashboards, and refuses one whose body is none', async () => {
  const dashboard = (DashboardBody: string) =>
    resource('Board', 'AWS::CloudWatch::Dashboard', { DashboardName: 'chat', DashboardBody });
  const body = JSON.stringify({
    widgets: [{ type: 'text', x: 0, y: 0, width: 24, height: 2, properties: { markdown: '# Chat' } }],
  });
  await run([dashboard(body)]);
  const { DashboardBody } = await client.send(new GetDashboardCommand({ DashboardName: 'chat' }));
  expect(DashboardBody).toBe(body);
  const create = (text: string) => () =>
    createCloudWatch({
      resources: [dashboard(text)],
      place,
      authorization: { authorize: async () => {} },
      log: () => {},
      clock: createMonitoringClock(1, real),
    });
  expect(create('{')).toThrow('property DashboardBody: is not JSON');
  expect(create('{"widgets":[{"type":"pie","properties":{}}]}')).toThrow('property DashboardBody');
});
