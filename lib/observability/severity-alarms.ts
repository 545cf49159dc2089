import { type Alarm, AlarmRule, AlarmState, CompositeAlarm, type IAlarmAction } from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { type AlarmRow, type Severity, severities } from '../runbook/runbook.ts';

export const severityPrefix = 'severity';

export interface SeverityAlarmsProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  readonly alarms: readonly AlarmRow[];
  readonly byName: ReadonlyMap<string, Alarm>;
  readonly link: string;
  readonly told: (severity: Severity) => IAlarmAction | undefined;
}

/** Alarms that watch the same figure, and are more severe. */
export function moreSevere(row: AlarmRow, alarms: readonly AlarmRow[]): AlarmRow[] {
  const same = ({ condition }: AlarmRow) =>
    condition.signal === row.condition.signal && condition.dimension?.value === row.condition.dimension?.value;
  return alarms.filter(other => same(other) && severities.indexOf(other.severity) < severities.indexOf(row.severity));
}

/**
 * One composite alarm for each severity: in ALARM while an alarm of this severity is, unless a more severe one of the same
 * signal is as well and says more.
 */
export class SeverityAlarms extends Construct {
  readonly bySeverity: ReadonlyMap<Severity, CompositeAlarm>;

  constructor(scope: Construct, id: string, { prefix, alarms, byName, link, told }: SeverityAlarmsProps) {
    super(scope, id);
    const inAlarm = ({ name }: AlarmRow) => AlarmRule.fromAlarm(byName.get(name) as Alarm, AlarmState.ALARM);
    const firing = (row: AlarmRow) => {
      const over = moreSevere(row, alarms);
      if (over.length === 0) return inAlarm(row);
      return AlarmRule.allOf(inAlarm(row), AlarmRule.not(AlarmRule.anyOf(...over.map(inAlarm))));
    };
    this.bySeverity = new Map(
      severities.flatMap(severity => {
        const rows = alarms.filter(row => row.severity === severity);
        if (rows.length === 0) return [];
        const alarm = new CompositeAlarm(this, severity, {
          compositeAlarmName: `${severityPrefix}-${prefix}-${severity}`,
          alarmDescription: `${severity}: ${rows.map(({ name }) => name).join(', ')}. ${link}`,
          alarmRule: AlarmRule.anyOf(...rows.map(firing)),
        });
        const action = told(severity);
        // That it is over is told when the incident is closed.
        if (action) alarm.addAlarmAction(action);
        return [[severity, alarm] as const];
      }),
    );
  }
}
