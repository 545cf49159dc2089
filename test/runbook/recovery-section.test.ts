import { broken, marked, mistakes, rowOf } from './mistakes.ts';

const row = rowOf('Backlog');

test.each([
  [
    'an unknown signal',
    '| «Backlg | < 100 |',
    'unknown signal `Backlg`; expected the name of a signal or `Person` (did you mean Backlog?)',
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
  [
    'a misspelt person',
    '| «Persn | Nobody sees an order twice |',
    'unknown signal `Persn`; expected the name of a signal or `Person` (did you mean Person?)',
  ],
  [
    'what always holds',
    '| CensusRuns | «>= 0 |',
    '`>= 0`, which always holds; expected a comparison that can hold and can fail: `CensusRuns` is never below 0',
  ],
  [
    'what never holds',
    '| Backlog | «< 0 for 5 min |',
    '`< 0`, which never holds; expected a comparison that can hold and can fail: `Backlog` is never below 0',
  ],
  [
    'a signal of liveness that is to be low',
    '| ProbeSuccess | «< 50 % |',
    '`< 50 %`, which a dead service meets; expected a figure that has to be reached, such as `> 0`: `ProbeSuccess` is 0 when nothing lives',
  ],
  ['a band', '| Backlog | «outside 2 band |', '`outside 2 band`; expected a comparison with a figure'],
])('%s is reported where it stands', (_, replacement, message) => {
  const text = broken(row, replacement);
  expect(mistakes(text)).toEqual([`${marked(text)}: ${message}`]);
});

test('without a criterion that shows that the service lives, silence would be recovery', () => {
  const text = broken(`${rowOf('ProbeSuccess')}\n`, '');
  expect(mistakes(text)).toEqual([
    '60:1: a table that a dead service would meet; expected a criterion of `CensusRuns` or `ProbeSuccess` without `when`, so that silence is not taken for recovery',
  ]);
});

test('a criterion of liveness that wants a minimum sample is met by a dead service, which has none', () => {
  const liveness = rowOf('ProbeSuccess');
  const text = broken(liveness, '| ProbeSuccess | >= 100 % when MessagesAccepted >= 5 |');
  expect(mistakes(text)).toEqual([expect.stringMatching(/^60:1: a table that a dead service would meet;/)]);
  expect(mistakes(text.replace('| ProbeSuccess', '| CensusRuns | >= 1 |\n| ProbeSuccess'))).toEqual([]);
});

test.each([
  ['signal', '| «ProbeSucess | >= 100 % |'],
  ['condition', '| ProbeSuccess | >= «100 |'],
])('a criterion of liveness with a wrong %s is reported once', (_, replacement) => {
  const text = broken(rowOf('ProbeSuccess'), replacement);
  expect(mistakes(text)).toEqual([expect.stringMatching(`^${marked(text)}: `)]);
});

test('that nothing shows life is reported beside other mistakes', () => {
  const text = broken(rowOf('ProbeSuccess'), '| Backlog | < 5 s |');
  expect(mistakes(text).map(problem => problem.split(': ')[0])).toEqual(['60:1', '64:15']);
});

test('a table without a column is read as far as it goes', () => {
  const text = broken(
    '| Signal | Condition |\n|---|---|\n| ProbeSuccess |',
    '| Signal | «Limit |\n|---|---|\n| ProbeSucess |',
  );
  expect(mistakes(text).map(problem => problem.split('; ')[0])).toEqual([
    '62:1: a table without the column `Condition`',
    `${marked(text)}: column \`Limit\``,
    '64:3: unknown signal `ProbeSucess`',
  ]);
  expect(mistakes(broken('| Signal | Condition |', '| Figure | Condition |'))).toHaveLength(2);
});
