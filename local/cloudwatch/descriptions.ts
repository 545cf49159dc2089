import { suppressionReason } from './alarm-event.ts';
import type { AlarmHistory } from './alarm-history.ts';
import type { Alarm, AlarmStatus, Alarms } from './alarms.ts';
import type { Request } from './requests.ts';

/** "DescribeAlarms": metric alarms only, unless others are asked for. */
const typesOf = (types: readonly string[] | undefined): readonly string[] => types ?? ['MetricAlarm'];
const typeOf = ({ kind }: Alarm): string => (kind === 'metric' ? 'MetricAlarm' : 'CompositeAlarm');

/** One page of a list; the token is where the next one starts. */
function page<Item>(
  items: readonly Item[],
  { MaxRecords, NextToken }: { MaxRecords: number; NextToken?: string | undefined },
) {
  const start = Number(NextToken ?? 0);
  const end = start + MaxRecords;
  return { items: items.slice(start, end), next: end < items.length ? { NextToken: String(end) } : {} };
}

/** What DescribeAlarms answers. @param configuredAt monitoring time, epoch milliseconds */
export function describeAlarms(
  request: Request<'DescribeAlarms'>,
  alarms: Alarms,

  configuredAt: number,
) {
  const { AlarmNames, AlarmNamePrefix = '', AlarmTypes, StateValue, ActionPrefix } = request;
  const types = typesOf(AlarmTypes);
  const found = alarms.all
    .map(alarm => ({ alarm, status: alarms.status(alarm.name) }))
    .filter(
      ({ alarm, status }) =>
        types.includes(typeOf(alarm)) &&
        (AlarmNames === undefined || AlarmNames.includes(alarm.name)) &&
        alarm.name.startsWith(AlarmNamePrefix) &&
        (StateValue === undefined || status.state === StateValue) &&
        (ActionPrefix === undefined || actionsOf(alarm).some(action => action.startsWith(ActionPrefix))),
    )
    .sort((a, b) => (a.alarm.name < b.alarm.name ? -1 : 1));
  const { items, next } = page(found, request);
  const described = (kind: Alarm['kind']) =>
    items.filter(({ alarm }) => alarm.kind === kind).map(({ alarm, status }) => describe(alarm, status, configuredAt));
  return {
    MetricAlarms: described('metric'),
    CompositeAlarms: described('composite'),
    ...next,
  };
}

const actionsOf = ({ properties: { AlarmActions, OKActions, InsufficientDataActions } }: Alarm): string[] => [
  ...AlarmActions,
  ...OKActions,
  ...InsufficientDataActions,
];

function describe(alarm: Alarm, status: AlarmStatus, configuredAt: number) {
  const { Tags: _, AlarmName: __, ...properties } = alarm.properties;
  const single = alarm.kind === 'metric' &&
    !alarm.properties.Metrics && { Dimensions: alarm.properties.Dimensions ?? [] };
  return {
    AlarmName: alarm.name,
    AlarmArn: alarm.arn,
    AlarmConfigurationUpdatedTimestamp: configuredAt / 1000,
    ...properties,
    ...single,
    ...(alarm.kind === 'metric' && { DatapointsToAlarm: alarm.datapointsToAlarm }),
    StateValue: status.state,
    StateReason: status.reason,
    ...(status.reasonData && { StateReasonData: JSON.stringify(status.reasonData) }),
    StateUpdatedTimestamp: status.updatedAt / 1000,
    StateTransitionedTimestamp: status.transitionedAt / 1000,
    ...(status.suppressedBy && {
      ActionsSuppressedBy: status.suppressedBy,
      ActionsSuppressedReason: suppressionReason(status),
    }),
  };
}

/** What DescribeAlarmHistory answers. */
export function describeHistory(request: Request<'DescribeAlarmHistory'>, history: AlarmHistory) {
  const { AlarmName, AlarmTypes, HistoryItemType, StartDate = 0, EndDate = Number.POSITIVE_INFINITY, ScanBy } = request;
  const types = typesOf(AlarmTypes);
  const found = history.items.filter(
    ({ alarm, type, time }) =>
      types.includes(typeOf(alarm)) &&
      (AlarmName === undefined || alarm.name === AlarmName) &&
      (HistoryItemType === undefined || type === HistoryItemType) &&
      time >= StartDate &&
      time <= EndDate,
  );
  const { items, next } = page(ScanBy === 'TimestampDescending' ? found.toReversed() : found, request);
  return {
    AlarmHistoryItems: items.map(({ alarm, time, type, summary, data }) => ({
      AlarmName: alarm.name,
      AlarmType: typeOf(alarm),
      Timestamp: time / 1000,
      HistoryItemType: type,
      HistorySummary: summary,
      HistoryData: data,
    })),
    ...next,
  };
}
