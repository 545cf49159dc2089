import fc from 'fast-check';
import {
  type AlarmState,
  type Datapoint,
  evaluate,
  evaluationRange,
  type MissingData,
} from '../../../local/cloudwatch/evaluation.ts';

const points = (text: string): Datapoint[] =>
  text.split(' ').map(sign => ({ '0': false, X: true, '-': undefined })[sign]);

const stays = undefined;
const treatments = ['missing', 'ignore', 'breaching', 'notBreaching'] as const;

const outcome = (text: string, datapointsToAlarm: number, treatMissingData: MissingData) =>
  evaluate(points(text), { evaluationPeriods: 3, datapointsToAlarm, treatMissingData });

// "Configuring how CloudWatch alarms treat missing data": N is 3, the evaluation range 5, the newest data point right.
it.each<[m: number, points: string, ...states: (AlarmState | undefined)[]]>([
  [3, '0 - X - X', 'OK', 'OK', 'OK', 'OK'],
  [3, '0 - - - -', 'OK', 'OK', 'OK', 'OK'],
  [3, '- - - - -', 'INSUFFICIENT_DATA', stays, 'ALARM', 'OK'],
  [3, '0 X X - X', 'ALARM', 'ALARM', 'ALARM', 'ALARM'],
  [3, '- - X - -', 'ALARM', stays, 'ALARM', 'OK'],
  [2, '0 - X - X', 'ALARM', 'ALARM', 'ALARM', 'ALARM'],
  [2, '0 0 X 0 X', 'ALARM', 'ALARM', 'ALARM', 'ALARM'],
  [2, '0 - X - -', 'OK', 'OK', 'ALARM', 'OK'],
  [2, '- - - - 0', 'OK', 'OK', 'ALARM', 'OK'],
  [2, '- - - X -', 'ALARM', stays, 'ALARM', 'OK'],
])('%i of 3, %s: %s, %s, %s, %s', (m, text, ...states) => {
  expect(treatments.map(treatment => outcome(text, m, treatment))).toEqual(states);
});

it.each(['- - - - X', '- - - X -', '- - - X 0', '- - X - 0'])('%s is too early for an ALARM of 3 of 3', text => {
  expect(outcome(text, 3, 'missing')).not.toBe('ALARM');
  expect(outcome(text, 3, 'ignore')).not.toBe('ALARM');
});

it('looks at 5 data points for N = 3', () => {
  expect(evaluationRange(3)).toBe(5);
});

const sign = fc.constantFrom<Datapoint>(true, false, undefined);
const criteria = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
  .map(([a, b]) => ({ evaluationPeriods: Math.max(a, b), datapointsToAlarm: Math.min(a, b) }));
const runs = criteria.chain(each =>
  fc.tuple(
    fc.constant(each),
    fc.array(sign, {
      minLength: evaluationRange(each.evaluationPeriods),
      maxLength: evaluationRange(each.evaluationPeriods),
    }),
  ),
);

it('treats missing data not at all where there is enough data', () => {
  fc.assert(
    fc.property(runs, ([each, list]) => {
      fc.pre(list.filter(point => point !== undefined).length >= each.evaluationPeriods);
      const states = treatments.map(treatMissingData => evaluate(list, { ...each, treatMissingData }));
      expect(new Set(states).size).toBe(1);
    }),
  );
});

it('never becomes calmer when missing data counts as breaching, never more alarmed when it counts as good', () => {
  fc.assert(
    fc.property(runs, fc.constantFrom(...treatments), ([each, list], treatMissingData) => {
      const state = evaluate(list, { ...each, treatMissingData });
      if (state === 'ALARM') expect(evaluate(list, { ...each, treatMissingData: 'breaching' })).toBe('ALARM');
      if (evaluate(list, { ...each, treatMissingData: 'notBreaching' }) === 'ALARM') expect(state).toBe('ALARM');
    }),
  );
});

it('never alarms without a breach, unless missing data is one', () => {
  fc.assert(
    fc.property(
      runs,
      fc.constantFrom('missing', 'ignore', 'notBreaching' as const),
      ([each, list], treatMissingData) => {
        fc.pre(!list.includes(true));
        expect(evaluate(list, { ...each, treatMissingData })).not.toBe('ALARM');
      },
    ),
  );
});
