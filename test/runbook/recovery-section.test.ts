import { broken, marked, mistakes, rowOf } from './mistakes.ts';

const row = rowOf('Backlog');

test.each([
  [
    'an unknown signal',
    '| «Backlg | < 100 |',
    'unknown signal `Backlg`; expected the name of a signal (did you mean Backlog?)',
  ],
  [
    'a condition beside the signal',
    '| Backlog «< 100 | < 100 |',
    '`< 100`; expected a signal alone; what it is compared with stands under `Condition`',
  ],
  [
    'M of N',
    '| Backlog | < 100 «for 2 of 3 min |',
    '`for 2 of 3 min`; expected `for 3 min`: it has to hold all the time',
  ],
  ['a band', '| Backlog | «outside 2 band |', '`outside 2 band`; expected a comparison with a figure'],
])('%s is reported where it stands', (_, replacement, message) => {
  const text = broken(row, replacement);
  expect(mistakes(text)).toEqual([`${marked(text)}: ${message}`]);
});

test('without a criterion that shows that the service lives, silence would be recovery', () => {
  const text = broken(`${rowOf('ProbeSuccess')}\n`, '');
  expect(mistakes(text)).toEqual([
    '60:1: a table that a dead service would meet; expected a criterion of `CensusRuns` or `ProbeSuccess`, so that silence is not taken for recovery',
  ]);
});

test('a misspelt criterion of liveness is reported once', () => {
  expect(mistakes(broken('| ProbeSuccess |', '| ProbeSucess |'))).toHaveLength(1);
});
