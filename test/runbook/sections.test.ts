import { broken, marked, mistakes, valid } from './mistakes.ts';

const table = valid.slice(valid.indexOf('| Setting |'), valid.indexOf('\n\n### Why these'));

test.each([
  [
    'a heading of another level',
    '## Settings',
    '«### Settings',
    '`Settings` is a heading of level 3; expected level 2, `## Settings`',
  ],
  [
    'a misspelt heading',
    '## Settings',
    '«## Setings',
    'no heading `## Settings` but `## Setings`; expected a heading `## Settings` (did you mean Settings?)',
  ],
  [
    'a second heading',
    '## Alarms',
    '«## Settings',
    'a second heading `## Settings`; expected one, the first is on line 17',
  ],
  [
    'a section without a table',
    `\n${table}`,
    '',
    'no table under `## Settings`; expected a table `| Setting | Value |`',
  ],
  [
    'a second table',
    '### Why these',
    '',
    'a second table under `## Settings`; expected one table without blank lines in it',
  ],
  [
    'a blank line within the table',
    '| Heartbeat interval',
    '\n«| Heartbeat interval',
    'a line with `|` that is no part of a table; expected a header row, a delimiter row of as many cells, and rows without a blank line between them',
  ],
  [
    'a delimiter row of another width',
    '| Setting | Value | Source |\n|---|---|---|',
    '«| Setting | Value | Source |\n|---|---|',
    'a line with `|` that is no part of a table; expected a header row, a delimiter row of as many cells, and rows without a blank line between them',
  ],
])('%s is reported where it stands', (what, passage, replacement, message) => {
  const place = { 'a section without a table': '17:1', 'a second table': '45:1' }[what];
  const text = broken(passage, replacement);
  expect(mistakes(text)).toContain(`${place ?? marked(text)}: ${message}`);
});

test('a missing heading is reported at the end of the file', () => {
  const lines = valid.split('\n');
  expect(mistakes(valid.replace('## Settings', 'Settings'))).toEqual([
    `${lines.length}:1: the file ends without a heading \`## Settings\`; expected a heading \`## Settings\``,
  ]);
});

test('mistakes below a misspelt heading are found as well', () => {
  expect(
    mistakes(
      valid
        .replace('## Settings', '## Setting')
        .replace('| 25 s | team |\n| Heartbeat g', '| 25 | team |\n| Heartbeat g'),
    ),
  ).toEqual([
    '17:1: no heading `## Settings` but `## Setting`; expected a heading `## Settings` (did you mean Settings?)',
    '29:24: `Heartbeat interval` is `25`; expected a duration in s, min, h or d, such as `25 s`',
  ]);
});

test('tables elsewhere, below a subheading too, are prose', () => {
  expect(mistakes(valid)).toEqual([]);
  expect(mistakes(broken('| is | prose |', '| Maximum connections | many |'))).toEqual([]);
});
