import type { Resource } from '../../../local/assembly/resource.ts';
import { Aggregate } from '../../../local/cloudwatch/aggregate.ts';
import { Alarms } from '../../../local/cloudwatch/alarms.ts';
import { MetricStore } from '../../../local/cloudwatch/metric-store.ts';
import { alarm, composite, resource } from './template.ts';

const start = Date.UTC(2026, 10, 22);
const minute = 60_000;
const topic = 'arn:aws:sns:eu-central-1:123456789012:page';
const okTopic = 'arn:aws:sns:eu-central-1:123456789012:calm';

type Points = readonly (number | null)[];

/** The alarms of a template with a clock of their own: a minute passes with each `after`. */
class Minutes {
  readonly store = new MetricStore();
  readonly alarms: Alarms;
  now = start;
  /** `<alarm>: <state>` and what keeps its actions back, of each transition. */
  readonly transitions: string[] = [];
  /** `<alarm> → <topic>` */
  readonly actions: string[] = [];

  constructor(...resources: Resource[]) {
    this.alarms = new Alarms(resources, { metrics: this.store, startedAt: start });
  }

  put(name: string, value: number, at = this.now, more: object = {}): void {
    const samples = Aggregate.of(value);
    this.store.put({ namespace: 'test', name, dimensions: {}, timestamp: at, unit: 'None', samples, ...more });
  }

  /** Lets a minute pass in which the metrics had these values. */
  after(metrics: Readonly<Record<string, number | null>>): this {
    for (const [name, value] of Object.entries(metrics)) if (value !== null) this.put(name, value);
    this.now += minute;
    return this.evaluate();
  }

  evaluate(): this {
    const { transitions, actions } = this.alarms.evaluateAt(this.now);
    for (const { alarm, current, mute } of transitions)
      this.transitions.push(
        [`${alarm.name}: ${current.state}`, current.suppressedBy, mute && 'muted'].filter(Boolean).join(' '),
      );
    for (const { alarm, targets } of actions)
      this.actions.push(...targets.map(target => `${alarm.name} → ${target.split(':').at(-1)}`));
    return this;
  }

  /** The state after each minute of one metric. */
  states(name: string, points: Points, metric = 'Errors'): string[] {
    return points.map(value => this.after({ [metric]: value }).alarms.status(name).state);
  }
}

describe('a metric alarm', () => {
  it('fires above its threshold, not at it, and clears', () => {
    expect(new Minutes(alarm('a')).states('a', [5, 6, 5])).toEqual(['OK', 'ALARM', 'OK']);
  });

  it('needs M of the last N minutes', () => {
    const minutes = new Minutes(alarm('a', { EvaluationPeriods: 3, DatapointsToAlarm: 2 }));
    expect(minutes.states('a', [0, 0, 9, 0, 9, 0, 0])).toEqual(['OK', 'OK', 'OK', 'OK', 'ALARM', 'OK', 'OK']);
  });

  it('knows nothing before there is data, and again once it is gone', () => {
    const minutes = new Minutes(alarm('a'));
    expect(minutes.states('a', [null, 0, null, null, null])).toEqual([
      'INSUFFICIENT_DATA',
      'OK',
      'OK',
      'OK',
      'INSUFFICIENT_DATA',
    ]);
  });

  it('always ignores missing data of DynamoDB', () => {
    const minutes = new Minutes(alarm('a', { Namespace: 'AWS/DynamoDB', TreatMissingData: 'breaching' }));
    expect(minutes.states('a', [null, null, null, null])).toEqual(new Array(4).fill('INSUFFICIENT_DATA'));
  });

  it('looks at the last minutes of a longer period each minute', () => {
    const minutes = new Minutes(alarm('a', { Period: 180, Threshold: 5 }));
    expect(minutes.states('a', [2, 2, 2, 0])).toEqual(['OK', 'OK', 'ALARM', 'OK']);
  });

  it('looks every 10 seconds at a period of 10 seconds', () => {
    const minutes = new Minutes(alarm('a', { Period: 10 }));
    expect(minutes.alarms.intervalMs).toBe(10_000);
    minutes.put('Errors', 9, start + 3_000, { resolution: 1 });
    minutes.now = start + 10_000;
    expect(minutes.evaluate().alarms.status('a').state).toBe('ALARM');
  });

  it('does not judge a percentile of too few samples where it is told so', () => {
    const p99 = { Statistic: undefined, ExtendedStatistic: 'p99', EvaluateLowSampleCountPercentile: 'ignore' };
    const minutes = new Minutes(alarm('a', p99));
    expect(minutes.states('a', [9])).toEqual(['INSUFFICIENT_DATA']);
    minutes.put('Errors', 9, minutes.now, { samples: Aggregate.of(9, 1_000) });
    expect(minutes.states('a', [null])).toEqual(['ALARM']);
  });

  it('says why, in the words of CloudWatch', () => {
    const minutes = new Minutes(
      alarm('a', { EvaluationPeriods: 3, DatapointsToAlarm: 2, TreatMissingData: 'breaching' }),
    );
    minutes.states('a', [null]);
    expect(minutes.alarms.status('a').reason).toBe(
      'Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as [Breaching].',
    );
    minutes.states('a', [0, 0, 0, 7, 8]);
    const { reason, reasonData } = minutes.alarms.status('a');
    expect(reason).toBe(
      'Threshold Crossed: 2 out of the last 3 datapoints [8.0 (22/11/26 00:05:00), 7.0 (22/11/26 00:04:00)] ' +
        'were greater than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition).',
    );
    expect(reasonData).toMatchObject({ recentDatapoints: [0, 7, 8], threshold: 5, period: 60, statistic: 'Sum' });
  });
});

describe('metric math', () => {
  const stat = (Id: string, MetricName: string) => ({
    Id,
    ReturnData: false,
    MetricStat: { Metric: { Namespace: 'test', MetricName }, Period: 60, Stat: 'Sum' },
  });
  const rate = (Expression: string) => [stat('e', 'Errors'), stat('r', 'Requests'), { Id: 'x', Expression }];

  it('alarms on a share, with a minimum of samples', () => {
    const share = alarm('a', { Metrics: rate('IF(r >= 10, 100 * e / r, 0)') });
    const minutes = new Minutes(share);
    const states = [
      [1, 2],
      [1, 10],
      [0, 0],
    ].map(([Errors = 0, Requests = 0]) => minutes.after({ Errors, Requests }).alarms.status('a').state);
    expect(states).toEqual(['OK', 'ALARM', 'OK']);
  });

  it('has no data point where the divisor is 0', () => {
    const minutes = new Minutes(alarm('a', { Metrics: rate('100 * e / r'), TreatMissingData: 'breaching' }));
    expect(minutes.after({ Errors: 0, Requests: 0 }).alarms.status('a').state).toBe('ALARM');
  });

  it.each([
    ['SEARCH("x", "Sum", 60)', 'does not run the function SEARCH'],
    ['e / q', 'there is no query with the id q'],
    ['MAX(e)', 'an alarm is about one time series'],
    ['METRICS()', 'an alarm is about one time series'],
  ])('%s is an error at the start that names the alarm', (expression, message) => {
    expect(() => new Minutes(alarm('a', { Metrics: rate(expression) }))).toThrow(
      expect.objectContaining({ message: expect.stringMatching(new RegExp(`^s\\.a .*${message}`)) }),
    );
  });
});

describe('an anomaly alarm', () => {
  const band = alarm('a', {
    Threshold: undefined,
    ThresholdMetricId: 'band',
    ComparisonOperator: 'LessThanLowerOrGreaterThanUpperThreshold',
    Metrics: [
      { Id: 'm', MetricStat: { Metric: { Namespace: 'test', MetricName: 'Load' }, Period: 60, Stat: 'Average' } },
      { Id: 'band', Expression: 'ANOMALY_DETECTION_BAND(m, 3)' },
    ],
  });
  const usual = Array.from({ length: 30 }, (_, index) => 100 + (index % 5));

  it('fires outside its band on both sides, and not inside', () => {
    const minutes = new Minutes(band);
    const states = minutes.states('a', [...usual, 103, 130, 102, 60], 'Load');
    expect(states.slice(usual.length)).toEqual(['OK', 'ALARM', 'OK', 'ALARM']);
  });

  it('has no band before there is enough to learn from', () => {
    expect(new Minutes(band).states('a', [1, 100, 1], 'Load')).toEqual(new Array(3).fill('INSUFFICIENT_DATA'));
  });
});

describe('a composite alarm', () => {
  const high = alarm('high', { Threshold: 50, AlarmActions: [topic] });
  const low = alarm('low', { Threshold: 5 });

  it('follows its rule, with the state of what it names', () => {
    const minutes = new Minutes(high, low, composite('both', 'ALARM("low") AND NOT ALARM("high")'));
    const states = [0, 9, 90, 9].map(value => minutes.after({ Errors: value }).alarms.status('both').state);
    expect(states).toEqual(['OK', 'ALARM', 'OK', 'ALARM']);
    expect(minutes.alarms.status('both').reason).toContain('alarm:high transitioned to OK at Sunday 22 November, 2026');
  });

  it('comes after those that it names, in whichever order the template has them', () => {
    const minutes = new Minutes(composite('outer', 'ALARM(inner)'), composite('inner', 'ALARM(low)'), low);
    expect(minutes.states('outer', [9])).toEqual(['ALARM']);
  });

  it.each([
    [[composite('a', 'ALARM(b)'), composite('b', 'OK(a)')], 'depends on its own state'],
    [[composite('a', 'ALARM(gone)')], 'gone is not an alarm of the template'],
    [
      [
        composite('a', 'TRUE', {
          ActionsSuppressor: 'gone',
          ActionsSuppressorWaitPeriod: 0,
          ActionsSuppressorExtensionPeriod: 0,
        }),
      ],
      'gone is not an alarm of the template',
    ],
    [[low, composite('a', 'TRUE', { ActionsSuppressor: 'low' })], 'needs ActionsSuppressorWaitPeriod'],
    [[low, composite('low', 'TRUE')], 'another alarm has this name'],
  ])('is refused where it cannot work (%#)', (resources, message) => {
    expect(() => new Minutes(...resources)).toThrow(message);
  });
});

describe('a suppressor', () => {
  const maintenance = alarm('maintenance', { MetricName: 'Maintenance', Threshold: 0 });
  const service = alarm('errors');
  const paged = composite('paged', 'ALARM("errors")', {
    AlarmActions: [topic],
    OKActions: [okTopic],
    ActionsSuppressor: 'maintenance',
    ActionsSuppressorWaitPeriod: 120,
    ActionsSuppressorExtensionPeriod: 120,
  });
  const run = (errors: Points, maintained: Points) => {
    const minutes = new Minutes(maintenance, service, paged);
    minutes
      .after({ Errors: 0, Maintenance: 0 })
      .after({ Errors: 0, Maintenance: 0 })
      .after({ Errors: 0, Maintenance: 0 });
    minutes.transitions.length = 0;
    minutes.actions.length = 0;
    errors.forEach((value, index) => {
      minutes.after({ Errors: value, Maintenance: maintained[index] ?? 0 });
    });
    return {
      actions: minutes.actions,
      changes: minutes.transitions.filter(change => change.startsWith('paged')),
    };
  };

  it('is waited for, then the actions are carried out', () => {
    expect(run([9, 9, 9, 9], [])).toEqual({
      changes: ['paged: ALARM WaitPeriod', 'paged: ALARM'],
      actions: ['paged → page'],
    });
  });

  it('keeps the actions back while it is in ALARM and for the extension after', () => {
    expect(run([9, 9, 9, 9, 9, 9], [0, 1, 1, 0, 0, 0])).toEqual({
      changes: ['paged: ALARM WaitPeriod', 'paged: ALARM Alarm', 'paged: ALARM ExtensionPeriod', 'paged: ALARM'],
      actions: ['paged → page'],
    });
  });

  it('leaves no action of a state that passed meanwhile', () => {
    expect(run([9, 9, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0]).actions).toEqual([]);
  });
});

describe('a mute rule', () => {
  const mute = (AlarmNames: string[], more: object = {}) =>
    resource('Quiet', 'AWS::CloudWatch::AlarmMuteRule', {
      Name: 'quiet',
      Rule: { Schedule: { Expression: 'cron(2 0 * * *)', Duration: 'PT3M' } },
      MuteTargets: { AlarmNames },
      ...more,
    });
  const loud = alarm('loud', { AlarmActions: [topic], OKActions: [okTopic] });

  it('keeps actions back, and lets those go at its end whose state is still there', () => {
    const minutes = new Minutes(loud, mute(['loud']));
    minutes.states('loud', [0, 9, 9]);
    expect(minutes.transitions).toEqual(['loud: OK', 'loud: ALARM muted']);
    expect(minutes.actions).toEqual(['loud → calm']);
    minutes.states('loud', [9, 9]);
    expect(minutes.actions).toEqual(['loud → calm', 'loud → page']);
  });

  it('lets nothing go at its end where the state is what it was before', () => {
    const minutes = new Minutes(loud, mute(['loud']));
    minutes.states('loud', [0, 9, 0, 0, 0, 0]);
    expect(minutes.actions).toEqual(['loud → calm']);
  });

  it('mutes the alarms that it names, between its dates', () => {
    expect(() => new Minutes(mute(['gone']))).toThrow('gone is not an alarm of the template');
    const minutes = new Minutes(loud, mute(['loud'], { ExpireDate: '2026-11-22T00:01:00' }));
    minutes.states('loud', [0, 9]);
    expect(minutes.actions).toEqual(['loud → calm', 'loud → page']);
  });
});

it('carries out no actions where they are switched off', () => {
  const minutes = new Minutes(alarm('a', { ActionsEnabled: false, AlarmActions: [topic] }));
  minutes.states('a', [9]);
  expect(minutes.actions).toEqual([]);
});

it.each<[properties: Record<string, unknown>, message: string]>([
  [{ Threshold: undefined }, 'either Threshold or ThresholdMetricId is needed'],
  [{ Period: 90 }, '10, 20, 30 or a multiple of 60'],
  [{ EvaluationPeriods: 2, DatapointsToAlarm: 3 }, '3 is more than the 2 periods'],
  [{ Period: 300, EvaluationPeriods: 289 }, '289 × 300 s is more than 86400 s'],
  [{ Statistic: undefined }, 'either Statistic or ExtendedStatistic is needed'],
  [{ Statistic: undefined, ExtendedStatistic: 'tm99' }, 'the statistic tm99 is not run'],
  [{ AlarmActions: new Array(6).fill(topic) }, 'AlarmActions'],
  [{ AlarmActions: ['arn:aws:lambda:eu-central-1:123456789012:function:f'] }, 'only topics are run as actions'],
  [{ AlarmDescription: 'x'.repeat(1025) }, 'AlarmDescription'],
  [{ ComparisonOperator: 'GreaterThanUpperThreshold' }, 'goes with the other kind of threshold'],
  [{ WarmUpConfiguration: {} }, 'the local environment does not run it'],
])('refuses what CloudWatch refuses or what is not run: %j', (properties, message) => {
  expect(() => new Minutes(alarm('a', properties))).toThrow(
    expect.objectContaining({ message: expect.stringContaining(`s.a (AWS::CloudWatch::Alarm)`) }),
  );
  expect(() => new Minutes(alarm('a', properties))).toThrow(message);
});
