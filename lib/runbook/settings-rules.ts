import type { Settings } from './settings.ts';
import { settingFor } from './settings-catalogue.ts';

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

function nameOf(field: keyof Settings): string {
  return settingFor(field).name;
}
