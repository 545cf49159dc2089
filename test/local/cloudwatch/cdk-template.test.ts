import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Duration, Stack } from 'aws-cdk-lib';
import {
  Alarm,
  AlarmMuteRule,
  AlarmRule,
  AlarmState,
  AnomalyDetectionAlarm,
  CompositeAlarm,
  Dashboard,
  GraphWidget,
  MathExpression,
  Metric,
  ScheduleExpression,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { readAssembly } from '../../../local/assembly/assembly.ts';
import { Alarms } from '../../../local/cloudwatch/alarms.ts';
import { readDashboards } from '../../../local/cloudwatch/dashboards.ts';
import { identities } from '../../../local/cloudwatch/identities.ts';
import { MetricStore } from '../../../local/cloudwatch/metric-store.ts';
import { identities as kmsIdentities, readKeys } from '../../../local/kms/keys.ts';
import { identities as snsIdentities } from '../../../local/sns/identities.ts';

it('runs the alarms, mute rules, keys and dashboards that CDK writes', () => {
  const outdir = mkdtempSync(join(tmpdir(), 'cloudwatch-'));
  try {
    const app = new App({ outdir });
    const stack = new Stack(app, 'Observability', { env: { region: 'eu-central-1', account: '123456789012' } });
    const metric = (metricName: string) =>
      new Metric({
        namespace: 'Steadysocket',
        metricName,
        dimensionsMap: { Service: 'chat' },
        period: Duration.minutes(1),
      });
    const topic = new Topic(stack, 'Topic', {
      masterKey: new Key(stack, 'Key', { enableKeyRotation: true, alias: 'pages' }),
    });
    const share = new MathExpression({
      expression: 'IF(all > 0, 100 * failed / all, 0)',
      usingMetrics: { failed: metric('Failed'), all: metric('All') },
      period: Duration.minutes(1),
    });
    const failing = new Alarm(stack, 'Failing', {
      alarmName: 'failing',
      metric: share,
      threshold: 5,
      evaluationPeriods: 3,
      datapointsToAlarm: 2,
      treatMissingData: TreatMissingData.BREACHING,
    });
    failing.addAlarmAction(new SnsAction(topic));
    const slow = new Alarm(stack, 'Slow', {
      metric: metric('Latency').with({ statistic: 'p95' }),
      threshold: 1000,
      evaluationPeriods: 1,
      evaluateLowSampleCountPercentile: 'ignore',
    });
    new AnomalyDetectionAlarm(stack, 'Unusual', { metric: metric('Load'), stdDevs: 2, evaluationPeriods: 5 });
    const any = new CompositeAlarm(stack, 'Any', {
      compositeAlarmName: 'any',
      alarmRule: AlarmRule.allOf(
        AlarmRule.anyOf(failing, AlarmRule.fromAlarm(slow, AlarmState.ALARM)),
        AlarmRule.not(AlarmRule.fromBoolean(false)),
      ),
      actionsSuppressor: slow,
    });
    new AlarmMuteRule(stack, 'Quiet', {
      alarmMuteRuleName: 'quiet',
      alarms: [failing],
      schedule: ScheduleExpression.cron({ minute: '0', hour: '22' }),
      duration: Duration.hours(8),
    });
    new Dashboard(stack, 'Board', {
      dashboardName: 'chat',
      widgets: [[new GraphWidget({ left: [metric('Load')] })]],
    });
    app.synth();
    expect(any.alarmName).toBeDefined();

    const { resources, place } = readAssembly(outdir, { ...identities, ...kmsIdentities, ...snsIdentities });
    const alarms = new Alarms(resources, { metrics: new MetricStore(), startedAt: 0 });
    expect(alarms.all.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['failing', 'any', expect.stringContaining('Slow'), expect.stringContaining('Unusual')]),
    );
    alarms.evaluateAt(60_000);
    expect(alarms.status('any').state).toBe('ALARM');
    expect(alarms.muteAt('failing', Date.parse('2026-11-22T23:00Z'))?.rule.name).toBe('quiet');
    expect(readDashboards(resources, place).map(({ name }) => name)).toEqual(['chat']);
    readKeys(resources, { authorize: async () => {} });
  } finally {
    rmSync(outdir, { recursive: true });
  }
});
