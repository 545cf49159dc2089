import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Change, drillCopy } from '../../drills/copy.ts';

const row = (column: string, to: Change['to'], name = 'Backlogged'): Change => ({
  section: 'Alarms',
  row: name,
  column,
  to,
});
const markdown = [
  '## Alarms',
  '',
  '| Alarm | Signal | Fires when | Quiet |',
  '|---|---|---|---|',
  '| Backlogged | Backlog | > 10000 for 3 of 5 min | Sat–Sun all day UTC |',
  '| Failing | ErrorRate | >= 5 % for 3 of 5 min when Errors >= 20 | |',
  '| Rate | Errors | over 5 min > 10/min for 10 of 15 min | |',
  '',
  '## Settings',
  '',
  '| Setting | Value |',
  '|---|---|',
  '| Heartbeat interval | 25 s |',
  '',
].join('\n');
const line = (text: string, name: string) => text.split('\n').find(each => each.startsWith(`| ${name} `));

test.each<[Change, string]>([
  [row('Fires when', { dividedBy: 100 }), '> 100 for 3 of 5 min'],
  [row('Fires when', { dividedBy: 1_000_000 }), '> 1 for 3 of 5 min'],
  [row('Fires when', { dividedBy: 20 }, 'Failing'), '>= 5 % for 3 of 5 min when Errors >= 1'],
  [row('Fires when', { dividedBy: 100, sharesToo: true }, 'Failing'), '>= 0.05 % for 3 of 5 min when Errors >= 1'],
  [row('Fires when', { dividedBy: 5 }, 'Rate'), 'over 5 min > 2/min for 10 of 15 min'],
])('figures are divided, and times are not: %j', (change, expected) => {
  expect(line(drillCopy(markdown, [change]).markdown, change.row)).toContain(`| ${expected} |`);
});

test('a setting is divided with its unit, and quiet hours are left out', () => {
  const to = { dividedBy: 5 };
  const { markdown: copy, changed } = drillCopy(markdown, [
    { section: 'Settings', row: 'Heartbeat interval', column: 'Value', to },
    row('Quiet', 'empty'),
  ]);
  expect(line(copy, 'Heartbeat interval')).toBe('| Heartbeat interval | 5 s |');
  expect(line(copy, 'Backlogged')).toBe('| Backlogged | Backlog | > 10000 for 3 of 5 min |  |');
  expect(changed).toEqual(['Heartbeat interval: 25 s → 5 s', 'Quiet of Backlogged: Sat–Sun all day UTC → none']);
});

test('everything else is as it was', () => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'runbooks', 'archon.md'), 'utf8');
  expect(drillCopy(text, [])).toEqual({ markdown: text, changed: [] });
  const { markdown: copy } = drillCopy(text, [row('Fires when', { dividedBy: 10 }, 'WebsocketQueueDepth')]);
  const changed = copy.split('\n').filter((each, n) => each !== text.split('\n')[n]);
  expect(changed).toHaveLength(1);
});

test('what is not there is an error that names it', () => {
  expect(() => drillCopy(markdown, [row('Fires when', { dividedBy: 2 }, 'Backlog')])).toThrow(
    'no Fires when of Backlog in Alarms',
  );
  expect(() => drillCopy(markdown, [row('Threshold', { dividedBy: 2 })])).toThrow('no Threshold of Backlogged');
});
