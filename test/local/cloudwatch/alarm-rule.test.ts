import fc from 'fast-check';
import { AlarmRuleError, alarmsOf, holds, parseAlarmRule } from '../../../local/cloudwatch/alarm-rule.ts';
import type { AlarmState } from '../../../local/cloudwatch/evaluation.ts';

const states: Record<string, AlarmState> = { hot: 'ALARM', calm: 'OK', mute: 'INSUFFICIENT_DATA' };
const isTrue = (rule: string): boolean => holds(parseAlarmRule(rule), name => states[name] ?? 'OK');

it.each([
  ['ALARM("hot")', true],
  ["ALARM('calm')", false],
  ['ALARM(hot)', true],
  ['alarm(hot) and not ok(hot)', true],
  ['OK("calm") AND INSUFFICIENT_DATA("mute")', true],
  ['ALARM("calm") OR OK("calm")', true],
  ['TRUE OR FALSE AND FALSE', true],
  ['(TRUE OR FALSE) AND FALSE', false],
  ['NOT TRUE OR TRUE', true],
  ['NOT (TRUE OR TRUE)', false],
  ['NOT NOT ALARM(hot)', true],
  ['ALARM("arn:aws:cloudwatch:eu-central-1:123456789012:alarm:hot")', true],
  ['(ALARM(arn:aws:cloudwatch:eu-central-1:123456789012:alarm:hot))', true],
])('%s is %s', (rule, expected) => {
  expect(isTrue(rule)).toBe(expected);
});

it('names the alarms that it is about', () => {
  expect(alarmsOf(parseAlarmRule('ALARM("a b") AND (NOT OK(c) OR ALARM("a b")) OR TRUE'))).toEqual(
    new Set(['a b', 'c']),
  );
});

it.each([
  ['', 'column 1: ALARM, OK, INSUFFICIENT_DATA, TRUE, FALSE, NOT or a bracket expected, not the end'],
  ['ALARM(a', "column 8: ')' expected, not the end"],
  ['ALARM()', 'column 7: the name of an alarm expected, not )'],
  ['BROKEN(a)', 'column 1: ALARM, OK, INSUFFICIENT_DATA, TRUE, FALSE, NOT or a bracket expected, not BROKEN'],
  ['OK(a) OK(b)', 'column 7: AND, OR or the end expected, not OK'],
  ['OK("a)', 'column 4: a quotation mark has no end'],
])('%s is refused', (rule, message) => {
  expect(() => parseAlarmRule(rule)).toThrow(new AlarmRuleError(message));
});

interface Rule {
  readonly text: string;
  readonly value: boolean;
}

const { rule } = fc.letrec<{ rule: Rule }>(tie => ({
  rule: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<Rule>(
      { text: 'ALARM("hot")', value: true },
      { text: 'OK(hot)', value: false },
      { text: 'TRUE', value: true },
    ),
    tie('rule').map(({ text, value }) => ({ text: `NOT (${text})`, value: !value })),
    fc
      .tuple(tie('rule'), tie('rule'))
      .map(([a, b]) => ({ text: `(${a.text}) AND (${b.text})`, value: a.value && b.value })),
    fc
      .tuple(tie('rule'), tie('rule'))
      .map(([a, b]) => ({ text: `(${a.text}) OR (${b.text})`, value: a.value || b.value })),
  ),
}));

it('is what its parts make it', () => {
  fc.assert(fc.property(rule, ({ text, value }) => expect(isTrue(text)).toBe(value)));
});
