import { type Expression, evaluate, parseExpression } from './intrinsic-functions.ts';
import { type JsonPath, parseJsonPath, readJsonPath, writeJsonPath } from './json-path.ts';
import { runtimeError, StateError } from './state-error.ts';

/** "Step Functions service quotas": input or result of a task, state or execution, bytes as UTF-8. */
export const maxPayloadBytes = 262_144;

/** What `$` and `$$` stand for. */
export interface Data {
  readonly input: unknown;
  /** The context object. */
  readonly context: unknown;
}

/** Paths and calls are parsed once; a definition has few. */
const expressions = new Map<string, Expression>();
const referencePaths = new Map<string, JsonPath>();

function kept<Parsed>(cache: Map<string, Parsed>, text: string, parse: (text: string) => Parsed): Parsed {
  let parsed = cache.get(text);
  if (parsed === undefined) {
    parsed = parse(text);
    cache.set(text, parsed);
  }
  return parsed;
}

function valueAt(path: JsonPath, ofContext: boolean, data: Data): unknown {
  return readJsonPath(path, ofContext ? data.context : data.input);
}

/** The value of a path or intrinsic function; undefined where a path leads nowhere. @throws StateError `States.IntrinsicFailure` */
export function find(text: string, data: Data): unknown {
  const expression = kept(expressions, text, parseExpression);
  if (expression.kind === 'path') return valueAt(expression.path, expression.ofContext, data);
  return evaluate(expression, ({ path, ofContext }) => {
    const value = valueAt(path, ofContext, data);
    if (value === undefined)
      throw runtimeError(`The JSONPath argument for the field '${text}' could not be found in the input`);
    return value;
  });
}

/** As `find`. @throws StateError `States.Runtime` where a path leads nowhere */
export function read(text: string, data: Data, field: string): unknown {
  const value = find(text, data);
  if (value === undefined) {
    const input = JSON.stringify(text.startsWith('$$') ? data.context : data.input);
    throw runtimeError(
      `The JSONPath '${text}' specified for the field '${field}' could not be found in the input '${input}'`,
    );
  }
  return value;
}

/** `InputPath` or `OutputPath`. */
export function select(path: string | null | undefined, data: Data, field: string): unknown {
  if (path === undefined) return data.input;
  return path === null ? {} : read(path, data, field);
}

/** Fills in a payload template: keys that end in `.$` are replaced by what stands there. */
export function fill(template: unknown, data: Data): unknown {
  if (Array.isArray(template)) return template.map(item => fill(item, data));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(
    Object.entries(template).map(([key, value]) =>
      key.endsWith('.$') ? [key.slice(0, -2), read(String(value), data, key)] : [key, fill(value, data)],
    ),
  );
}

/** The input with a result put where `ResultPath` says. @throws StateError `States.ResultPathMatchFailure` */
export function place(path: string | null | undefined, input: unknown, result: unknown): unknown {
  if (path === null) return input;
  if (path === undefined || path === '$') return result;
  try {
    return writeJsonPath(kept(referencePaths, path, parseJsonPath), input, result);
  } catch (error) {
    throw new StateError('States.ResultPathMatchFailure', (error as Error).message);
  }
}

/** @throws StateError `States.DataLimitExceeded` */
export function checkSize(value: unknown, what: string): void {
  if (Buffer.byteLength(JSON.stringify(value) ?? 'null') > maxPayloadBytes)
    throw new StateError(
      'States.DataLimitExceeded',
      `${what} returned a result with a size exceeding the maximum number of bytes service limit.`,
    );
}
