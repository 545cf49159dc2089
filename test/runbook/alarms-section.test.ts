import { readRunbook } from '../../lib/runbook/reader.ts';
import { broken, marked, mistakes, rowOf, valid } from './mistakes.ts';

const row = rowOf('HighBacklog');
const link = '[Orders wait](#orders-wait)';

/** The valid runbook with a passage of the first alarm replaced. */
const changed = (passage: string, replacement: string) =>
  broken(
    row,
    row.replace(passage, () => replacement),
  );

test.each([
  [
    'a name with a hyphen',
    'HighBacklog',
    '«High-Backlog',
    'alarm `High-Backlog`; expected at most 205 letters and digits, beginning with a capital, such as `HighBacklog`',
  ],
  [
    'a name in small letters',
    'HighBacklog',
    '«highBacklog',
    'alarm `highBacklog`; expected at most 205 letters and digits, beginning with a capital, such as `HighBacklog`',
  ],
  [
    'a name that is too long',
    'HighBacklog',
    `«${'A'.repeat(206)}`,
    `alarm \`${'A'.repeat(206)}\`; expected at most 205 letters and digits, beginning with a capital, such as \`HighBacklog\``,
  ],
  [
    'a name twice',
    'HighBacklog',
    'BrokenConnections',
    'a second alarm `BrokenConnections`; expected one, the first is on line 53',
  ],
  [
    'an unknown signal',
    '| Backlog |',
    '| «Backlgo |',
    'unknown signal `Backlgo`; expected the name of a signal (did you mean Backlog?)',
  ],
  [
    'a condition in the wrong column',
    '| Backlog |',
    '| Backlog «> 5 |',
    '`> 5`; expected a signal alone; what it is compared with stands under `Fires when`',
  ],
  [
    'a wrong unit, where it stands',
    '> 1000 for 5 min',
    '> «1000 s for 5 min',
    '`1000 s`; expected a whole number, such as `10000`',
  ],
  [
    'a wrong unit in code',
    '> 1000 for 5 min',
    '`> «1000 s for 5 min`',
    '`1000 s`; expected a whole number, such as `10000`',
  ],
  [
    'a wrong window, where it stands',
    '> 1000 for 5 min',
    '> 1000 «for 6 of 5 min',
    '`for 6 of 5 min`; expected from 1 to 5 of 5 min',
  ],
  ['an unknown severity', '| P2 |', '| «P4 |', 'severity `P4`; expected one of P0, P1, P2, P3 (did you mean P0?)'],
  [
    'an unknown playbook, where it stands',
    'then throttle-publishers(100 ms)',
    'then «throttle-publisher(100 ms)',
    'unknown playbook `throttle-publisher`; expected the name of a playbook (did you mean throttle-publishers?)',
  ],
  [
    'hours without a time zone',
    'Sat–Sun all day UTC',
    'Sat–Sun all day«',
    'hours without a time zone; expected a time zone such as `UTC` or `Europe/London`',
  ],
  [
    'a procedure that is no link',
    link,
    '«Orders wait',
    '`Orders wait`; expected one link to a heading of this file, such as `[Clear the backlog](#clear-the-backlog)`',
  ],
  [
    'two links',
    link,
    `«${link} ${link}`,
    '2 links; expected one link to a heading of this file, such as `[Clear the backlog](#clear-the-backlog)`',
  ],
  [
    'a link to another file',
    link,
    '«[Orders wait](other.md#orders-wait)',
    'a link to `other.md#orders-wait`; expected one link to a heading of this file, such as `[Clear the backlog](#clear-the-backlog)`',
  ],
  [
    'a dead link',
    link,
    '«[Orders wait](#order-wait)',
    'a link to `#order-wait`, a heading that is not there; expected one link to a heading of this file, such as `[Clear the backlog](#clear-the-backlog)` (did you mean #orders-wait?)',
  ],
  [
    'a link that cannot be decoded',
    link,
    '«[Orders wait](#%E0%A4)',
    'a link to `#%E0%A4`, a heading that is not there; expected one link to a heading of this file, such as `[Clear the backlog](#clear-the-backlog)`',
  ],
])('%s is reported', (_, passage, replacement, message) => {
  const text = changed(passage, replacement);
  const at = text.includes('«') ? marked(text) : undefined;
  const found = mistakes(text);
  if (at) expect(found).toEqual([`${at}: ${message}`]);
  else expect(found.map(problem => problem.replace(/^\d+:\d+: /, ''))).toEqual([message]);
});

test('a link to a heading that is there twice is reported, for each of its anchors', () => {
  const twice = valid.replace('## Recovered when', '### Orders wait\n\nAgain.\n\n## Recovered when');
  expect(mistakes(twice).map(problem => problem.replace(/^\d+:\d+: /, ''))).toEqual(
    Array(2).fill('a link to `Orders wait`, a heading on lines 56 and 60; expected a heading that is there once'),
  );
});

test('a link to a heading with nothing under it is reported', () => {
  const found = mistakes(broken('Look at the queue.\n\n', ''));
  expect(found).toHaveLength(2);
  expect(found[0]).toMatch(
    /a link to `Orders wait`, with nothing under it; expected a heading under which it says what to do$/,
  );
});

test('headings are reached as GitHub makes anchors of them', () => {
  const text = valid
    .replaceAll('Orders wait', 'Clear the `orders` — 100 % (now)!')
    .replaceAll('#orders-wait', '#clear-the-orders--100--now');
  expect(readRunbook('orders.md', text).alarms[0]?.procedure).toEqual({
    heading: 'Clear the orders — 100 % (now)!',
    anchor: 'clear-the-orders--100--now',
  });
});

test('a heading with half of a character in it is no obstacle', () => {
  expect(mistakes(valid.replace('## Recovered when', '## Half \uD83D\n\nProse.\n\n## Recovered when'))).toEqual([]);
  const text = changed(link, '«[Orders wait](#order-wait)').replace(
    '## Recovered when',
    '## Half \uD83D\n\n## Recovered when',
  );
  expect(mistakes(text)).toEqual([expect.stringContaining('(did you mean #orders-wait?)')]);
});

test('a more severe alarm with a milder figure is reported at the one that is never alone', () => {
  const text = broken(
    row,
    `${row.replace('HighBacklog', '«HighBacklog')}\n${row.replace('HighBacklog', 'CriticalBacklog').replace('1000', '500').replace('P2', 'P1')}`,
  );
  expect(mistakes(text)).toEqual([
    `${marked(text)}: \`HighBacklog\` (P2) fires only when \`CriticalBacklog\` (P1) does; expected a milder condition than \`Backlog > 500 for 5 min\` for the milder severity`,
  ]);
});

test('a table without alarms is reported at its heading', () => {
  const text = broken(`${row}\n${rowOf('BrokenConnections')}\n`, '');
  expect(mistakes(text)).toEqual(['49:1: a table without alarms; expected a row for each alarm']);
});

test('every mistake of a row is found, not only the first', () => {
  const text = broken(row, '| high | Backlgo | > 5 s | P9 | nowhere | reboot | never |');
  expect(mistakes(text)).toHaveLength(6);
});
