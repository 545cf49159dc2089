import { Duration, TimeZone } from 'aws-cdk-lib';
import {
  Alarm,
  AlarmMuteRule,
  AnomalyDetectionAlarm,
  ComparisonOperator,
  type IAlarmAction,
  ScheduleExpression,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import type { Comparison, Condition } from '../runbook/condition.ts';
import type { AlarmRow } from '../runbook/runbook.ts';
import { type MissingData, signalFor } from '../runbook/signals.ts';
import type { SignalMetrics } from './signal-metrics.ts';

export const comparisonOperators: Readonly<Record<Comparison, ComparisonOperator>> = {
  '>': ComparisonOperator.GREATER_THAN_THRESHOLD,
  '>=': ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
  '<': ComparisonOperator.LESS_THAN_THRESHOLD,
  '<=': ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
};

const treatments: Readonly<Record<MissingData, TreatMissingData>> = {
  notBreaching: TreatMissingData.NOT_BREACHING,
  breaching: TreatMissingData.BREACHING,
  missing: TreatMissingData.MISSING,
  ignore: TreatMissingData.IGNORE,
};

export interface ConditionAlarmProps {
  readonly alarmName: string;
  readonly alarmDescription: string;
  readonly condition: Condition;
  readonly metrics: SignalMetrics;
  /** @default as the signal's definition says */
  readonly missing?: MissingData;
}

/** The alarm that is in ALARM while a condition holds. */
export function conditionAlarm(scope: Construct, id: string, props: ConditionAlarmProps): Alarm {
  const { condition, metrics, ...named } = props;
  const common = {
    alarmName: named.alarmName,
    alarmDescription: named.alarmDescription,
    metric: metrics.compared(condition),
    evaluationPeriods: condition.periods,
    datapointsToAlarm: condition.datapoints,
    treatMissingData: treatments[named.missing ?? signalFor(condition.signal).missing.as],
  };
  if (condition.kind === 'band') {
    return new AnomalyDetectionAlarm(scope, id, { ...common, stdDevs: condition.deviations });
  }
  return new Alarm(scope, id, {
    ...common,
    threshold: condition.threshold,
    comparisonOperator: comparisonOperators[condition.comparison],
  });
}

export interface RunbookAlarmsProps {
  /** `<service>-<env>`, the beginning of every name. */
  readonly prefix: string;
  readonly alarms: readonly AlarmRow[];
  readonly metrics: SignalMetrics;
  readonly link: (anchor: string) => string;
  /** Told directly by the alarm, without waiting for anything else. */
  readonly paged: (alarm: AlarmRow) => IAlarmAction | undefined;
}

/** One alarm for each row of the runbook's `## Alarms`, and the hours in which it is muted. */
export class RunbookAlarms extends Construct {
  readonly byName: ReadonlyMap<string, Alarm>;

  constructor(scope: Construct, id: string, { prefix, alarms, metrics, link, paged }: RunbookAlarmsProps) {
    super(scope, id);
    this.byName = new Map(
      alarms.map(row => {
        const alarm = conditionAlarm(this, row.name, {
          alarmName: `${prefix}-${row.name}`,
          alarmDescription: describe(row, link(row.procedure.anchor)),
          condition: row.condition,
          metrics,
        });
        const action = paged(row);
        // That it is over is told when the incident is closed.
        if (action) alarm.addAlarmAction(action);
        row.quiet.forEach(({ schedule, duration, timeZone }, index) => {
          new AlarmMuteRule(this, `${row.name}Quiet${index}`, {
            alarmMuteRuleName: `${prefix}-${row.name}-quiet-${index}`,
            description: `Quiet hours of ${row.name}`,
            alarms: [alarm],
            schedule: ScheduleExpression.expression(schedule, TimeZone.of(timeZone)),
            duration: Duration.parse(duration),
          });
        });
        return [row.name, alarm];
      }),
    );
  }
}

/** What a person reads who is woken by it. */
function describe({ severity, text, condition, procedure }: AlarmRow, link: string): string {
  return `${severity}: ${text} (${signalFor(condition.signal).meaning}). ${procedure.heading}: ${link}`;
}
