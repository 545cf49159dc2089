import type { AlarmState } from './evaluation.ts';

/** The rule of a composite alarm. */
export type AlarmRule =
  | { readonly kind: 'constant'; readonly value: boolean }
  /** `alarm` is a name, not an ARN. */
  | { readonly kind: 'state'; readonly state: AlarmState; readonly alarm: string }
  | { readonly kind: 'not'; readonly rule: AlarmRule }
  | { readonly kind: 'and' | 'or'; readonly rules: readonly AlarmRule[] };

/** A rule that cannot be read; the message says what is wrong where. */
export class AlarmRuleError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AlarmRuleError';
  }
}

const states: ReadonlySet<string> = new Set<AlarmState>(['ALARM', 'OK', 'INSUFFICIENT_DATA']);
const isState = (text: string): text is AlarmState => states.has(text);

/** A name may be quoted; one that is not ends at its bracket. */
const token = /\s*(?:"([^"]*)"|'([^']*)'|([()])|([^\s()"']+))/y;

interface Token {
  readonly text: string;
  readonly quoted: boolean;
  /** From 1. */
  readonly column: number;
}

function tokensOf(rule: string): Token[] {
  const tokens: Token[] = [];
  token.lastIndex = 0;
  while (rule.slice(token.lastIndex).trim() !== '') {
    const start = token.lastIndex;
    const found = token.exec(rule);
    if (!found) throw new AlarmRuleError(`column ${start + 1}: a quotation mark has no end`);
    const [whole, double, single, bracket, word] = found;
    const text = double ?? single ?? bracket ?? word ?? '';
    const column = start + (whole.length - whole.trimStart().length) + 1;
    tokens.push({ text, quoted: (double ?? single) !== undefined, column });
  }
  return tokens;
}

/** `arn:aws:cloudwatch:<region>:<account>:alarm:<name>` or a name. */
export const alarmNameOf = (reference: string): string =>
  /^arn:[^:]*:cloudwatch:[^:]*:[^:]*:alarm:(.+)$/.exec(reference)?.[1] ?? reference;

/**
 * Reads an AlarmRule as "PutCompositeAlarm" in the CloudWatch API reference describes it: NOT binds most, then AND, then OR.
 * @throws AlarmRuleError that names the column
 */
export function parseAlarmRule(text: string): AlarmRule {
  const tokens = tokensOf(text);
  const end: Token = { text: 'the end', quoted: true, column: text.length + 1 };
  let position = 0;
  const peek = (): Token => tokens[position] ?? end;
  const is = (word: string): boolean => !peek().quoted && peek().text.toUpperCase() === word;
  const next = (): Token => {
    const found = peek();
    position += 1;
    return found;
  };
  const wrong = ({ text: found, column }: Token, expected: string) =>
    new AlarmRuleError(`column ${column}: ${expected} expected, not ${found}`);
  const expect = (symbol: string): void => {
    const found = next();
    if (found.quoted || found.text !== symbol) throw wrong(found, `'${symbol}'`);
  };

  function several(kind: 'and' | 'or', word: string, each: () => AlarmRule): AlarmRule {
    const rules = [each()];
    while (is(word)) {
      next();
      rules.push(each());
    }
    return rules.length === 1 ? (rules[0] as AlarmRule) : { kind, rules };
  }
  const disjunction = (): AlarmRule => several('or', 'OR', conjunction);
  const conjunction = (): AlarmRule => several('and', 'AND', negation);

  function negation(): AlarmRule {
    if (!is('NOT')) return operand();
    next();
    return { kind: 'not', rule: negation() };
  }

  function operand(): AlarmRule {
    const found = next();
    const word = found.quoted ? '' : found.text.toUpperCase();
    if (word === '(') {
      const inner = disjunction();
      expect(')');
      return inner;
    }
    if (word === 'TRUE' || word === 'FALSE') return { kind: 'constant', value: word === 'TRUE' };
    if (!isState(word)) throw wrong(found, 'ALARM, OK, INSUFFICIENT_DATA, TRUE, FALSE, NOT or a bracket');
    expect('(');
    const alarm = next();
    if (!alarm.quoted && (alarm.text === '(' || alarm.text === ')')) throw wrong(alarm, 'the name of an alarm');
    if (alarm === end) throw wrong(alarm, 'the name of an alarm');
    expect(')');
    return { kind: 'state', state: word, alarm: alarmNameOf(alarm.text) };
  }

  const rule = disjunction();
  if (peek() !== end) throw wrong(peek(), 'AND, OR or the end');
  return rule;
}

/** Does the rule hold with the alarms in these states? */
export function holds(rule: AlarmRule, stateOf: (alarm: string) => AlarmState): boolean {
  switch (rule.kind) {
    case 'constant':
      return rule.value;
    case 'state':
      return stateOf(rule.alarm) === rule.state;
    case 'not':
      return !holds(rule.rule, stateOf);
    case 'and':
      return rule.rules.every(each => holds(each, stateOf));
    case 'or':
      return rule.rules.some(each => holds(each, stateOf));
  }
}

/** The alarms that a rule is about, each once. */
export function alarmsOf(rule: AlarmRule): ReadonlySet<string> {
  if (rule.kind === 'state') return new Set([rule.alarm]);
  if (rule.kind === 'not') return alarmsOf(rule.rule);
  return rule.kind === 'constant' ? new Set() : new Set(rule.rules.flatMap(each => [...alarmsOf(each)]));
}
