import { broken, marked, mistakes } from './mistakes.ts';

const names = 'expected the columns `Setting`, `Value`, `Source`';

test.each([
  [
    'a misspelt column',
    '| Setting | Value |',
    '| «Seting | Value |',
    `column \`Seting\`; ${names} (did you mean Setting?)`,
  ],
  ['an unknown column', '| Value | Source |', '| Value | «Colour |', `column \`Colour\`; ${names}`],
  ['a column without a name', '| Value | Source |', '| Value «| |', `column \`\`; ${names}`],
  ['a column named twice', '| Value | Source |', '| Value | «Value |', `a second column \`Value\`; ${names}`],
  [
    'a row that ends early',
    '| Heartbeat grace | 25 s | team |',
    '| Heartbeat grace |«',
    'a row without the cell `Value`; expected its `Value`',
  ],
  [
    'an empty cell',
    '| Heartbeat grace | 25 s | team |',
    '| Heartbeat grace «| | team |',
    'a row without text in the cell `Value`; expected its `Value`',
  ],
  [
    'a cell too many',
    '| Heartbeat grace | 25 s | team |',
    '| Heartbeat grace | 25 s | team | «more |',
    'a row of 4 cells; expected 3, as the header has (a | in a cell is written \\|)',
  ],
])('%s is reported where it stands', (_, passage, replacement, message) => {
  const text = broken(passage, replacement);
  expect(mistakes(text)).toEqual([`${marked(text)}: ${message}`]);
});

test('a row without both cells is reported cell by cell, and its setting as missing', () => {
  const text = broken('| Heartbeat grace | 25 s | team |', '| | | |');
  expect(mistakes(text)).toEqual([
    '21:1: no setting `Heartbeat grace`; expected a row `| Heartbeat grace | … |` with a duration in s, min, h or d, such as `25 s`',
    '30:1: a row without text in the cell `Setting`; expected its `Setting`',
    '30:3: a row without text in the cell `Value`; expected its `Value`',
  ]);
});

test('a table without a column that is needed is reported once, not row by row', () => {
  expect(mistakes(broken('| Setting | Value | Source |', '| Setting | Amount | Source |'))).toEqual([
    `21:1: a table without the column \`Value\`; ${names}`,
    `21:13: column \`Amount\`; ${names}`,
  ]);
});

test('columns may be in another order, and cells may carry markup', () => {
  expect(
    mistakes(broken('| Heartbeat grace | 25 s | team |', '| **Heartbeat** grace | `25 s` | [team](#x) |')),
  ).toEqual([]);
  expect(mistakes(broken('| Heartbeat grace | 25 s | team |', '| Heartbeat grace | 25 s |'))).toEqual([]);
});
