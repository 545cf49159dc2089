import type { Settings } from './settings.ts';
import { settingFor } from './settings-catalogue.ts';
import { severities } from './severity.ts';

/** Settings that are right one by one and wrong together. */
export interface Conflict {
  /** The setting at which it is reported. */
  readonly field: keyof Settings;
  readonly read: string;
  readonly expected: string;
}

// "Quotas for configuring and running a WebSocket in API Gateway": idle connection timeout.
const idleTimeoutSeconds = 600;
// "Amazon API Gateway quotas": requests per second per account and Region, frames of clients and @connections together.
const requestsPerSecond = 10_000;

/** What in `settings` cannot hold together; settings that were not read are left out. */
export function conflicts(settings: Partial<Settings>): Conflict[] {
  return [
    ...belowTotal('maxConnectionsPerUser', settings),
    ...belowTotal('maxConnectionsPerAddress', settings),
    ...silenceBelowIdleTimeout(settings),
    ...heartbeatsWithinShare(settings),
    ...drainWithinWindow(settings),
    ...responseTimesInOrder(settings),
  ];
}

function belowTotal(
  field: 'maxConnectionsPerUser' | 'maxConnectionsPerAddress',
  settings: Partial<Settings>,
): Conflict[] {
  const { [field]: limit, maxConnections } = settings;
  if (limit === undefined || maxConnections === undefined || limit <= maxConnections) return [];
  const total = nameOf('maxConnections');
  return [{ field, read: `${nameOf(field)} is ${limit}`, expected: `at most ${maxConnections}, the ${total}` }];
}

/** Eviction finds a silent connection only if the gateway has not closed it before. */
function silenceBelowIdleTimeout(settings: Partial<Settings>): Conflict[] {
  const { heartbeatIntervalSeconds: interval, heartbeatGraceSeconds: grace } = settings;
  if (interval === undefined || grace === undefined) return [];
  const silence = 1.5 * interval + grace;
  if (silence < idleTimeoutSeconds) return [];
  return [
    {
      field: 'heartbeatGraceSeconds',
      read: `a silent connection is evicted after ${silence} s (1.5 × ${nameOf('heartbeatIntervalSeconds')} + ${nameOf('heartbeatGraceSeconds')})`,
      expected: `less than ${idleTimeoutSeconds} s, when API Gateway closes an idle connection`,
    },
  ];
}

/** A full service's heartbeats are requests too, and may take half of its share; the rest is for messages. */
function heartbeatsWithinShare(settings: Partial<Settings>): Conflict[] {
  const { maxConnections, heartbeatIntervalSeconds: interval, requestQuotaShare } = settings;
  if (maxConnections === undefined || interval === undefined || requestQuotaShare === undefined) return [];
  const heartbeats = maxConnections / interval;
  const allowed = (requestQuotaShare * requestsPerSecond) / 2;
  if (heartbeats <= allowed) return [];
  return [
    {
      field: 'heartbeatIntervalSeconds',
      read: `${maxConnections} connections send ${Math.ceil(heartbeats)} heartbeats a second`,
      expected: `at most ${Math.floor(allowed)}, half of this service's ${nameOf('requestQuotaShare')} of API Gateway's ${requestsPerSecond} requests a second`,
    },
  ];
}

/** Who leaves comes back elsewhere or later, and API Gateway admits 500 new connections a second: a fifth is kept free. */
const leavesPerSecond = 400;

/** Everybody must be able to leave within the window without a reconnect storm. */
function drainWithinWindow({ maxConnections, drainWindowSeconds: window }: Partial<Settings>): Conflict[] {
  if (maxConnections === undefined || window === undefined) return [];
  const least = Math.ceil(maxConnections / leavesPerSecond);
  if (window >= least) return [];
  return [
    {
      field: 'drainWindowSeconds',
      read: `${nameOf('drainWindowSeconds')} is ${window} s for ${maxConnections} connections`,
      expected: `at least ${least} s, so that ${leavesPerSecond} leave a second at most (API Gateway admits 500 new ones)`,
    },
  ];
}

/** What is more severe is not answered later. */
function responseTimesInOrder(settings: Partial<Settings>): Conflict[] {
  return severities.slice(1).flatMap((severity, index): Conflict[] => {
    const sooner = `responseTime${severities[index] ?? severity}Seconds` as const;
    const field = `responseTime${severity}Seconds` as const;
    const { [sooner]: least, [field]: time } = settings;
    if (least === undefined || time === undefined || time >= least) return [];
    const { format } = settingFor(field).quantity;
    return [
      {
        field,
        read: `${nameOf(field)} is ${format(time)}`,
        expected: `at least ${format(least)}, the ${nameOf(sooner)}`,
      },
    ];
  });
}

function nameOf(field: keyof Settings): string {
  return settingFor(field).name;
}
