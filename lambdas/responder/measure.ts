import {
  type CloudWatchClient,
  DescribeAlarmsCommand,
  GetMetricDataCommand,
  type MetricAlarm,
  type MetricDataQuery,
} from '@aws-sdk/client-cloudwatch';
import { type DynamoDBDocumentClient, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { incidentRecord } from '../shared/incidents.ts';
import { operationsTable } from '../shared/tables.ts';
import type { MeasureRequest } from './request.ts';

/** How many periods back a figure is looked for: CloudWatch has some of AWS's own metrics minutes late. */
const periodsBack = 10;

/** What an alarm compares, as queries of their own. */
function queriesOf({ Metrics, ...alarm }: MetricAlarm): MetricDataQuery[] {
  if (Metrics && Metrics.length > 0) return Metrics;
  const { Namespace, MetricName, Dimensions, Period, Statistic, ExtendedStatistic } = alarm;
  return [
    {
      Id: 'm1',
      MetricStat: { Metric: { Namespace, MetricName, Dimensions }, Period, Stat: Statistic ?? ExtendedStatistic },
    },
  ];
}

const periodOf = (queries: readonly MetricDataQuery[]): number =>
  Math.max(60, ...queries.map(({ MetricStat, Period }) => MetricStat?.Period ?? Period ?? 0));

/** `recovery-matchbook-dev-Backlog` and `matchbook-dev-OldestPrice`, without what all of them begin with. */
const shortName = (name: string, firing: string): string => {
  if (name === firing) return name.replace(/^.*-/, '');
  return name.replace(/^recovery-.*-/, '');
};

export interface Measuring {
  /** Puts the latest figures of all alarms' signals on the incident's timeline. @returns them in words */
  measure(request: MeasureRequest): Promise<string>;
}

export function measuring(cloudwatch: CloudWatchClient, store: DynamoDBDocumentClient, TableName: string): Measuring {
  const figureOf = async (alarm: MetricAlarm, now: Date): Promise<number | undefined> => {
    const queries = queriesOf(alarm);
    const StartTime = new Date(now.getTime() - periodsBack * periodOf(queries) * 1000);
    const { MetricDataResults = [] } = await cloudwatch.send(
      new GetMetricDataCommand({
        MetricDataQueries: queries,
        StartTime,
        EndTime: now,
        ScanBy: 'TimestampDescending',
      }),
    );
    // Of an anomaly alarm both come back, the figure and the band it is compared with.
    return MetricDataResults.find(({ Id }) => Id !== alarm.ThresholdMetricId)?.Values?.[0];
  };
  return {
    async measure({ incident, alarms, when, now }) {
      const { MetricAlarms = [] } = await cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: alarms }));
      const firing = alarms[0] ?? '';
      const inOrder = alarms.flatMap(name => MetricAlarms.filter(({ AlarmName }) => AlarmName === name));
      const told = await Promise.all(
        inOrder.map(async alarm => {
          const figure = await figureOf(alarm, new Date(now));
          const value = figure === undefined ? 'nothing' : String(Math.round(figure * 100) / 100);
          return `${shortName(alarm.AlarmName ?? '', firing)} ${value} (${alarm.StateValue})`;
        }),
      );
      const text = `${when}: ${told.join(', ')}`;
      await store.send(
        new UpdateCommand({
          TableName,
          Key: { [operationsTable.partitionKey]: incidentRecord(incident) },
          UpdateExpression: 'SET #timeline = list_append(if_not_exists(#timeline, :none), :entry)',
          ConditionExpression: 'attribute_exists(#record)',
          ExpressionAttributeNames: { '#timeline': 'timeline', '#record': operationsTable.partitionKey },
          ExpressionAttributeValues: { ':none': [], ':entry': [{ at: now, kind: 'values', text }] },
        }),
      );
      return text;
    },
  };
}
