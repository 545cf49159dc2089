import type { Quantity } from './quantity.ts';
import { bytes, count, megabytes, seconds, share } from './quantity.ts';
import type { Settings } from './settings.ts';
import { severities } from './severity.ts';

/** A setting that a runbook can name. */
export interface SettingDefinition {
  /** As the `Setting` column has it. */
  readonly name: string;
  readonly field: keyof Settings;
  readonly quantity: Quantity;
  /** Both ends included, in the field's unit. */
  readonly minimum: number;
  readonly maximum: number;
  /** Why not less or more. */
  readonly reason: string;
  /** Taken where a runbook leaves the setting out; a setting without one is required. */
  readonly default?: number;
}

/** Every setting, in the order in which a runbook should list them. What a service is about has no default. */
export const settingsCatalogue: readonly SettingDefinition[] = [
  {
    name: 'Maximum connections',
    field: 'maxConnections',
    quantity: count,
    minimum: 1,
    // "Quotas for configuring and running a WebSocket in API Gateway": 500 new connections/s, each for at most 2 h.
    maximum: 3_600_000,
    reason: 'API Gateway admits 500 new connections a second, each for 2 h at most',
  },
  {
    name: 'Maximum connections per user',
    field: 'maxConnectionsPerUser',
    quantity: count,
    minimum: 1,
    maximum: 3_600_000,
    reason: 'as for the maximum of connections',
  },
  {
    name: 'Maximum connections per address',
    field: 'maxConnectionsPerAddress',
    quantity: count,
    minimum: 1,
    maximum: 3_600_000,
    reason: 'as for the maximum of connections',
  },
  {
    name: 'Maximum channels per connection',
    field: 'maxChannelsPerConnection',
    quantity: count,
    minimum: 1,
    // "Quotas in Amazon DynamoDB": an item holds 400 KB, and a connection's item lists its channels.
    maximum: 1_000,
    reason: 'a connection and its channels are one DynamoDB item of 400 KB at most',
    default: 100,
  },
  {
    name: 'Frames per second per connection',
    field: 'maxFramesPerSecond',
    quantity: count,
    minimum: 1,
    // "Amazon API Gateway quotas": 10,000 requests/s per account and Region.
    maximum: 500,
    reason: 'one connection could take more than a twentieth of the account’s 10000 requests a second',
    default: 20,
  },
  {
    name: 'Maximum message size',
    field: 'maxMessageBytes',
    quantity: bytes,
    minimum: 1_024,
    // Above API Gateway's 128 KB a message travels in parts; 1 MiB is what SQS takes ("Amazon SQS message quotas").
    maximum: 1_048_576,
    reason: '1 MiB is the largest message of SQS',
  },
  {
    name: 'Heartbeat interval',
    field: 'heartbeatIntervalSeconds',
    quantity: seconds,
    minimum: 5,
    // Two intervals have to fit the 10 min, so that a heartbeat can be lost.
    maximum: 240,
    reason: 'API Gateway closes a connection that is idle for 10 min, and one lost heartbeat must not lead there',
  },
  {
    name: 'Heartbeat grace',
    field: 'heartbeatGraceSeconds',
    quantity: seconds,
    minimum: 1,
    maximum: 590,
    reason: 'API Gateway closes a connection that is idle for 10 min',
  },
  {
    name: 'Message retention',
    field: 'retentionSeconds',
    quantity: seconds,
    // Twice the deduplication interval of SQS FIFO queues ("Exactly-once processing in Amazon SQS": 5 min).
    minimum: 600,
    maximum: 365 * 86_400,
    reason: 'the log has to outlive SQS’s deduplication of 5 min; above a year it would be an archive',
  },
  {
    name: 'Drain window',
    field: 'drainWindowSeconds',
    quantity: seconds,
    minimum: 5,
    maximum: 7_200,
    reason: 'API Gateway ends every connection within 2 h; below 5 s clients would hardly be told',
    default: 30,
  },
  {
    name: 'Post timeout',
    field: 'postTimeoutSeconds',
    quantity: seconds,
    minimum: 1,
    maximum: 10,
    reason: 'one client that does not take its message must not hold up a whole fan-out',
    default: 5,
  },
  {
    name: 'Post parallelism',
    field: 'postParallelism',
    quantity: count,
    minimum: 1,
    maximum: 500,
    // "Lambda quotas": 1,024 file descriptors per execution environment, and each post under way holds a socket.
    reason: 'a function environment has 1024 file descriptors',
    default: 50,
  },
  {
    name: 'Fan-out concurrency',
    field: 'fanOutConcurrency',
    quantity: count,
    // "Configuring scaling behavior for SQS event source mappings": maximum concurrency.
    minimum: 2,
    maximum: 1_000,
    reason: 'the maximum concurrency of an SQS event source is 2 to 1000',
    default: 5,
  },
  {
    name: 'Function memory',
    field: 'functionMemoryMegabytes',
    quantity: megabytes,
    // "Lambda quotas".
    minimum: 128,
    maximum: 10_240,
    reason: 'what Lambda offers',
    default: 1_024,
  },
  {
    name: 'Request quota share',
    field: 'requestQuotaShare',
    quantity: share,
    minimum: 0.01,
    maximum: 1,
    reason: 'a share of the account’s API Gateway quota, which all services in the account divide',
    default: 0.2,
  },
  ...responseTimes([900, 3_600, 14_400, 86_400]),
];

/** A setting for each severity; the defaults are those of a chat service's team. */
function responseTimes(defaults: readonly number[]): SettingDefinition[] {
  return severities.map((severity, index) => ({
    name: `Response time ${severity}`,
    field: `responseTime${severity}Seconds`,
    quantity: seconds,
    minimum: 60,
    maximum: 604_800,
    reason: 'nobody is there within seconds, and what can wait for more than a week is no incident',
    ...(defaults[index] !== undefined && { default: defaults[index] }),
  }));
}

export function settingFor(field: keyof Settings): SettingDefinition {
  const definition = settingsCatalogue.find(setting => setting.field === field);
  if (!definition) throw new Error(`the settings catalogue lacks ${field}`);
  return definition;
}

export function inRange(setting: SettingDefinition, value: number): boolean {
  return value >= setting.minimum && value <= setting.maximum;
}

/** The range in words, e.g. "5 s to 4 min (API Gateway …)". */
export function rangeOf({ quantity, minimum, maximum, reason }: SettingDefinition): string {
  return `${quantity.format(minimum)} to ${quantity.format(maximum)} (${reason})`;
}
