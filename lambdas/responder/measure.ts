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
/** A figure whose period ended longer ago is told with its age: it may be of before all went wrong. */
const currentMs = 2 * 60_000;

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

interface Figure {
  readonly value: number;
  /** Since its period was over. */
  readonly ageMs: number;
}

/** As `3082 (ALARM)`, `1 (OK, 4 min ago)` or `nothing (ALARM)`. */
function inWords(figure: Figure | undefined, state: string | undefined): string {
  if (!figure) return `nothing (${state})`;
  const age = figure.ageMs > currentMs ? `, ${Math.round(figure.ageMs / 60_000)} min ago` : '';
  return `${Math.round(figure.value * 100) / 100} (${state}${age})`;
}

export interface Measuring {
  /** Puts the latest figures of all alarms' signals on the incident's timeline. @returns them in words */
  measure(request: MeasureRequest): Promise<string>;
}

export function measuring(cloudwatch: CloudWatchClient, store: DynamoDBDocumentClient, TableName: string): Measuring {
  const figureOf = async (alarm: MetricAlarm, now: Date): Promise<Figure | undefined> => {
    const queries = queriesOf(alarm);
    const periodMs = periodOf(queries) * 1000;
    const StartTime = new Date(now.getTime() - periodsBack * periodMs);
    const { MetricDataResults = [] } = await cloudwatch.send(
      new GetMetricDataCommand({
        MetricDataQueries: queries,
        StartTime,
        EndTime: now,
        ScanBy: 'TimestampDescending',
      }),
    );
    // Of an anomaly alarm both come back, the figure and the band it is compared with.
    const { Values, Timestamps } = MetricDataResults.find(({ Id }) => Id !== alarm.ThresholdMetricId) ?? {};
    const [value, began] = [Values?.[0], Timestamps?.[0]];
    if (value === undefined || began === undefined) return undefined;
    return { value, ageMs: now.getTime() - (began.getTime() + periodMs) };
  };
  return {
    async measure({ incident, alarms, when, now }) {
      const { MetricAlarms = [] } = await cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: alarms }));
      const firing = alarms[0] ?? '';
      const inOrder = alarms.flatMap(name => MetricAlarms.filter(({ AlarmName }) => AlarmName === name));
      const told = await Promise.all(
        inOrder.map(async alarm => {
          const figure = await figureOf(alarm, new Date(now));
          return `${shortName(alarm.AlarmName ?? '', firing)} ${inWords(figure, alarm.StateValue)}`;
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
