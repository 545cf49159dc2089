import { createHash, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { type JsonPath, parseJsonPath } from './json-path.ts';
import { StateError } from './state-error.ts';

/** What stands behind a key that ends in `.$`: a path, or a call of an intrinsic function. */
export type Expression =
  | { readonly kind: 'path'; readonly path: JsonPath; readonly ofContext: boolean }
  | { readonly kind: 'literal'; readonly value: unknown; readonly raw?: string }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Expression[]; readonly text: string };

/** @throws Error where it is neither a path nor a call of a known intrinsic function */
export function parseExpression(text: string): Expression {
  if (text.startsWith('$')) return pathOf(text);
  const parser = new Parser(text);
  const parsed = parser.expression();
  parser.end();
  if (parsed.kind !== 'call') throw new Error(`${text} is neither a path nor an intrinsic function`);
  return parsed;
}

function pathOf(text: string): Expression {
  const ofContext = text.startsWith('$$');
  return { kind: 'path', path: parseJsonPath(ofContext ? text.slice(1) : text), ofContext };
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  expression(): Expression {
    const text = this.#text;
    const call = this.#match(/(States\.\w+)\(\s*/y);
    if (call) {
      const name = call[1] as string;
      if (!Object.hasOwn(functions, name)) throw new Error(`${name} in ${text} is not an intrinsic function`);
      const given: Expression[] = [];
      while (!this.#match(/\s*\)/y)) {
        if (given.length > 0 && !this.#match(/\s*,\s*/y)) this.#fail();
        given.push(this.expression());
      }
      return { kind: 'call', name, arguments: given, text };
    }
    const string = this.#match(/'((?:[^'\\]|\\.)*)'/sy);
    if (string) {
      const raw = string[1] as string;
      return { kind: 'literal', value: raw.replace(/\\(.)/gs, '$1'), raw };
    }
    const path = this.#match(/\$(?:[^\s,()[\]']|\[(?:'(?:[^'\\]|\\.)*'|[^\]'])*\])*/y);
    if (path) return pathOf(path[0]);
    const other = this.#match(/true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (other) return { kind: 'literal', value: JSON.parse(other[0]) };
    return this.#fail();
  }

  end(): void {
    if (this.#at < this.#text.length) this.#fail();
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text) ?? undefined;
    if (match) this.#at = pattern.lastIndex;
    return match;
  }

  #fail(): never {
    throw new Error(`${this.#text} cannot be read at character ${this.#at + 1}`);
  }
}

/**
 * The value of an expression.
 * @param read the value that a path leads to
 * @throws StateError `States.IntrinsicFailure`, or what `read` throws
 */
export function evaluate(
  expression: Expression,
  read: (expression: Extract<Expression, { kind: 'path' }>) => unknown,
): unknown {
  if (expression.kind === 'path') return read(expression);
  if (expression.kind === 'literal') return expression.value;
  const values = expression.arguments.map(argument => evaluate(argument, read));
  try {
    if (expression.name === 'States.Format') {
      const [template] = expression.arguments;
      const raw = template?.kind === 'literal' ? template.raw : undefined;
      return format(raw ?? z.string().parse(values[0]), values.slice(1));
    }
    return (functions[expression.name] as Intrinsic)(values);
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String((error as Error).message);
    throw new StateError('States.IntrinsicFailure', `${expression.text}: ${reason}`);
  }
}

/** `{}` takes the next value; a backslash before a brace makes it one. */
function format(template: string, values: readonly unknown[]): string {
  let next = 0;
  const text = template.replace(/\\(.)|\{\}/gs, (_, escaped: string | undefined) => {
    if (escaped !== undefined) return escaped;
    const value = values[next++];
    if (value === undefined || (typeof value === 'object' && value !== null))
      throw new Error('strings, numbers, booleans and null can be formatted, one for each {}');
    return String(value);
  });
  if (next !== values.length) throw new Error(`${values.length} values are given for ${next} {}`);
  return text;
}

type Intrinsic = (values: readonly unknown[]) => unknown;

/** An intrinsic function with its arguments' shapes. */
function intrinsic<const Shape extends readonly [] | readonly z.ZodType[]>(
  shape: Shape,
  run: (...values: { -readonly [Key in keyof Shape]: z.output<Shape[Key]> }) => unknown,
): Intrinsic {
  const schema = z.tuple(shape as unknown as [z.ZodType, ...z.ZodType[]]);
  return values => (run as (...all: unknown[]) => unknown)(...schema.parse([...values]));
}

const list = z.array(z.unknown());
const integer = z.number().transform(Math.round);
// "Intrinsics for JSONPath states": 1,000 items, 10,000 characters.
const maxRange = 1_000;
const shortText = z.string().max(10_000);

/** "Intrinsics for JSONPath states in Step Functions". */
const functions: Readonly<Record<string, Intrinsic>> = {
  // With its escapes: see `evaluate`.
  'States.Format': () => '',
  'States.StringToJson': intrinsic([z.string()], text => JSON.parse(text)),
  'States.JsonToString': intrinsic([z.unknown()], value => JSON.stringify(value)),
  'States.Array': values => [...values],
  'States.ArrayPartition': intrinsic([list, integer.pipe(z.number().positive())], (items, size) =>
    Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size)),
  ),
  'States.ArrayContains': intrinsic([list, z.unknown()], (items, wanted) =>
    items.some(item => isDeepStrictEqual(item, wanted)),
  ),
  'States.ArrayRange': intrinsic([integer, integer, integer], (first, last, by) => {
    if (by === 0) throw new Error('the increment is 0');
    const length = Math.max(0, Math.floor((last - first) / by) + 1);
    if (length > maxRange) throw new Error(`more than ${maxRange} items`);
    return Array.from({ length }, (_, index) => first + index * by);
  }),
  'States.ArrayGetItem': intrinsic([list, z.number().int()], (items, index) => {
    if (!(index in items)) throw new Error(`there is no item ${index}`);
    return items[index];
  }),
  'States.ArrayLength': intrinsic([list], items => items.length),
  'States.ArrayUnique': intrinsic([list], items =>
    items.filter((item, index) => items.findIndex(other => isDeepStrictEqual(item, other)) === index),
  ),
  'States.Base64Encode': intrinsic([shortText], text => Buffer.from(text).toString('base64')),
  'States.Base64Decode': intrinsic([shortText], text => Buffer.from(text, 'base64').toString()),
  'States.Hash': intrinsic([shortText, z.enum(['MD5', 'SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'])], (text, algorithm) =>
    createHash(algorithm.replace('-', '').toLowerCase()).update(text).digest('hex'),
  ),
  'States.JsonMerge': intrinsic(
    [
      z.record(z.string(), z.unknown()),
      z.record(z.string(), z.unknown()),
      z.literal(false, 'only shallow merges are run'),
    ],
    (first, second) => ({ ...first, ...second }),
  ),
  'States.MathRandom': values => {
    const [from, to] = z.tuple([integer, integer]).parse(values.slice(0, 2));
    if (values.length > 2) throw new Error('a seed is not run on this machine');
    return from + Math.floor(Math.random() * (to - from));
  },
  'States.MathAdd': intrinsic([integer, integer], (first, second) => first + second),
  'States.StringSplit': intrinsic([z.string(), z.string()], (text, separators) => {
    const parts = [''];
    for (const character of text) {
      if (separators.includes(character)) parts.push('');
      else parts[parts.length - 1] += character;
    }
    return parts.filter(part => part !== '');
  }),
  'States.UUID': intrinsic([], () => randomUUID()),
};
