import { type MetricDefinition, type MetricName, metricCatalogue } from '../../lambdas/shared/metric-catalogue.ts';
import { fromMetric, inDays, inMilliseconds, inPercent, inSeconds, toMetric } from '../../lib/runbook/measure.ts';
import { settingsCatalogue } from '../../lib/runbook/settings-catalogue.ts';
import { signalFor, signalNames, type Term } from '../../lib/runbook/signals.ts';

const definitions: Readonly<Record<MetricName, MetricDefinition>> = metricCatalogue;
const all = signalNames.map(name => ({ name, ...signalFor(name) }));
const ownTerms = all.flatMap(({ name, terms }) =>
  Object.values(terms).flatMap((term: Term) => ('metric' in term ? [{ name, term }] : [])),
);

test('every metric that the functions put is part of a signal', () => {
  const used = new Set(ownTerms.map(({ term }) => term.metric));
  expect(Object.keys(definitions).filter(metric => !used.has(metric as MetricName))).toEqual([]);
});

test('every signal is made of metrics that the functions or AWS put, with values of their dimensions', () => {
  for (const { term } of ownTerms) {
    const definition = definitions[term.metric];
    expect(definition).toBeDefined();
    if (term.dimension !== undefined) expect(definition.dimension?.values).toContain(term.dimension);
  }
});

test.each(all)('$name leaves room for a minimum sample among the ten metrics of an alarm', ({ terms }) => {
  expect(Object.keys(terms).length).toBeGreaterThanOrEqual(1);
  expect(Object.keys(terms).length).toBeLessThanOrEqual(9);
});

test.each(all.filter(signal => signal.expression === undefined))(
  '$name is one metric, read with a statistic that it has',
  ({ terms, statistics }) => {
    expect(Object.keys(terms)).toHaveLength(1);
    const [term] = Object.values(terms);
    const fitting = { sum: /^Sum$/, gauge: /^(Average|Maximum)$/, distribution: /^p\d+$/, none: /^$/ }[statistics];
    expect(term?.statistic).toMatch(fitting);
  },
);

test.each(all.filter(signal => signal.expression === undefined))(
  '$name is in the unit of its metric',
  ({ terms, measure }) => {
    const [term] = Object.values(terms);
    if (!term || !('metric' in term)) return;
    const unit = { Percent: [inPercent], Milliseconds: [inMilliseconds], Seconds: [inSeconds], Count: undefined }[
      definitions[term.metric].unit
    ];
    if (unit) expect(unit).toContain(measure);
    else expect([inPercent, inMilliseconds, inSeconds]).not.toContain(measure);
  },
);

test.each(all.filter(signal => signal.expression !== undefined))(
  '$name is computed of exactly its terms and figures of the settings',
  ({ terms, expression = '', statistics }) => {
    expect(statistics).toBe('none');
    const figures = [...expression.matchAll(/\{(\w+)\}/g)].map(match => match[1]);
    for (const figure of figures) expect(settingsCatalogue.map(({ field }) => String(field))).toContain(figure);
    const words = new Set(expression.replaceAll(/\{\w+\}/g, '').match(/\b[a-z]\w*\b/g));
    expect([...words].toSorted()).toEqual(Object.keys(terms).toSorted());
    // "MetricDataQuery" in the CloudWatch API reference: ids begin with a lower-case letter.
    for (const id of Object.keys(terms)) expect(id).toMatch(/^[a-z][A-Za-z0-9_]*$/);
  },
);

test('a signal tells why missing data is read as it is', () => {
  for (const { missing } of all) expect(missing.because.length).toBeGreaterThan(20);
});

test('silence of what tells that the service lives is a failure', () => {
  const alive = all.filter(({ liveness }) => liveness);
  expect(alive.map(({ name }) => name)).toEqual(['CensusRuns', 'ProbeSuccess']);
  for (const { missing } of alive) expect(missing.as).toBe('breaching');
});

test('what fills gaps says so, unless it only fills beside what is always there', () => {
  for (const { name, expression, filled } of all) {
    if (name === 'RequestQuotaUsed') expect(expression).not.toContain('FILL(messages');
    else expect(expression?.includes('FILL(') ?? false).toBe(filled ?? false);
  }
});

/** Computes the part of metric math that the signals use, for one period. */
function compute(name: (typeof signalNames)[number], values: Readonly<Record<string, number>>, period = 60): number {
  const { expression = '' } = signalFor(name);
  const ids = Object.keys(values);
  const body = expression.replaceAll('{requestQuotaShare}', '0.2').replaceAll('{fanOutConcurrency}', '5');
  const evaluate = new Function(...ids, 'IF', 'MAX', 'FILL', 'PERIOD', `return ${body};`);
  return evaluate(
    ...Object.values(values),
    (condition: boolean, yes: number, no: number) => (condition ? yes : no),
    (list: number[]) => Math.max(...list),
    (value: number) => value,
    () => period,
  );
}

describe('shares', () => {
  const lost = { abnormal: 4, idle: 1, evicted: 3, server: 2 };

  test.each([
    ['some of those that stay', { ...lost, active: 100 }, 60, 10],
    ['over five minutes', { ...lost, active: 100 }, 300, 2],
    ['all', { ...lost, active: 0 }, 60, 100],
    ['more than stay', { ...lost, active: 5 }, 60, 100],
    ['none of none', { abnormal: 0, idle: 0, evicted: 0, server: 0, active: 0 }, 60, 0],
  ])('churn of %s', (_, values, period, percent) => {
    expect(compute('Churn', values, period)).toBe(percent);
  });

  test.each([
    ['AbnormalCloseRate', { abnormal: 3, active: 100 }, 3],
    ['AbnormalCloseRate', { abnormal: 3, active: 0 }, 100],
    ['HeartbeatTimeoutRate', { timeouts: 0, active: 0 }, 0],
    ['ConnectionErrorRate', { errors: 1, opened: 3 }, 25],
    ['ConnectionErrorRate', { errors: 0, opened: 0 }, 0],
    ['ErrorRate', { errors: 2, accepted: 0 }, 100],
    ['ConcurrencyUsed', { concurrent: 4 }, 80],
    // 10,000 a second × 20 % × 60 s are 120,000.
    ['RequestQuotaUsed', { messages: 59_000, connects: 1_000 }, 50],
    ['StoreUsed', { connections: 2_400, subscriptions: 1_200_000, messages: 0, operations: 60 }, 50],
  ] as const)('%s of %j is %d %%', (name, values, percent) => {
    expect(compute(name, values)).toBeCloseTo(percent, 10);
  });
});

test.each([
  [inPercent, 0.07, 7, '7 %'],
  [inMilliseconds, 1_500, 1_500, '1500 ms'],
  [inSeconds, 120, 120, '2 min'],
  [inDays, 14 * 86_400, 14, '14 d'],
])('figures of runbooks become those of metrics and back', (measure, read, metric, written) => {
  expect(toMetric(measure, read)).toBe(metric);
  expect(fromMetric(measure, metric)).toBe(written);
});
