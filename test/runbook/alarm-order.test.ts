import fc from 'fast-check';
import { contradictions } from '../../lib/runbook/alarm-order.ts';
import type { Comparison, ThresholdCondition } from '../../lib/runbook/condition.ts';
import { type Severity, severities } from '../../lib/runbook/severity.ts';

interface Figures {
  readonly severity: Severity;
  readonly comparison?: Comparison;
  readonly threshold: number;
  readonly periods?: number;
  readonly datapoints?: number;
}

const alarm = (
  { severity, comparison = '>', threshold, periods = 5, datapoints = periods }: Figures,
  index: number,
) => {
  const condition: ThresholdCondition = {
    kind: 'threshold',
    signal: 'Backlog',
    statistic: 'Average',
    comparison,
    threshold,
    periodSeconds: 60,
    periods,
    datapoints,
  };
  return { name: `Alarm${index}`, severity, condition, text: `Backlog ${comparison} ${threshold}` };
};

const found = (...figures: Figures[]) => contradictions(figures.map(alarm)).map(({ index }) => index);

test.each<[string, Figures, Figures, number[]]>([
  ['a warning below the critical figure', { severity: 'P2', threshold: 500 }, { severity: 'P1', threshold: 1_000 }, []],
  [
    'a warning above the critical figure',
    { severity: 'P2', threshold: 1_000 },
    { severity: 'P1', threshold: 500 },
    [0],
  ],
  ['a warning at the critical figure', { severity: 'P2', threshold: 500 }, { severity: 'P1', threshold: 500 }, [0]],
  ['for a shorter time', { severity: 'P2', threshold: 500, periods: 1 }, { severity: 'P1', threshold: 500 }, []],
  [
    'a second window',
    { severity: 'P2', threshold: 900, periods: 1 },
    { severity: 'P1', threshold: 500, periods: 30 },
    [],
  ],
  [
    'less is worse',
    { severity: 'P2', comparison: '<', threshold: 99 },
    { severity: 'P1', comparison: '<', threshold: 95 },
    [],
  ],
  [
    'less is worse, turned round',
    { severity: 'P2', comparison: '<', threshold: 95 },
    { severity: 'P1', comparison: '<', threshold: 99 },
    [0],
  ],
  ['at least and above', { severity: 'P2', threshold: 5 }, { severity: 'P1', comparison: '>=', threshold: 5 }, [0]],
  ['above and at least', { severity: 'P2', comparison: '>=', threshold: 5 }, { severity: 'P1', threshold: 5 }, []],
  ['too much and too little', { severity: 'P2', threshold: 5 }, { severity: 'P1', comparison: '<', threshold: 9 }, []],
  ['the same twice', { severity: 'P2', threshold: 5 }, { severity: 'P2', threshold: 5 }, [1]],
])('%s', (_, first, second, expected) => {
  expect(found(first, second)).toEqual(expected);
});

test('is told with the names of both', () => {
  const alarms = [{ severity: 'P2', threshold: 1_000 } as const, { severity: 'P1', threshold: 500 } as const].map(
    alarm,
  );
  expect(contradictions(alarms)).toEqual([
    {
      index: 0,
      read: '`Alarm0` (P2) fires only when `Alarm1` (P1) does',
      expected: 'a milder condition than `Backlog > 500` for the milder severity',
    },
  ]);
});

test('an alarm that is never alone is found, and no other', () => {
  const anyFigures = fc.record({
    severity: fc.constantFrom(...severities),
    comparison: fc.constantFrom<Comparison>('>', '>='),
    threshold: fc.integer({ min: 0, max: 3 }),
    periods: fc.constantFrom(1, 2, 3),
  });
  const values = [-1, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4];
  const series = values.flatMap(a => values.flatMap(b => values.map(c => [a, b, c])));
  const fires = ({ comparison = '>', threshold, periods = 1 }: Figures, points: readonly number[]) =>
    points.slice(-periods).every(point => (comparison === '>' ? point > threshold : point >= threshold));
  const moreSevere = (one: Figures, other: Figures) =>
    severities.indexOf(one.severity) < severities.indexOf(other.severity);
  fc.assert(
    fc.property(anyFigures, anyFigures, (first, second) => {
      fc.pre(moreSevere(second, first));
      const alone = series.some(points => fires(first, points) && !fires(second, points));
      expect(found(first, second)).toEqual(alone ? [] : [0]);
    }),
  );
});
