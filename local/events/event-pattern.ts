import { z } from 'zod';

/**
 * Event patterns: "Amazon EventBridge event pattern syntax" and "Comparison operators for use in event patterns". Every
 * operator but `cidr` is run; an unknown one is an error when the pattern is read.
 */
export type EventPattern = (event: unknown) => boolean;

/** Tests one value of a leaf; undefined is one that is not there. */
type Matcher = (value: unknown) => boolean;

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const texts = z.union([z.string(), z.array(z.string()).min(1)]).transform(given => [given].flat());
const comparison = z.enum(['=', '<', '<=', '>', '>=']);

/** @throws Error that names the place in the pattern that is wrong or cannot be run */
export function parseEventPattern(pattern: unknown): EventPattern {
  return objectPattern(pattern, []);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function fail(path: readonly string[], message: string): never {
  throw new Error(`event pattern at ${path.join('.') || 'its top'}: ${message}`);
}

function objectPattern(pattern: unknown, path: readonly string[]): EventPattern {
  if (!isObject(pattern)) return fail(path, 'must be an object, or a list of values');
  const fields = Object.entries(pattern);
  if (fields.length === 0) return fail(path, 'must not be empty');
  const tests = fields.map(([name, wanted]): EventPattern => {
    const place = [...path, name];
    if (name === '$or') {
      if (!Array.isArray(wanted) || wanted.length < 2) return fail(place, 'must be a list of two patterns or more');
      const patterns = wanted.map(each => objectPattern(each, place));
      return event => patterns.some(each => each(event));
    }
    const of = (event: unknown) => (isObject(event) && Object.hasOwn(event, name) ? event[name] : undefined);
    if (Array.isArray(wanted)) {
      const matches = leaf(wanted, place);
      return event => matches(of(event));
    }
    const inner = objectPattern(wanted, place);
    return event => {
      const value = of(event);
      // In a list of objects, one of them has to match the whole pattern.
      return Array.isArray(value) ? value.some(each => inner(each)) : inner(value);
    };
  });
  return event => tests.every(test => test(event));
}

/** Any of the values is enough; of a list in the event, any item is. */
function leaf(wanted: readonly unknown[], path: readonly string[]): Matcher {
  if (wanted.length === 0) return fail(path, 'a list of values must not be empty');
  const matchers = wanted.map(each => matcher(each, path));
  return value => {
    const values = Array.isArray(value) && value.length > 0 ? value : [value];
    return matchers.some(matches => values.some(matches));
  };
}

function matcher(wanted: unknown, path: readonly string[]): Matcher {
  if (!isObject(wanted)) {
    const value = scalar.safeParse(wanted);
    return value.success
      ? found => found === value.data
      : fail(path, 'a value must be a string, number, true, false or null');
  }
  const [operator, ...others] = Object.keys(wanted);
  if (operator === undefined || others.length > 0) return fail(path, 'an operator must be alone in its object');
  const parse = operators[operator];
  if (!parse) return fail(path, `the operator ${operator} is not run; these are: ${Object.keys(operators).join(', ')}`);
  try {
    return parse(wanted[operator]);
  } catch (error) {
    const reason = error instanceof z.ZodError ? error.issues.map(({ message }) => message).join('; ') : String(error);
    return fail(path, `${operator}: ${reason}`);
  }
}

const ofText =
  (test: (text: string) => boolean): Matcher =>
  value =>
    typeof value === 'string' && test(value);

const ignoreCase = z.strictObject({ 'equals-ignore-case': z.string() });

/** `prefix` and `suffix`, which can ignore the case. */
function affix(wanted: unknown, test: (text: string, part: string) => boolean): Matcher {
  const part = z.union([z.string(), ignoreCase]).parse(wanted);
  if (typeof part === 'string') return ofText(text => test(text, part));
  const lower = part['equals-ignore-case'].toLowerCase();
  return ofText(text => test(text.toLowerCase(), lower));
}

const prefix = (wanted: unknown) => affix(wanted, (text, part) => text.startsWith(part));
const suffix = (wanted: unknown) => affix(wanted, (text, part) => text.endsWith(part));

function equalsIgnoreCase(wanted: unknown): Matcher {
  const lower = z.string().parse(wanted).toLowerCase();
  return ofText(text => text.toLowerCase() === lower);
}

function wildcard(wanted: unknown): Matcher {
  const pattern = z
    .string()
    .refine(text => !text.includes('**'), 'two wildcards must not follow each other')
    .parse(wanted);
  const source = pattern.replace(/\\([*\\])|[\s\S]/g, (character, escaped: string | undefined) =>
    character === '*' ? '[\\s\\S]*' : (escaped ?? character).replace(/[.*+?^${}()|[\]\\]/g, '\\$&'),
  );
  const expression = new RegExp(`^${source}$`);
  return ofText(text => expression.test(text));
}

function numeric(wanted: unknown): Matcher {
  const parts = z
    .array(z.union([comparison, z.number()]))
    .min(2)
    .max(4)
    .parse(wanted);
  const tests: ((value: number) => boolean)[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    const operator = comparison.parse(parts[index]);
    const bound = z.number().parse(parts[index + 1]);
    tests.push(value =>
      operator === '='
        ? value === bound
        : operator === '<'
          ? value < bound
          : operator === '<='
            ? value <= bound
            : operator === '>'
              ? value > bound
              : value >= bound,
    );
  }
  return value => typeof value === 'number' && tests.every(test => test(value));
}

function exists(wanted: unknown): Matcher {
  const expected = z.boolean().parse(wanted);
  // "Exists matching only works on leaf nodes."
  return value => (value !== undefined && !isObject(value)) === expected;
}

/** What is there and is none of these. */
function anythingBut(wanted: unknown): Matcher {
  const refused = isObject(wanted) ? operatorsOfAnythingBut(wanted) : valuesOf(wanted);
  return value => value !== undefined && !isObject(value) && !refused.some(matches => matches(value));
}

function valuesOf(wanted: unknown): Matcher[] {
  const values = z.union([scalar, z.array(scalar).min(1)]).parse(wanted);
  return [values].flat().map(each => (found: unknown) => found === each);
}

function operatorsOfAnythingBut(wanted: Record<string, unknown>): Matcher[] {
  const given = z
    .union([
      z.strictObject({ prefix: texts }),
      z.strictObject({ suffix: texts }),
      z.strictObject({ wildcard: texts }),
      z.strictObject({ 'equals-ignore-case': texts }),
    ])
    .parse(wanted);
  return Object.entries(given).flatMap(([operator, values]) =>
    (values as string[]).map(value => (operators[operator] as (wanted: unknown) => Matcher)(value)),
  );
}

const operators: Readonly<Record<string, (wanted: unknown) => Matcher>> = {
  prefix,
  suffix,
  'equals-ignore-case': equalsIgnoreCase,
  wildcard,
  numeric,
  exists,
  'anything-but': anythingBut,
};
