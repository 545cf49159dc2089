import type { MetricName } from '../../lambdas/shared/metric-catalogue.ts';
import type { Measure } from './measure.ts';
import { counted, inDays, inMilliseconds, inPercent, inSeconds } from './measure.ts';

/** A statistic as CloudWatch names it. */
export type Statistic = 'Average' | 'Maximum' | 'Minimum' | 'Sum' | `p${number}`;

/** What of the service an AWS metric is about; a stack knows the resource, and with it the metric's dimensions. */
export type AwsSource =
  | 'webSocketApi'
  | 'httpApi'
  | 'publications'
  | 'shards'
  | 'deadLetters'
  | 'shardDeadLetters'
  | 'fanOut'
  | 'message'
  | 'connect'
  | 'connections'
  | 'subscriptions'
  | 'messages'
  | 'operations';

export const awsNamespaces: Readonly<Record<AwsSource, string>> = {
  webSocketApi: 'AWS/ApiGateway',
  httpApi: 'AWS/ApiGateway',
  publications: 'AWS/SQS',
  shards: 'AWS/SQS',
  deadLetters: 'AWS/SQS',
  shardDeadLetters: 'AWS/SQS',
  fanOut: 'AWS/Lambda',
  message: 'AWS/Lambda',
  connect: 'AWS/Lambda',
  connections: 'AWS/DynamoDB',
  subscriptions: 'AWS/DynamoDB',
  messages: 'AWS/DynamoDB',
  operations: 'AWS/DynamoDB',
};

/** A metric that a signal is made of: one of ours, in all or for one value of its dimension, or one that AWS puts. */
export type Term =
  | { readonly metric: MetricName; readonly dimension?: string; readonly statistic: Statistic }
  | { readonly aws: { readonly of: AwsSource; readonly name: string }; readonly statistic: Statistic };

/** The least and the most that a figure can be. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

/** What CloudWatch takes a missing data point for. */
export type MissingData = 'notBreaching' | 'breaching' | 'missing' | 'ignore';

/** Something that a runbook can set an alarm on. */
export interface SignalDefinition {
  readonly meaning: string;
  readonly measure: Measure;
  /** By the name that the expression gives it. At most 9: CloudWatch takes 10 metrics in an alarm, and `when` is one. */
  readonly terms: Readonly<Record<string, Term>>;
  /**
   * CloudWatch metric math over the terms; `{field}` stands for a figure of the settings. Where absent, the signal is its
   * only term.
   */
  readonly expression?: string;
  /** Statistics that mean something for its only term; none where an expression gives the figure. */
  readonly statistics: 'sum' | 'gauge' | 'distribution' | 'none';
  /** The figures that it can have, in its metric's unit: from 0 and without end where not said. */
  readonly range?: Range;
  readonly missing: { readonly as: MissingData; readonly because: string };
  /** Silence of this one is a failure, and so is 0: it tells that the service is there. */
  readonly liveness?: true;
  /** Goes down to no connection when it is worst, so a minimum of `ActiveConnections` would silence it. */
  readonly losesConnections?: true;
  /**
   * Gaps are filled with 0, since AWS puts nothing where nothing happened. What AWS puts late is 0 at first as well, so the
   * newest period must not be the one that decides.
   */
  readonly filled?: true;
}

const unknown = {
  as: 'missing',
  because: 'a figure comes every minute, so silence means that nobody measures; the signals of liveness tell that',
} as const;
const nothingToMeasure = {
  as: 'ignore',
  because: 'a minute without any says nothing about how long one takes: the state stays',
} as const;
const nothingHappened = {
  as: 'notBreaching',
  because: 'AWS puts a figure only where something happened',
} as const;
const silence = { as: 'breaching', because: 'that nothing is put is itself the failure' } as const;

const anyAmount: Range = { least: 0, most: Number.POSITIVE_INFINITY };
/** Of a percentage whose part belongs to the whole. The use of a limit is none: limits at connect are soft, for instance. */
const part: Range = { least: 0, most: 100 };

type Own = Extract<Term, { metric: MetricName }>;
const sum = (metric: MetricName, dimension?: string): Own => ({
  metric,
  ...(dimension !== undefined && { dimension }),
  statistic: 'Sum',
});
const average = (metric: MetricName): Own => ({ metric, statistic: 'Average' });
const aws = (of: AwsSource, name: string, statistic: Statistic): Term => ({ aws: { of, name }, statistic });

const events = (metric: MetricName, meaning: string) =>
  ({ meaning, measure: counted, terms: { value: sum(metric) }, statistics: 'sum', missing: unknown }) as const;
const gauge = (metric: MetricName, meaning: string, measure: Measure = counted) =>
  ({ meaning, measure, terms: { value: average(metric) }, statistics: 'gauge', missing: unknown }) as const;
const distribution = (metric: MetricName, measure: Measure, meaning: string) =>
  ({
    meaning,
    measure,
    terms: { value: { metric, statistic: 'p95' } },
    statistics: 'distribution',
    missing: nothingToMeasure,
  }) as const;

/**
 * `lost` as a percentage of the open connections. After a loss the open ones are few or none: the larger of both is the
 * whole, so that a total loss is 100 % and no loss of none is 0 %.
 */
const ofConnections = (lost: string): string =>
  `IF(active > ${lost}, 100 * (${lost}) / active, IF(${lost} > 0, 100, 0))`;
/** `part` as a percentage of itself and `rest`; 0 where there is neither. */
const ofAll = (part: string, rest: string): string =>
  `IF(${part} + ${rest} > 0, 100 * ${part} / (${part} + ${rest}), 0)`;
const tables = ['connections', 'subscriptions', 'messages', 'operations'] as const;
const throttles = tables.flatMap(table =>
  (['Read', 'Write'] as const).map(kind => [`${table}${kind}`, aws(table, `${kind}ThrottleEvents`, 'Sum')] as const),
);

/** Every signal, by the name that a runbook gives it. */
export const signals = {
  // Connections.
  ActiveConnections: gauge('ActiveConnections', 'connections that are open'),
  PeakConnections: gauge('PeakConnections', 'most connections that were open at once since midnight UTC'),
  BaselineConnections: gauge(
    'BaselineConnections',
    'what is usual: the median of the connections of the last quarter of an hour, kept as it was during an incident',
  ),
  ConnectionDrop: {
    ...gauge('ConnectionDrop', 'open connections below the baseline, planned ends left out', inPercent),
    range: part,
    losesConnections: true,
  },
  ConnectionsUsed: gauge('ConnectionsUsed', 'open connections of the most that the service admits', inPercent),
  SilentConnections: {
    ...gauge(
      'SilentConnections',
      'connections whose heartbeats stopped, of those that sent any; none while presence is degraded',
      inPercent,
    ),
    range: part,
  },
  ConnectionsOpened: events('ConnectionsOpened', 'connections that were admitted'),
  ConnectionErrors: events('ConnectionErrors', 'connections that were refused, by reason'),
  ConnectionErrorRate: {
    meaning: 'refused connections of all that were asked for',
    measure: inPercent,
    terms: { errors: sum('ConnectionErrors'), opened: sum('ConnectionsOpened') },
    expression: ofAll('errors', 'opened'),
    statistics: 'none',
    range: part,
    missing: unknown,
  },
  ConnectionDuration: distribution('ConnectionDuration', inSeconds, 'how long connections were open that ended'),
  Disconnects: events('Disconnects', 'connections that ended, by reason'),
  Churn: {
    meaning: 'connections that ended without plan in a minute, of those that are open',
    measure: inPercent,
    terms: {
      abnormal: sum('Disconnects', 'abnormal'),
      idle: sum('Disconnects', 'idle'),
      evicted: sum('Disconnects', 'evicted'),
      server: sum('Disconnects', 'server'),
      active: average('ActiveConnections'),
    },
    expression: ofConnections('(abnormal + idle + evicted + server) * 60 / PERIOD(active)'),
    statistics: 'none',
    range: part,
    missing: unknown,
    losesConnections: true,
  },
  AbnormalCloseRate: {
    meaning: 'connections that broke off without a close, of those that are open',
    measure: inPercent,
    terms: { abnormal: sum('Disconnects', 'abnormal'), active: average('ActiveConnections') },
    expression: ofConnections('abnormal'),
    statistics: 'none',
    range: part,
    missing: unknown,
    losesConnections: true,
  },
  HeartbeatTimeouts: events('HeartbeatTimeouts', 'connections that were closed because their heartbeats stopped'),
  HeartbeatTimeoutRate: {
    meaning: 'connections that were closed because their heartbeats stopped, of those that are open',
    measure: inPercent,
    terms: { timeouts: sum('HeartbeatTimeouts'), active: average('ActiveConnections') },
    expression: ofConnections('timeouts'),
    statistics: 'none',
    range: part,
    missing: unknown,
    losesConnections: true,
  },

  // Messages.
  MessagesAccepted: events('MessagesAccepted', 'messages that were accepted from publishers, the probe’s included'),
  MessagesDelivered: events('MessagesDelivered', 'messages that were posted, once for each subscriber'),
  DeliveryLatency: distribution(
    'DeliveryLatency',
    inMilliseconds,
    'from a message’s acceptance to the post to its last subscriber',
  ),
  Backlog: gauge('Backlog', 'accepted messages that wait for their delivery, in all fan-out queues'),
  OldestMessageAge: {
    meaning: 'how long the oldest message has waited in a fan-out queue',
    measure: inSeconds,
    terms: {
      publications: aws('publications', 'ApproximateAgeOfOldestMessage', 'Maximum'),
      shards: aws('shards', 'ApproximateAgeOfOldestMessage', 'Maximum'),
    },
    // "Available CloudWatch metrics for Amazon SQS": a queue that was idle for six hours puts nothing.
    expression: 'MAX([FILL(publications, 0), FILL(shards, 0)])',
    statistics: 'none',
    missing: nothingHappened,
    filled: true,
  },
  PostFailures: events('PostFailures', 'posts to connections that failed, by reason'),
  UndeliverableMessages: events(
    'UndeliverableMessages',
    'messages that no try will deliver; their subscribers are told',
  ),
  DeadLetters: {
    meaning: 'messages that wait in the dead-letter queues for a person',
    measure: counted,
    terms: {
      publications: aws('deadLetters', 'ApproximateNumberOfMessagesVisible', 'Maximum'),
      shards: aws('shardDeadLetters', 'ApproximateNumberOfMessagesVisible', 'Maximum'),
    },
    // "Available CloudWatch metrics for Amazon SQS": a queue that was idle for six hours puts nothing.
    expression: 'FILL(publications, 0) + FILL(shards, 0)',
    statistics: 'none',
    missing: { as: 'notBreaching', because: 'SQS puts nothing for a queue that was idle for six hours: it is empty' },
    filled: true,
  },
  Errors: events('Errors', 'requests and deliveries that failed, by type'),
  ErrorRate: {
    meaning: 'errors of all that was asked for: errors and accepted messages',
    measure: inPercent,
    terms: { errors: sum('Errors'), accepted: sum('MessagesAccepted') },
    expression: ofAll('errors', 'accepted'),
    statistics: 'none',
    range: part,
    missing: unknown,
  },

  // Liveness.
  CensusRuns: {
    ...events('CensusRuns', 'runs of the census that went through; one a minute'),
    missing: silence,
    liveness: true,
  },
  ProbeSuccess: {
    ...gauge('ProbeSuccess', 'tries of a real client, one a minute, that connected, published and received', inPercent),
    range: part,
    missing: silence,
    liveness: true,
  },
  ProbeLatency: distribution('ProbeLatency', inMilliseconds, 'from the probe’s publishing to its receiving'),
  CertificateDaysLeft: {
    ...gauge('CertificateDaysLeft', 'until the certificate of the service’s address ends', inDays),
    // Below 0 it has ended.
    range: { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY },
  },

  // Resources and quotas.
  MemoryUsed: {
    ...distribution('MemoryUsed', inPercent, 'memory that a function used of what it has'),
    range: part,
  },
  ConcurrencyUsed: {
    meaning: 'fan-out invocations at once, of the most there may be',
    measure: inPercent,
    terms: { concurrent: aws('fanOut', 'ConcurrentExecutions', 'Maximum') },
    expression: '100 * concurrent / {fanOutConcurrency}',
    statistics: 'none',
    missing: nothingHappened,
  },
  StoreThrottles: {
    meaning: 'requests that DynamoDB throttled, of all tables',
    measure: counted,
    terms: Object.fromEntries(throttles) as Record<string, Term>,
    // "Configuring how CloudWatch alarms treat missing data": alarms on AWS/DynamoDB always ignore it, so one that fired
    // would never clear unless the gaps are filled.
    expression: throttles.map(([id]) => `FILL(${id}, 0)`).join(' + '),
    statistics: 'none',
    missing: nothingHappened,
    filled: true,
  },
  StoreUsed: {
    meaning: 'write units a second of the busiest table, of what DynamoDB allows a table',
    measure: inPercent,
    terms: Object.fromEntries(
      tables.map(table => [table, aws(table, 'ConsumedWriteCapacityUnits', 'Sum')] as const),
    ) as Record<string, Term>,
    // "Quotas in Amazon DynamoDB": 40,000 write request units for each table on demand.
    expression: `100 * MAX([${tables.map(table => `FILL(${table}, 0)`).join(', ')}]) / PERIOD(connections) / 40000`,
    statistics: 'none',
    missing: nothingHappened,
    filled: true,
  },
  ReplyLatency: {
    meaning: 'from a client’s frame to the answer of the function behind it',
    measure: inMilliseconds,
    terms: { value: aws('webSocketApi', 'IntegrationLatency', 'p95') },
    statistics: 'distribution',
    missing: nothingToMeasure,
  },
  GatewayErrors: {
    meaning: 'frames and connections that the gateway could not have answered',
    measure: counted,
    terms: {
      integration: aws('webSocketApi', 'IntegrationError', 'Sum'),
      execution: aws('webSocketApi', 'ExecutionError', 'Sum'),
    },
    expression: 'FILL(integration, 0) + FILL(execution, 0)',
    statistics: 'none',
    missing: nothingHappened,
    filled: true,
  },
  ServerApiErrors: {
    meaning: 'requests of servers that were answered with 5xx',
    measure: counted,
    terms: { value: aws('httpApi', '5xx', 'Sum') },
    statistics: 'sum',
    missing: nothingHappened,
  },
  ServerApiLatency: {
    meaning: 'from a server’s request to its answer',
    measure: inMilliseconds,
    terms: { value: aws('httpApi', 'Latency', 'p95') },
    statistics: 'distribution',
    missing: nothingToMeasure,
  },
  RequestQuotaUsed: {
    meaning: 'gateway requests a second, of this service’s share of the account’s quota',
    measure: inPercent,
    terms: {
      messages: aws('webSocketApi', 'MessageCount', 'Sum'),
      connects: aws('webSocketApi', 'ConnectCount', 'Sum'),
    },
    // "Amazon API Gateway quotas": 10,000 requests a second for an account and Region, `@connections` included. Minutes without
    // new connections are filled; both come late together, so that the newest period is missing and not too small.
    expression: '100 * (messages + FILL(connects, 0)) / PERIOD(messages) / (10000 * {requestQuotaShare})',
    statistics: 'none',
    missing: nothingHappened,
  },
} as const satisfies Readonly<Record<string, SignalDefinition>>;

export type SignalName = keyof typeof signals;

export const signalNames = Object.keys(signals) as SignalName[];

export function signalFor(name: SignalName): SignalDefinition {
  return signals[name];
}

/** What figures a signal can have. */
export function rangeOf(name: SignalName): Range {
  return signalFor(name).range ?? anyAmount;
}
