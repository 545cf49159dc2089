import { checkRunbook, readRunbook } from '../../lib/runbook/reader.ts';
import { marked, valid } from './mistakes.ts';

/** What a check on a day warns of, as `line:column: message`. */
function warnings(text: string, today = '2026-11-22'): string[] {
  const { runbook, problems } = checkRunbook('orders.md', text.replaceAll('«', ''), today);
  if (!runbook) throw problems.errors();
  return problems.warnings().map(({ line, column, message }) => `${line}:${column}: ${message}`);
}

test('the valid runbook has nothing to warn of', () => {
  expect(warnings(valid)).toEqual([]);
});

test('a review is overdue on the day after it was due', () => {
  expect(warnings(valid, '2027-02-22')).toEqual([]);
  expect(warnings(valid, '2027-02-23')).toEqual([
    '6:9: `review` was due on 2027-02-22; expected a review now, and the date of the next one',
  ]);
});

test('a runbook is read all the same, and the overdue review told', () => {
  const told: string[] = [];
  const runbook = readRunbook('orders.md', valid.replace('2027-02-22', '2020-01-01'), ({ message }) =>
    told.push(message),
  );
  expect(runbook.review).toBe('2020-01-01');
  expect(told).toEqual(['`review` was due on 2020-01-01; expected a review now, and the date of the next one']);
});

test('warnings are told beside mistakes, as far as these leave them true', () => {
  const found = (text: string) =>
    checkRunbook('orders.md', text, '2027-03-01')
      .problems.warnings()
      .map(({ line, message }) => `${line}: ${message.split('; ')[0]}`);
  const text = valid
    .replace('title:', 'titel:')
    .replace('| P2 |', '| P3 |')
    .replace('| #orders-wait |', '| #order-wait |')
    .replace('| team-lead | phone | ConnectionDrop > 10 % |', '| team-lead | phne | P0 |')
    .replace('| email | |', '| email | P0 |');
  expect(found(text)).toEqual(['6: `review` was due on 2027-02-22', '68: no step for alarms of P3']);
  // A severity that cannot be read may be the one.
  expect(found(text.replace('| email | P0 |', '| email | p3 |'))).toEqual(['6: `review` was due on 2027-02-22']);
});

/** The valid runbook, in whose prose a passage stands. */
const withProse = (prose: string) => valid.replace('Look at the queue.', prose);

test.each([
  ['the figure of an alarm', 'More than «1000 wait.', '`1000`, the figure of `HighBacklog`'],
  ['in code', 'When `> «1000` holds.', '`1000`, the figure of `HighBacklog`'],
  ['in a list', '- one\n- and «1000 more', '`1000`, the figure of `HighBacklog`'],
  ['in a table of prose', '| A |\n|---|\n| «1000 |', '`1000`, the figure of `HighBacklog`'],
  ['in the second line', 'One\nand «1000.', '`1000`, the figure of `HighBacklog`'],
  [
    'the figure of a criterion with its unit',
    'Until «100 % succeed.',
    '`100 %`, the figure of the criterion `ProbeSuccess >= 100 %`',
  ],
])('prose that repeats a figure is warned of: %s', (_, prose, message) => {
  const text = withProse(prose);
  expect(warnings(text)).toEqual([`${marked(text)}: ${message}; expected its name: figures stand in the tables only`]);
});

test('the same time in another unit is the same figure', () => {
  const text = withProse('After «60 s it is late.')
    .replace('> 1000 for 5 min', '> 1000 for 5 min')
    .replace('| Backlog | > 1000', '| OldestMessageAge | > 1 min')
    .replace('for 5 min | P2', 'for 2 of 5 min | P2');
  expect(warnings(text)).toEqual([
    `${marked(text)}: \`60 s\`, the figure of \`HighBacklog\`; expected its name: figures stand in the tables only`,
  ]);
});

test.each([
  ['another figure', 'More than 1001 wait.'],
  ['a part of a longer one', 'In 10005 and 2.1000 and 1000.5 and a1000 and 1000x.'],
  ['a date or a time', 'On 2026-1000-01 at 12:1000.'],
  ['a size', 'A message of 1000 KB.'],
  ['a small number', 'Five or 60 of them.'],
  ['a block of code', '```\nlimit 1000\n```'],
  ['the address of a link', '[here](https://example.test/1000)'],
])('%s repeats nothing', (_, prose) => {
  expect(warnings(withProse(prose))).toEqual([]);
});
