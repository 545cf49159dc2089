import { readRunbook } from '../../lib/runbook/reader.ts';
import { broken, marked, mistakes, rowOf, valid } from './mistakes.ts';

const row = rowOf('0 min');

test.each([
  [
    'a time without a unit',
    '| «15 | on-call | Slack | |',
    '`15`; expected a time after the alarm up to 7 d, such as `15 min`',
  ],
  [
    'a contact in words',
    '| 0 min | «On Call | Slack | |',
    'contact `On Call`; expected lower-case letters, digits and hyphens, such as `team-lead`',
  ],
  [
    'an unknown channel',
    '| 0 min | on-call | Slack, «pager | |',
    'channel `pager`; expected Slack, PagerDuty, email, SMS, phone, each once',
  ],
  [
    'a misspelt channel',
    '| 0 min | on-call | «slack | |',
    'channel `slack`; expected Slack, PagerDuty, email, SMS, phone, each once (did you mean Slack?)',
  ],
  [
    'a channel twice',
    '| 0 min | on-call | Slack, «Slack | |',
    '`Slack` a second time; expected Slack, PagerDuty, email, SMS, phone, each once',
  ],
  [
    'an unknown severity',
    '| 0 min | on-call | Slack | P1, «P7 |',
    '`P7`; expected severities, each once: P0, P1, P2, P3',
  ],
  [
    'a repetition without a unit',
    '| 0 min | on-call | Slack | «every 5 |',
    '`every 5`; expected `every 5 min`, from 1 min to 7 d',
  ],
  [
    'a repetition too often',
    '| 0 min | on-call | Slack | «every 5 s |',
    '`every 5 s`; expected `every 5 min`, from 1 min to 7 d',
  ],
  [
    'two repetitions',
    '| 0 min | on-call | Slack | every 5 min; «every 6 min |',
    'a second part of the same kind; expected severities, a condition and `every …` once each',
  ],
  [
    'an unknown signal',
    '| 0 min | on-call | Slack | P1; «ConnectonDrop > 10 % |',
    'unknown signal `ConnectonDrop`; expected the name of a signal, severities or `every …` (did you mean ConnectionDrop?)',
  ],
  [
    'a severity in small letters',
    '| 0 min | on-call | Slack | «p1 |',
    'unknown signal `p1`; expected the name of a signal, severities or `every …` (did you mean P1?)',
  ],
  [
    'a misspelt repetition',
    '| 0 min | on-call | Slack | P1; «evry 5 min |',
    'unknown signal `evry`; expected the name of a signal, severities or `every …` (did you mean every?)',
  ],
  [
    'a condition that always holds',
    '| 0 min | on-call | Slack | ConnectionDrop «>= 0 % |',
    '`>= 0 %`, which always holds; expected a comparison that can hold and can fail: `ConnectionDrop` is from 0 % to 100 %',
  ],
  [
    'a wrong figure',
    '| 0 min | on-call | Slack | ConnectionDrop > «10 |',
    '`10`; expected a percentage, such as `40 %`',
  ],
  ['an empty part', '| 0 min | on-call | Slack | P1;« |', 'nothing; expected a condition before or after `;`'],
])('%s is reported where it stands', (_, replacement, message) => {
  const text = broken(row, replacement);
  const found = mistakes(text);
  expect(found.map(problem => problem.replace(/^\d+:\d+: /, ''))).toEqual([message]);
  if (!message.includes('second part')) expect(found[0]?.split(': ')[0]).toBe(marked(text));
});

test('steps come in the order of time', () => {
  const text = broken(row, row.replace('0 min', '20 min').replace('on-call', 'other'));
  expect(mistakes(text).map(problem => problem.replace(/^\d+:\d+: /, ''))).toEqual(
    Array(2).fill('`15 min` after a step of 20 min; expected steps in the order of time'),
  );
});

test('a severity that reaches nobody is warned of', () => {
  const warnings: string[] = [];
  const text = valid
    .replaceAll('| team-lead | phone | ConnectionDrop > 10 % |', '| team-lead | phone | P0 |')
    .replace('| email | |', '| email | P0 |');
  readRunbook('orders.md', text, ({ line, column, message }) => warnings.push(`${line}:${column}: ${message}`));
  expect(warnings).toEqual(['68:1: no step for alarms of P2; expected a step that tells somebody']);
});
