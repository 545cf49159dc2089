import type { Place } from '../assembly/resource.ts';
import type { ServiceEvent } from '../stepfunctions/event-bus.ts';
import type { Alarm, AlarmAction, AlarmStatus, AlarmTransition, Mute } from './alarms.ts';
import type { MetricAlarm } from './metric-alarm.ts';
import { longTime } from './metric-alarm.ts';
import { dimensionRecord, type MetricDataQuery } from './metric-queries.ts';

/** "Alarm events and EventBridge". Times are monitoring time, as everywhere in the monitoring plane. */
export function stateChangeEvent({ alarm, previous, current, mute }: AlarmTransition): ServiceEvent {
  return {
    source: 'aws.cloudwatch',
    'detail-type': 'CloudWatch Alarm State Change',
    resources: [alarm.arn],
    detail: {
      alarmName: alarm.name,
      configuration: configuration(alarm),
      previousState: stateOf(previous),
      state: stateOf(current),
      ...(mute && { muteDetail: muteDetail(mute) }),
    },
    time: current.updatedAt,
  };
}

const suppressionReasons = {
  Alarm: 'Actions suppressed by alarm',
  WaitPeriod: 'Actions suppressed by WaitPeriod',
  ExtensionPeriod: 'Actions suppressed by ExtensionPeriod',
};

/** Why a composite alarm's actions are kept back, in words. */
export const suppressionReason = ({ suppressedBy }: AlarmStatus): string | undefined =>
  suppressedBy && suppressionReasons[suppressedBy];

function stateOf(status: AlarmStatus) {
  const { state, reason, reasonData, transitionedAt, suppressedBy } = status;
  return {
    value: state,
    reason,
    ...(reasonData && { reasonData: JSON.stringify(reasonData) }),
    timestamp: longTime(transitionedAt),
    ...(suppressedBy && { actionsSuppressedBy: suppressedBy, actionsSuppressedReason: suppressionReason(status) }),
  };
}

const muteDetail = ({ rule, start, end }: Mute) => ({
  mutedBy: rule.arn,
  muteWindowStart: longTime(start),
  muteWindowEnd: longTime(end),
});

function configuration(alarm: Alarm) {
  const { AlarmDescription } = alarm.properties;
  const description = AlarmDescription === undefined ? {} : { description: AlarmDescription };
  if (alarm.kind === 'metric') return { metrics: alarm.queries.map(metricOf), ...description };
  const { AlarmRule, ActionsSuppressorWaitPeriod, ActionsSuppressorExtensionPeriod } = alarm.properties;
  return {
    alarmRule: AlarmRule,
    ...(alarm.suppressor && {
      actionsSuppressor: alarm.suppressor.alarm,
      actionsSuppressorWaitPeriod: ActionsSuppressorWaitPeriod,
      actionsSuppressorExtensionPeriod: ActionsSuppressorExtensionPeriod,
    }),
    ...description,
  };
}

function metricOf({ Id, Expression, Label, MetricStat, ReturnData }: MetricDataQuery) {
  return {
    id: Id,
    ...(Label !== undefined && { label: Label }),
    ...(Expression !== undefined && { expression: Expression }),
    ...(MetricStat && {
      metricStat: {
        metric: {
          namespace: MetricStat.Metric.Namespace,
          name: MetricStat.Metric.MetricName,
          dimensions: dimensionRecord(MetricStat.Metric.Dimensions),
        },
        period: MetricStat.Period,
        stat: MetricStat.Stat,
        ...(MetricStat.Unit && { unit: MetricStat.Unit }),
      },
    }),
    returnData: ReturnData,
  };
}

/** What CloudWatch publishes to a topic ("Notify users on alarm changes"): subject and message. */
export function notification({ alarm, previousState, current }: AlarmAction, { account, region }: Place) {
  const { ActionsEnabled: _, AlarmDescription, AlarmActions, OKActions, InsufficientDataActions } = alarm.properties;
  const message = {
    AlarmName: alarm.name,
    AlarmDescription: AlarmDescription ?? null,
    AWSAccountId: account,
    AlarmConfigurationUpdatedTimestamp: null,
    NewStateValue: current.state,
    NewStateReason: current.reason,
    StateChangeTime: longTime(current.transitionedAt),
    Region: region,
    AlarmArn: alarm.arn,
    OldStateValue: previousState,
    OKActions,
    AlarmActions,
    InsufficientDataActions,
    ...(alarm.kind === 'metric' ? { Trigger: trigger(alarm) } : { AlarmRule: alarm.properties.AlarmRule }),
  };
  // "Publish": a subject has up to 100 characters.
  return { subject: `${current.state}: "${alarm.name}" in ${region}`.slice(0, 100), message: JSON.stringify(message) };
}

function trigger({ properties, datapointsToAlarm, queries }: MetricAlarm) {
  const { Threshold, ThresholdMetricId, ComparisonOperator, TreatMissingData, EvaluationPeriods } = properties;
  const condition = {
    EvaluationPeriods,
    DatapointsToAlarm: datapointsToAlarm,
    ComparisonOperator,
    ...(Threshold === undefined ? { ThresholdMetricId } : { Threshold }),
    TreatMissingData,
    EvaluateLowSampleCountPercentile: properties.EvaluateLowSampleCountPercentile,
  };
  const listed = (dimensions: readonly { Name: string; Value: string }[] = []) =>
    dimensions.map(({ Name, Value }) => ({ value: Value, name: Name }));
  const [only] = queries;
  if (properties.Metrics || !only?.MetricStat) {
    const Metrics = queries.map(({ MetricStat, ...query }) => ({
      ...query,
      ...(MetricStat && {
        MetricStat: {
          ...MetricStat,
          Metric: { ...MetricStat.Metric, Dimensions: listed(MetricStat.Metric.Dimensions) },
        },
      }),
    }));
    return { Metrics, ...condition };
  }
  const { Metric, Period, Stat, Unit } = only.MetricStat;
  const isExtended = properties.ExtendedStatistic !== undefined;
  return {
    MetricName: Metric.MetricName,
    Namespace: Metric.Namespace,
    StatisticType: isExtended ? 'ExtendedStatistic' : 'Statistic',
    ...(isExtended ? { ExtendedStatistic: Stat } : { Statistic: Stat.toUpperCase() }),
    Unit: Unit ?? null,
    Dimensions: listed(Metric.Dimensions),
    Period,
    ...condition,
  };
}
