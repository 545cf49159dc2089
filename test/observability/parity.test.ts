import environments from '../../lib/config/environments.ts';
import { type Condition, type Row, readCondition, readRunbookText } from './runbook-text.ts';
import { removeSynthesized, runbooks, services, synthesized } from './synthesized.ts';

jest.setTimeout(60_000);
afterAll(removeSynthesized);

const env = 'prod';
const baseUrl = environments.find(({ name }) => name === env)?.runbookBaseUrl as string;

/** Written out: what each signal is made of, as `metric statistic`, and what CloudWatch takes its silence for. */
const made: Readonly<Record<string, readonly [missing: string, ...terms: string[]]>> = {
  ActiveConnections: ['missing', 'Steadysocket ActiveConnections Average'],
  BaselineConnections: ['missing', 'Steadysocket BaselineConnections Average'],
  ConnectionDrop: ['missing', 'Steadysocket ConnectionDrop Average'],
  ConnectionsUsed: ['missing', 'Steadysocket ConnectionsUsed Average'],
  SilentConnections: ['missing', 'Steadysocket SilentConnections Average'],
  ConnectionsOpened: ['missing', 'Steadysocket ConnectionsOpened Sum'],
  ConnectionErrors: ['missing', 'Steadysocket ConnectionErrors Sum'],
  ConnectionErrorRate: ['missing', 'Steadysocket ConnectionErrors Sum', 'Steadysocket ConnectionsOpened Sum'],
  Disconnects: ['missing', 'Steadysocket Disconnects Sum'],
  Churn: [
    'missing',
    'Steadysocket ActiveConnections Average',
    'Steadysocket Disconnects Reason=abnormal Sum',
    'Steadysocket Disconnects Reason=evicted Sum',
    'Steadysocket Disconnects Reason=idle Sum',
    'Steadysocket Disconnects Reason=server Sum',
  ],
  AbnormalCloseRate: [
    'missing',
    'Steadysocket ActiveConnections Average',
    'Steadysocket Disconnects Reason=abnormal Sum',
  ],
  HeartbeatTimeoutRate: ['missing', 'Steadysocket ActiveConnections Average', 'Steadysocket HeartbeatTimeouts Sum'],
  MessagesAccepted: ['missing', 'Steadysocket MessagesAccepted Sum'],
  DeliveryLatency: ['ignore', 'Steadysocket DeliveryLatency p95'],
  Backlog: ['missing', 'Steadysocket Backlog Average'],
  OldestMessageAge: [
    'notBreaching',
    'AWS/SQS ApproximateAgeOfOldestMessage Maximum',
    'AWS/SQS ApproximateAgeOfOldestMessage Maximum',
  ],
  PostFailures: ['missing', 'Steadysocket PostFailures Sum'],
  UndeliverableMessages: ['missing', 'Steadysocket UndeliverableMessages Sum'],
  DeadLetters: [
    'notBreaching',
    'AWS/SQS ApproximateNumberOfMessagesVisible Maximum',
    'AWS/SQS ApproximateNumberOfMessagesVisible Maximum',
  ],
  Errors: ['missing', 'Steadysocket Errors Sum'],
  ErrorRate: ['missing', 'Steadysocket Errors Sum', 'Steadysocket MessagesAccepted Sum'],
  CensusRuns: ['breaching', 'Steadysocket CensusRuns Sum'],
  ProbeSuccess: ['breaching', 'Steadysocket ProbeSuccess Average'],
  ProbeLatency: ['ignore', 'Steadysocket ProbeLatency p95'],
  CertificateDaysLeft: ['missing', 'Steadysocket CertificateDaysLeft Average'],
  MemoryUsed: ['ignore', 'Steadysocket MemoryUsed p95'],
  ConcurrencyUsed: ['notBreaching', 'AWS/Lambda ConcurrentExecutions Maximum'],
  StoreThrottles: [
    'notBreaching',
    ...new Array<string>(4).fill('AWS/DynamoDB ReadThrottleEvents Sum'),
    ...new Array<string>(4).fill('AWS/DynamoDB WriteThrottleEvents Sum'),
  ],
  StoreUsed: ['notBreaching', ...new Array<string>(4).fill('AWS/DynamoDB ConsumedWriteCapacityUnits Sum')],
  ReplyLatency: ['ignore', 'AWS/ApiGateway IntegrationLatency p95'],
  ServerApiErrors: ['notBreaching', 'AWS/ApiGateway 5xx Sum'],
  RequestQuotaUsed: ['notBreaching', 'AWS/ApiGateway ConnectCount Sum', 'AWS/ApiGateway MessageCount Sum'],
};

const inMilliseconds = new Set(['DeliveryLatency', 'ProbeLatency', 'ReplyLatency']);
const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000 };
const seconds: Readonly<Record<string, number>> = { s: 1, min: 60 };
const statistics: Readonly<Record<string, string>> = {
  sum: 'Sum',
  average: 'Average',
  maximum: 'Maximum',
  minimum: 'Minimum',
};
const operators: Readonly<Record<string, string>> = {
  '>': 'GreaterThanThreshold',
  '>=': 'GreaterThanOrEqualToThreshold',
  '<': 'LessThanThreshold',
  '<=': 'LessThanOrEqualToThreshold',
  outside: 'LessThanLowerOrGreaterThanUpperThreshold',
};
const unmet: Readonly<Record<string, string>> = { '>': '<=', '>=': '<', '<': '>=', '<=': '>' };

/** What counts of an alarm. */
interface Figures {
  readonly operator: unknown;
  /** Of a band, its breadth. */
  readonly threshold: number;
  readonly periodSeconds: number;
  /** M of N. */
  readonly datapoints: string;
  readonly missing: unknown;
  readonly terms: readonly string[];
  /** As the expression has it. */
  readonly sample: string | undefined;
}

interface Stat {
  readonly Metric: { Namespace: string; MetricName: string; Dimensions?: readonly { Name: string; Value: unknown }[] };
  readonly Period: number;
  readonly Stat: string;
}

type Properties = Readonly<Record<string, unknown>>;

/** Dimensions that say of which service a metric is. */
const placing = new Set(['Service', 'Environment', 'QueueName', 'FunctionName', 'TableName', 'ApiId', 'Stage']);

const term = ({ Metric: { Namespace, MetricName, Dimensions = [] }, Stat: statistic }: Stat): string =>
  [
    Namespace,
    MetricName,
    ...Dimensions.filter(({ Name }) => !placing.has(Name)).map(({ Name, Value }) => `${Name}=${Value}`),
    statistic,
  ].join(' ');

function figuresOf(properties: Properties): Figures {
  const queries = (properties.Metrics ?? []) as readonly { Expression?: string; MetricStat?: Stat }[];
  const stats = queries.flatMap(({ MetricStat }) => MetricStat ?? []);
  if (properties.MetricName !== undefined) {
    const { Statistic, ExtendedStatistic, Period } = properties;
    stats.push({
      Metric: properties as unknown as Stat['Metric'],
      Period: Number(Period),
      Stat: String(Statistic ?? ExtendedStatistic),
    });
  }
  const expressions = queries.flatMap(({ Expression }) => Expression ?? []).join('; ');
  const band = /ANOMALY_DETECTION_BAND\(\w+, ([\d.]+)\)/.exec(expressions)?.[1];
  const periods = new Set(stats.map(({ Period }) => Period));
  expect(periods.size).toBe(1);
  return {
    operator: properties.ComparisonOperator,
    threshold: Number(band ?? properties.Threshold),
    periodSeconds: [...periods][0] as number,
    datapoints: `${properties.DatapointsToAlarm} of ${properties.EvaluationPeriods}`,
    missing: properties.TreatMissingData,
    terms: stats.map(term).sort(),
    sample: /^IF\(\(\w+\) ([<>]=? \d+), /.exec(expressions)?.[1],
  };
}

function expected(signal: string, condition: Condition, kind: 'row' | 'recovery'): Figures {
  const [, name = '', dimension, value = ''] = /^(\w+)(?:\[(\w+)=(\w+)\])?$/.exec(signal) ?? [];
  const [missing, ...usual] = made[name] ?? [`nothing is written down for ${name}`];
  const { statistic, periodMinutes, comparison, figure, unit, perMinute, sample } = condition;
  const usualMinutes = kind === 'recovery' ? 3 * periodMinutes : periodMinutes;
  const { minutes = usualMinutes, breachingMinutes = minutes } = condition;
  const factor = inMilliseconds.has(name)
    ? milliseconds[unit as string]
    : name === 'OldestMessageAge'
      ? seconds[unit as string]
      : perMinute
        ? periodMinutes
        : 1;
  const named = statistic && (statistics[statistic] ?? statistic);
  const terms = usual.map(text => {
    const words = text.split(' ');
    if (dimension) words.splice(2, 0, `${dimension[0]?.toUpperCase()}${dimension.slice(1)}=${value}`);
    return named ? words.with(-1, named).join(' ') : words.join(' ');
  });
  return {
    operator: operators[kind === 'recovery' ? (unmet[comparison] as string) : comparison],
    threshold: figure * (factor as number),
    periodSeconds: periodMinutes * 60,
    datapoints: `${kind === 'recovery' ? 1 : breachingMinutes / periodMinutes} of ${minutes / periodMinutes}`,
    missing: kind === 'recovery' ? 'breaching' : missing,
    terms: [...terms, ...(sample ? (made[sample.signal]?.slice(1) ?? []) : [])].sort(),
    sample: sample && `${sample.comparison} ${sample.figure}`,
  };
}

const subject = (signal: string): string => signal.replace(/\[\w+=(\w+)\]/, '$1');
const conditionOf = ({ Condition: text = '' }: Row): string | undefined =>
  text
    .split(';')
    .map(part => part.trim())
    .find(part => /[<>]/.test(part));

describe.each(services)('%s', service => {
  const runbook = readRunbookText(service, runbooks);
  const prefix = `${service}-${env}`;
  const rows = runbook.table('Alarms');
  const criteria = runbook.table('Recovered when').filter(({ Signal }) => Signal !== 'Person');
  const steps = runbook.table('Escalation');

  let alarms: Map<string, Properties>;
  let all: readonly { readonly Type: string; readonly Properties: Properties }[];
  beforeAll(async () => {
    const { observability } = await synthesized(service, env);
    all = Object.values(observability.Resources);
    alarms = new Map(
      all
        .filter(({ Type }) => ['AWS::CloudWatch::Alarm', 'AWS::CloudWatch::CompositeAlarm'].includes(Type))
        .map(({ Properties }) => [String(Properties.AlarmName), Properties]),
    );
  });

  /** The figures of an alarm that has to be there. */
  const found = (name: string): Figures => {
    const properties = alarms.get(name);
    if (!properties) throw new Error(`${name} is not in the template`);
    return figuresOf(properties);
  };

  it('has rows', () => {
    expect(rows.length).toBeGreaterThan(10);
    expect(criteria.length).toBeGreaterThan(4);
    expect(steps.length).toBeGreaterThan(4);
  });

  it.each(rows.map(row => [row.Alarm as string, row] as const))('has the alarm of the row %s', (name, row) => {
    expect(found(`${prefix}-${name}`)).toEqual(
      expected(row.Signal as string, readCondition(row['Fires when'] as string), 'row'),
    );
  });

  it.each(criteria.map(row => [row.Signal as string, row] as const))(
    'has the alarm of recovery for %s',
    (signal, row) => {
      expect(found(`recovery-${prefix}-${subject(signal)}`)).toEqual(
        expected(signal, readCondition(row.Condition as string), 'recovery'),
      );
    },
  );

  it('has the alarm of each step of escalation that has a condition', () => {
    for (const [index, step] of steps.entries()) {
      const text = conditionOf(step);
      if (text === undefined) continue;
      const [, signal = '', condition = ''] = /^(\S+) (.*)$/.exec(text) ?? [];
      const name = `escalation-${prefix}-${index}-${subject(signal)}`;
      expect([name, found(name)]).toEqual([name, expected(signal, readCondition(condition), 'row')]);
    }
  });

  it('has no alarm that is no row and not named as a platform default or a severity', () => {
    const named = new Set([
      ...rows.map(({ Alarm }) => `${prefix}-${Alarm}`),
      ...criteria.map(({ Signal = '' }) => `recovery-${prefix}-${subject(Signal)}`),
      ...steps.flatMap((step, index) => {
        const text = conditionOf(step);
        return text === undefined ? [] : [`escalation-${prefix}-${index}-${subject(text.split(' ')[0] as string)}`];
      }),
      ...rows.map(({ Severity }) => `severity-${prefix}-${Severity}`),
    ]);
    expect([...named].filter(name => !alarms.has(name))).toEqual([]);
    const others = [...alarms].filter(([name]) => !named.has(name));
    expect(others.map(([name]) => name).filter(name => !name.startsWith(`platform-${prefix}-`))).toEqual([]);
    for (const [name, { AlarmDescription }] of others)
      expect([name, AlarmDescription]).toEqual([name, expect.stringContaining('not a row of the runbook')]);
  });

  it('has descriptions whose links reach a heading of the runbook', () => {
    for (const [name, { AlarmDescription }] of alarms) {
      const links = String(AlarmDescription).match(/https?:\/\/\S+/g) ?? [];
      expect([name, links.length]).toEqual([name, 1]);
      const url = new URL(links[0] as string);
      expect(`${url.origin}${url.pathname}`).toBe(`${baseUrl}/${service}.md`);
      if (url.hash) expect([name, runbook.anchors]).toEqual([name, expect.arrayContaining([url.hash.slice(1)])]);
    }
  });

  it('leads from each row’s alarm to the row’s own procedure, with its severity first', () => {
    for (const { Alarm, Procedure = '', Severity } of rows) {
      const anchor = /\(#([^)]+)\)/.exec(Procedure)?.[1];
      const description = String(alarms.get(`${prefix}-${Alarm}`)?.AlarmDescription);
      expect(description.endsWith(`${baseUrl}/${service}.md#${anchor}`)).toBe(true);
      expect(description.startsWith(`${Severity}: `)).toBe(true);
    }
  });

  it('has a topic with somebody subscribed for each contact of the escalation, and none for others', () => {
    const topics = Object.entries(all).filter(([, { Type }]) => Type === 'AWS::SNS::Topic');
    const names = topics.map(([, { Properties }]) => String(Properties.TopicName).slice(prefix.length + 1));
    const contacts = [...new Set(steps.map(({ Contact }) => Contact))];
    expect(names.filter(name => !/^p[0-3]$/.test(name)).sort()).toEqual(contacts.sort());
    const subscriptions = all.filter(({ Type }) => Type === 'AWS::SNS::Subscription');
    const addressed = new Set(subscriptions.map(({ Properties }) => JSON.stringify(Properties.TopicArn)));
    for (const contact of contacts) {
      const channels = new Set(
        steps.filter(({ Contact }) => Contact === contact).flatMap(({ Channel = '' }) => Channel.split(', ')),
      );
      const of = subscriptions.filter(({ Properties }) => refersTo(Properties.TopicArn, contact as string));
      const named = of.flatMap(({ Properties }) => (Properties.FilterPolicy as { channels: string[] }).channels);
      expect([contact, named.sort()]).toEqual([contact, [...channels].sort()]);
      // Where two channels have the same number, they are one subscription: SNS knows an endpoint once.
      const endpoints = of.map(({ Properties }) => `${Properties.Protocol} ${Properties.Endpoint}`);
      expect([contact, new Set(endpoints).size]).toEqual([contact, of.length]);
    }
    expect(addressed.size).toBeGreaterThanOrEqual(contacts.length);
  });

  /** Logical ids have no hyphens: `TopicsbackendoncallB1A2C3D4`. */
  function refersTo(topicArn: unknown, contact: string): boolean {
    const id = (topicArn as { Ref?: string }).Ref?.slice(0, -8) ?? '';
    return id.toLowerCase() === `topics${contact.replaceAll('-', '')}`.toLowerCase();
  }
});
