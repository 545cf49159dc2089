import { type Data, find, read } from './payload.ts';
import { runtimeError } from './state-error.ts';

/** A rule of a Choice state, or one inside `And`, `Or` and `Not`. */
export type ChoiceRule = Readonly<Record<string, unknown>>;

const types = {
  String: (value: unknown) => typeof value === 'string',
  Numeric: (value: unknown) => typeof value === 'number',
  Boolean: (value: unknown) => typeof value === 'boolean',
  Timestamp: isTimestamp,
  Null: (value: unknown) => value === null,
};
type TypeName = keyof typeof types;

const comparisons: Readonly<Record<string, (difference: number) => boolean>> = {
  Equals: difference => difference === 0,
  LessThan: difference => difference < 0,
  LessThanEquals: difference => difference <= 0,
  GreaterThan: difference => difference > 0,
  GreaterThanEquals: difference => difference >= 0,
};

const typeTest = /^Is(String|Numeric|Boolean|Timestamp|Null)$/;
const comparison =
  /^(String|Numeric|Boolean|Timestamp)(Equals|LessThan|LessThanEquals|GreaterThan|GreaterThanEquals)(Path)?$/;

/** Whether a key of a rule is a test that is run here. */
export const isTest = (key: string): boolean =>
  key === 'IsPresent' || key === 'StringMatches' || typeTest.test(key) || comparison.test(key);

/** "an RFC3339 profile of ISO 8601": with T, and a zone. */
export function isTimestamp(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value) &&
    !Number.isNaN(Date.parse(value))
  );
}

/** @throws StateError `States.Runtime` where a path leads nowhere */
export function holds(rule: ChoiceRule, data: Data): boolean {
  if (rule.And) return (rule.And as ChoiceRule[]).every(each => holds(each, data));
  if (rule.Or) return (rule.Or as ChoiceRule[]).some(each => holds(each, data));
  if (rule.Not) return !holds(rule.Not as ChoiceRule, data);
  const variable = String(rule.Variable);
  const test = Object.keys(rule).find(isTest);
  if (test === undefined) throw runtimeError('a choice rule has no test');
  const wanted = rule[test];
  const found = find(variable, data);
  if (test === 'IsPresent') return (found !== undefined) === wanted;
  if (found === undefined)
    throw runtimeError(`Invalid path '${variable}': The choice state's condition path references an invalid value.`);
  const asked = typeTest.exec(test);
  if (asked) return types[asked[1] as TypeName](found) === wanted;
  if (test === 'StringMatches') return typeof found === 'string' && wildcard(String(wanted)).test(found);
  const [, type, operator, isPath] = comparison.exec(test) ?? [];
  const other = isPath ? read(String(wanted), data, test) : wanted;
  const ofType = types[type as TypeName];
  if (!ofType(found) || !ofType(other)) return false;
  return (comparisons[operator as string] as (difference: number) => boolean)(
    difference(type as TypeName, found, other),
  );
}

function difference(type: TypeName, left: unknown, right: unknown): number {
  if (type === 'Timestamp') return Date.parse(left as string) - Date.parse(right as string);
  if (type === 'String') return (left as string) < (right as string) ? -1 : left === right ? 0 : 1;
  return Number(left) - Number(right);
}

/** `*` stands for any characters, `\*` for itself. */
function wildcard(pattern: string): RegExp {
  const source = pattern.replace(/\\(.)|[\s\S]/g, (character, escaped: string | undefined) =>
    character === '*' ? '[\\s\\S]*' : (escaped ?? character).replace(/[.*+?^${}()|[\]\\]/g, '\\$&'),
  );
  return new RegExp(`^${source}$`);
}
