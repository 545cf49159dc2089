import {
  type Alarm,
  AlarmStatusWidget,
  type CompositeAlarm,
  Dashboard,
  GraphWidget,
  type HorizontalAnnotation,
  type IWidget,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import type { AlarmRow, Runbook } from '../runbook/runbook.ts';
import { type SignalName, type Statistic, signalFor, signalNames } from '../runbook/signals.ts';
import type { SignalMetrics } from './signal-metrics.ts';

export interface ServiceDashboardProps {
  readonly prefix: string;
  readonly runbook: Runbook;
  readonly metrics: SignalMetrics;
  readonly alarms: ReadonlyMap<string, Alarm>;
  readonly severities: readonly CompositeAlarm[];
  readonly link: (anchor?: string) => string;
}

const wholeWidth = 24;
const graphWidth = 8;
const graphHeight = 6;

/** One graph for each signal with the runbook's thresholds drawn in, the state of all alarms, and links to the procedures. */
export class ServiceDashboard extends Construct {
  readonly dashboard: Dashboard;

  constructor(scope: Construct, id: string, props: ServiceDashboardProps) {
    super(scope, id);
    const { prefix, runbook, alarms, severities } = props;
    const watched = new Set(runbook.alarms.map(({ condition }) => condition.signal));
    const [withAlarms, others] = [
      signalNames.filter(name => watched.has(name)),
      signalNames.filter(name => !watched.has(name)),
    ];
    this.dashboard = new Dashboard(this, 'Dashboard', {
      dashboardName: prefix,
      widgets: [
        [new TextWidget({ markdown: introduction(props), width: wholeWidth, height: 2 + runbook.alarms.length })],
        [
          new AlarmStatusWidget({
            title: 'Alarms',
            alarms: [...severities, ...alarms.values()],
            width: wholeWidth,
            height: 4 + Math.ceil(alarms.size / 6),
          }),
        ],
        ...rowsOf(withAlarms.flatMap(signal => graphs(signal, props))),
        [new TextWidget({ markdown: '## Without an alarm in this runbook', width: wholeWidth, height: 1 })],
        ...rowsOf(others.flatMap(signal => graphs(signal, props))),
      ],
    });
  }
}

function introduction({ runbook, link }: ServiceDashboardProps): string {
  const rows = runbook.alarms.map(
    ({ name, severity, text, procedure }) =>
      `| ${severity} | ${name} | ${text.replaceAll('|', '\\|')} | [${procedure.heading}](${link(procedure.anchor)}) |`,
  );
  return [`# [${runbook.title}](${link()})`, '| | Alarm | Fires when | Procedure |', '|---|---|---|---|', ...rows].join(
    '\n',
  );
}

/** A graph for each way in which the runbook looks at a signal; one as it is where it does not. */
function graphs(signal: SignalName, { runbook, metrics }: ServiceDashboardProps): GraphWidget[] {
  const rows = runbook.alarms.filter(({ condition }) => condition.signal === signal);
  const views = Map.groupBy(rows, ({ condition }) =>
    JSON.stringify([condition.dimension, condition.statistic, condition.periodSeconds]),
  );
  const [term] = Object.values(signalFor(signal).terms);
  const plain: { statistic: Statistic | undefined } = { statistic: term?.statistic };
  if (views.size === 0) {
    return [
      new GraphWidget({
        title: signal,
        left: [metrics.of({ signal, ...plain, periodSeconds: 60 })],
        leftYAxis: { min: 0 },
        ...size,
      }),
    ];
  }
  return [...views.values()].map(view => {
    const { condition } = view[0] as AlarmRow;
    const { dimension, statistic } = condition;
    const details = [dimension && `${dimension.name} ${dimension.value}`, statistic].filter(
      detail => detail !== undefined,
    );
    return new GraphWidget({
      title: details.length > 0 ? `${signal} (${details.join(', ')})` : signal,
      left: [metrics.of(condition, signal)],
      leftAnnotations: view.flatMap(thresholdOf),
      leftYAxis: { min: 0 },
      ...size,
    });
  });
}

const size = { width: graphWidth, height: graphHeight };

const colors = { P0: '#7d2105', P1: '#d13212', P2: '#ff7f0e', P3: '#1f77b4' } as const;

function thresholdOf({ name, severity, condition }: AlarmRow): HorizontalAnnotation[] {
  if (condition.kind === 'band') return [];
  return [{ value: condition.threshold, label: `${severity} ${name}`, color: colors[severity] }];
}

function rowsOf(widgets: readonly IWidget[]): IWidget[][] {
  const inRow = wholeWidth / graphWidth;
  return Array.from({ length: Math.ceil(widgets.length / inRow) }, (_, row) =>
    widgets.slice(row * inRow, (row + 1) * inRow),
  );
}
