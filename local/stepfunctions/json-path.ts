/** One step of a path. */
type Step =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'slice'; readonly from: number | undefined; readonly to: number | undefined }
  | { readonly kind: 'descend'; readonly name: string | undefined };

/** A JSONPath of the kind that Step Functions and EventBridge take. */
export interface JsonPath {
  readonly text: string;
  readonly steps: readonly Step[];
  /** It leads to one value at most; the others give lists. */
  readonly definite: boolean;
}

const step =
  /\.\.(?:([^.[\]*'"()?@,:\s]+)|\*)|\.(?:([^.[\]*'"()?@,:\s]+)|\*)|\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(-?\d+)|\*|(-?\d+)?:(-?\d+)?)\]/y;

/** @throws Error where the path has no meaning, or is of a kind that is not run here (filters, functions, unions) */
export function parseJsonPath(text: string): JsonPath {
  if (!text.startsWith('$')) throw new Error(`the path ${text} does not begin with $`);
  const steps: Step[] = [];
  step.lastIndex = 1;
  while (step.lastIndex < text.length) {
    const at = step.lastIndex;
    const match = step.exec(text);
    if (!match)
      throw new Error(
        `the path ${text} cannot be read at character ${at + 1}: names, indexes, slices, * and .. are run, filters and functions are not`,
      );
    const [whole, descendant, name, single, double, index, from, to] = match;
    const quoted = single ?? double;
    if (whole.startsWith('..')) steps.push({ kind: 'descend', name: descendant });
    else if (name !== undefined) steps.push({ kind: 'name', name });
    else if (quoted !== undefined) steps.push({ kind: 'name', name: quoted.replace(/\\(.)/g, '$1') });
    else if (index !== undefined) steps.push({ kind: 'index', index: Number(index) });
    else if (whole.endsWith('*]') || whole === '.*') steps.push({ kind: 'all' });
    else
      steps.push({
        kind: 'slice',
        from: from === undefined ? undefined : Number(from),
        to: to === undefined ? undefined : Number(to),
      });
  }
  return { text, steps, definite: steps.every(({ kind }) => kind === 'name' || kind === 'index') };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const children = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];

function descendants(value: unknown): unknown[] {
  return [value, ...children(value).flatMap(descendants)];
}

function take(value: unknown, by: Step): unknown[] {
  switch (by.kind) {
    case 'name':
      return isObject(value) && Object.hasOwn(value, by.name) ? [value[by.name]] : [];
    case 'index': {
      if (!Array.isArray(value)) return [];
      const index = by.index < 0 ? value.length + by.index : by.index;
      return index in value ? [value[index]] : [];
    }
    case 'all':
      return children(value);
    case 'slice':
      return Array.isArray(value) ? value.slice(by.from, by.to) : [];
    case 'descend':
      return descendants(value).flatMap(each =>
        by.name === undefined ? children(each) : take(each, { kind: 'name', name: by.name }),
      );
  }
}

/** The value that a path leads to: undefined where a definite path leads nowhere, a list, perhaps empty, for others. */
export function readJsonPath({ steps, definite }: JsonPath, json: unknown): unknown {
  const found = steps.reduce<unknown[]>((values, by) => values.flatMap(value => take(value, by)), [json]);
  return definite ? found[0] : found;
}

/**
 * The value with another put at the place of a path, which may not be there yet.
 * @throws Error where the path is no reference path, or what is there already has no such place
 */
export function writeJsonPath({ text, steps }: JsonPath, json: unknown, value: unknown): unknown {
  const write = (target: unknown, index: number): unknown => {
    const by = steps[index];
    if (!by) return value;
    if (by.kind === 'name') {
      if (target !== undefined && !isObject(target)) throw new Error(`${text} leads through a value that is no object`);
      const own = target && Object.hasOwn(target, by.name) ? target[by.name] : undefined;
      return { ...target, [by.name]: write(own, index + 1) };
    }
    if (by.kind !== 'index') throw new Error(`${text} is not a reference path`);
    if (!Array.isArray(target) || by.index < 0 || by.index > target.length)
      throw new Error(`${text} leads to an item that is not there`);
    const items = [...target];
    items[by.index] = write(target[by.index], index + 1);
    return items;
  };
  return write(json, 0);
}
