import fc from 'fast-check';
import { violationOf } from '../../lib/runbook/condition.ts';
import { readCondition } from '../../lib/runbook/condition-reader.ts';
import { inPercent, toMetric } from '../../lib/runbook/measure.ts';
import { readSignal } from '../../lib/runbook/signal-reference.ts';
import { rangeOf, signalFor, signalNames } from '../../lib/runbook/signals.ts';
import { readText } from './cell.ts';

const alarm = { defaultPeriods: 1, alarm: true };
const criterion = { defaultPeriods: 3, alarm: false };

/** Reads a signal and its condition from one text. */
const read = (text: string, rules = alarm) =>
  readText(text, (scanner, problems) => {
    const signal = readSignal(scanner, problems);
    return signal && readCondition(signal, scanner, rules, problems);
  });

const once = { periodSeconds: 60, periods: 1, datapoints: 1 };

test.each([
  [
    'Backlog > 5000',
    { ...once, kind: 'threshold', signal: 'Backlog', comparison: '>', threshold: 5_000, statistic: 'Average' },
  ],
  ['Backlog maximum >= 5000', { statistic: 'Maximum', comparison: '>=' }],
  ['DeliveryLatency > 1 s', { statistic: 'p95', threshold: 1_000 }],
  ['DeliveryLatency p99.9 > 250 ms', { statistic: 'p99.9', threshold: 250 }],
  ['ConnectionDrop > 2.5 %', { threshold: 2.5 }],
  ['ConnectionDrop > 7%', { threshold: 7 }],
  ['CertificateDaysLeft < 14 d', { threshold: 14 }],
  ['OldestMessageAge > 2 min for 2 of 3 min', { threshold: 120, statistic: undefined }],
  ['Errors > 10/min', { threshold: 10, statistic: 'Sum' }],
  ['Errors over 5 min > 10 / min', { threshold: 50, periodSeconds: 300 }],
  ['Errors over 5 min > 10', { threshold: 10, periodSeconds: 300, periods: 1 }],
  ['StoreThrottles > 6/min for 1 of 3 min', { threshold: 6, statistic: undefined }],
  ['Backlog > 10 for 5 min', { periods: 5, datapoints: 5 }],
  ['Backlog > 10 for 3 of 5 min', { periods: 5, datapoints: 3 }],
  ['Backlog over 5 min > 10 for 10 of 15 min', { periodSeconds: 300, periods: 3, datapoints: 2 }],
  ['Backlog > 10 for 24 h', { periods: 1_440 }],
  [
    'Churn >= 10 % when BaselineConnections >= 50',
    {
      threshold: 10,
      statistic: undefined,
      minimumSample: { signal: 'BaselineConnections', comparison: '>=', threshold: 50 },
    },
  ],
  [
    'Backlog outside 2 band for 15 min',
    {
      signal: 'Backlog',
      kind: 'band',
      deviations: 2,
      statistic: 'Average',
      periodSeconds: 60,
      periods: 15,
      datapoints: 15,
    },
  ],
  ['ConnectionDrop >= 100 %', { threshold: 100 }],
  ['ConnectionsUsed > 100 %', { threshold: 100 }],
  ['ConcurrencyUsed >= 150 %', { threshold: 150 }],
  ['CertificateDaysLeft < 0 d', { threshold: 0 }],
  ['Disconnects[reason=abnormal] > 1', { dimension: { name: 'Reason', value: 'abnormal' } }],
  ['Disconnects[Reason=drain] > 1', { dimension: { name: 'Reason', value: 'drain' } }],
])('%s is read', (text, expected) => {
  const { result, problems } = read(text);
  expect(problems).toEqual([]);
  expect(result).toMatchObject(expected);
});

test.each([
  ['Backlog', '8: nothing more; expected `>`, `>=`, `<` or `<=` and a figure or `outside 2 band`'],
  ['Backlog 5000', '9: `5000`; expected `>`, `>=`, `<` or `<=` and a figure or `outside 2 band`'],
  ['Backlog >', '10: nothing more; expected a whole number, such as `10000`'],
  ['Backlog > 5,000', '11: `5,000`; expected a whole number, such as `10000`'],
  ['Backlog > 5 s', '11: `5 s`; expected a whole number, such as `10000`'],
  ['ConnectionDrop > 20', '18: `20`; expected a percentage, such as `40 %`'],
  ['DeliveryLatency > 1', '19: `1`; expected a duration in ms, s or min, such as `500 ms`'],
  ['DeliveryLatency > 1.5 s', '19: `1.5 s`; expected a duration in ms, s or min, such as `500 ms`'],
  [
    'Backlog p95 > 1',
    '9: statistic `p95`; expected a statistic that `Backlog` has (average, maximum, minimum) or a comparison',
  ],
  ['Errors average > 1', '8: statistic `average`; expected a statistic that `Errors` has (sum) or a comparison'],
  [
    'ProbeLatency p100 > 1 s',
    '14: statistic `p100`; expected a statistic that `ProbeLatency` has (average, maximum, minimum, p50, p95 and other percentiles) or a comparison',
  ],
  [
    'Backlog maxmum > 1',
    '9: statistic `maxmum`; expected a statistic that `Backlog` has (average, maximum, minimum) or a comparison (did you mean maximum?)',
  ],
  [
    'Backlog constructor > 1',
    '9: statistic `constructor`; expected a statistic that `Backlog` has (average, maximum, minimum) or a comparison',
  ],
  [
    'Churn p95 > 1 %',
    '7: statistic `p95`; expected a comparison such as `> 10`: `Churn` is computed and has no statistic',
  ],
  ['Backlog over 90 s > 1', '14: `over 90 s`; expected whole minutes up to a day, such as `over 5 min`'],
  ['Backlog over 0 min > 1', '14: `over 0 min`; expected whole minutes up to a day, such as `over 5 min`'],
  ['Backlog > 1 for 5', '13: `for` `5`; expected `for 5 min` or `for 3 of 5 min`'],
  ['Backlog > 1 for 90 s', '13: `for 90 s`; expected a multiple of the period, which is 1 min'],
  ['Backlog over 5 min > 1 for 12 min', '24: `for 12 min`; expected a multiple of the period, which is 5 min'],
  ['Backlog > 1 for 6 of 5 min', '13: `for 6 of 5 min`; expected from 1 to 5 of 5 min'],
  ['Backlog > 1 for 0 of 5 min', '13: `for 0 of 5 min`; expected from 1 to 5 of 5 min'],
  ['Backlog > 1 for 0 min', '13: `for 0 min`; expected from 1 to 0 of 0 min'],
  ['Backlog > 1 for 2 d', '13: `for 2 d`; expected at most 1 d, the longest that CloudWatch looks back'],
  ['Backlog > 1/min', '11: a rate a minute of `Backlog`; expected a figure without `/min`: it counts no events'],
  ['Errors > 1/s', '10: `/s` after a figure; expected `/min`, or a figure alone'],
  ['Backlog > 1 fr 5 min', '13: `fr 5 min`; expected the end, `for …` or `when …` (did you mean for?)'],
  ['Backlog outside band', '17: `band`; expected the width of a band in standard deviations, such as `outside 2 band`'],
  ['Backlog outside 11 band', '9: a band of 11 standard deviations; expected more than 0 and at most 10'],
  [
    'Churn outside 2 band',
    '7: `outside 2 band`; expected a comparison with a figure: `Churn` is computed, a band is learned of one metric',
  ],
  [
    'Backlog outside 2 band when BaselineConnections > 5',
    '24: `when …` with a band; expected a band alone: it is learned of the signal as it is',
  ],
  [
    'StoreUsed > 90 % for 3 min',
    '18: `StoreUsed` in all of 3 periods; expected fewer of more, such as `for 3 of 5 min`: AWS puts `StoreUsed` late, and its newest period is 0 until then',
  ],
  [
    'GatewayErrors > 1',
    '18: `GatewayErrors` in all of 1 periods; expected fewer of more, such as `for 1 of 3 min`: AWS puts `GatewayErrors` late, and its newest period is 0 until then',
  ],
  [
    'Churn > 1 % when ConnectionDrop > 5 %',
    '18: `when ConnectionDrop`; expected the count of something, such as `when BaselineConnections >= 50`: it says how many there have to be',
  ],
  ['Backlog > 1 when Backlog > 5', '18: `when Backlog` on `Backlog` itself; expected another signal'],
  [
    'Backlog > 1 when PeakConnections',
    '33: nothing more; expected `when PeakConnections` with a comparison, such as `>= 50`',
  ],
  [
    'Churn > 5 % when ActiveConnections >= 50',
    '18: `when ActiveConnections` on `Churn`, which would be silent when everybody is gone; expected `when BaselineConnections`, which stays what it was',
  ],
  ...(
    [
      ['ConnectionDrop > 100 %', 'never'],
      ['ConnectionDrop >= 101 %', 'never'],
      ['ConnectionDrop < 120 %', 'always'],
      ['ConnectionDrop <= 100 %', 'always'],
      ['ConnectionDrop < 0 %', 'never'],
    ] as const
  ).map(([text, outcome]): [string, string] => [
    text,
    `16: \`${text.slice(15)}\`, which ${outcome} holds; expected a comparison that can hold and can fail: \`ConnectionDrop\` is from 0 % to 100 %`,
  ]),
  [
    'DeliveryLatency p95 >= 0 ms',
    '21: `>= 0 ms`, which always holds; expected a comparison that can hold and can fail: `DeliveryLatency` is never below 0 ms',
  ],
  [
    'Errors over 5 min < 0/min for 10 min',
    '19: `< 0`, which never holds; expected a comparison that can hold and can fail: `Errors` is never below 0',
  ],
  [
    'Churn > 5 % when BaselineConnections >= 0',
    '38: `>= 0`, which always holds; expected a comparison that can hold and can fail: `BaselineConnections` is never below 0',
  ],
  [
    'Disconnects[reason=abnormall] > 1',
    '20: `abnormall`; expected `Disconnects[reason=…]` with one of normal, abnormal, idle, evicted, expired, planned, drain, server (did you mean abnormal?)',
  ],
  [
    'Disconnects[reson=idle] > 1',
    '13: dimension `reson`; expected `Disconnects[reason=…]` with one of normal, abnormal, idle, evicted, expired, planned, drain, server (did you mean reason?)',
  ],
  ['Backlog[type=a] > 1', '8: `[type=a] > 1`; expected `Backlog` without a dimension: it has none'],
])('%s is answered with what was expected', (text, problem) => {
  const { result, problems } = read(text);
  expect(result).toBeUndefined();
  expect(problems).toEqual([problem]);
});

test('an unknown signal is answered with the nearest name', () => {
  expect(read('Backlogg > 1').problems).toEqual([
    '1: unknown signal `Backlogg`; expected the name of a signal (did you mean Backlog?)',
  ]);
});

test('all mistakes of a condition are found at once', () => {
  expect(
    read('Backlog p95 over 90 s > 5 % for 90 s when Churn > 1 %').problems.map(problem => problem.split(':')[0]),
  ).toEqual(['9', '18', '25', '43']);
});

test('a criterion holds for three periods where it does not say, and in each of them', () => {
  expect(read('Backlog < 10', criterion).result).toMatchObject({ periods: 3, datapoints: 3 });
  expect(read('StoreUsed < 50 %', criterion).problems).toEqual([]);
  expect(read('Backlog < 10 for 2 of 3 min', criterion).problems).toEqual([
    '14: `for 2 of 3 min`; expected `for 3 min`: it has to hold all the time',
  ]);
  expect(read('Backlog outside 2 band', criterion).problems).toEqual([
    '9: `outside 2 band`; expected a comparison with a figure',
  ]);
});

test.each([
  ['<', '>='],
  ['<=', '>'],
  ['>', '<='],
  ['>=', '<'],
])('a criterion with %s is violated by one period with %s', (comparison, opposite) => {
  const { result } = read(`Backlog ${comparison} 10 for 5 min`, criterion);
  if (result?.kind !== 'threshold') throw new Error('not read');
  expect(violationOf(result)).toEqual({ ...result, comparison: opposite, datapoints: 1 });
});

const windows = fc
  .record({ period: fc.integer({ min: 1, max: 30 }), periods: fc.integer({ min: 1, max: 48 }) })
  .chain(({ period, periods }) =>
    fc.record({
      period: fc.constant(period),
      periods: fc.constant(periods),
      datapoints: fc.integer({ min: 1, max: periods }),
    }),
  );

test('every condition that can be written is read as it was written', () => {
  fc.assert(
    fc.property(
      windows,
      fc.constantFrom('>', '>=', '<', '<='),
      fc.integer({ min: 1, max: 1e9 }),
      fc.boolean(),
      ({ period, periods, datapoints }, comparison, figure, rate) => {
        const text = `Errors sum over ${period} min ${comparison} ${figure}${rate ? '/min' : ''} for ${datapoints * period} of ${periods * period} min`;
        const { result, problems } = read(text);
        expect(problems).toEqual([]);
        expect(result).toEqual({
          kind: 'threshold',
          signal: 'Errors',
          statistic: 'Sum',
          comparison,
          threshold: rate ? figure * period : figure,
          periodSeconds: period * 60,
          periods,
          datapoints,
        });
      },
    ),
  );
});

test('every percentage keeps its decimal figure', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9_999 }), hundredths => {
      const { result } = read(`ConnectionDrop > ${hundredths / 100} %`);
      expect(result).toMatchObject({ threshold: hundredths / 100 });
    }),
  );
});

test.each(signalNames)('%s > F says something exactly where F is below the most, and >= F above the least', name => {
  const { least, most } = rangeOf(name);
  const { measure } = signalFor(name);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), figure => {
      const written = measure === inPercent ? `${figure} %` : measure.quantity.format(figure);
      const metric = toMetric(measure, measure.quantity.parse(written) ?? Number.NaN);
      const rules = { defaultPeriods: 1, alarm: false };
      expect(read(`${name} > ${written}`, rules).result !== undefined).toBe(metric < most);
      expect(read(`${name} >= ${written}`, rules).result !== undefined).toBe(metric > least && metric <= most);
    }),
    { numRuns: 30 },
  );
});

test('a text is a condition, or is answered with mistakes that lie in it', () => {
  const piece = fc.constantFrom(
    '>',
    '<=',
    '5',
    '10 %',
    '1 s',
    '/min',
    'p95',
    'over',
    'for',
    'of',
    'when',
    'min',
    'outside',
    'band',
    '5 min',
    'Churn',
    '[',
    ' ',
    '"',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 4 })), { maxLength: 8 }), pieces => {
      const text = `Backlog ${pieces.join(' ')}`;
      const { result, problems } = read(text);
      expect(result === undefined).toBe(problems.length > 0);
      for (const problem of problems) {
        const column = Number(problem.split(':')[0]);
        expect(column).toBeGreaterThanOrEqual(1);
        expect(column).toBeLessThanOrEqual(text.length + 1);
      }
    }),
  );
});
