/** One value a minute; undefined where none was put. */
export type Values = readonly (number | undefined)[];

/** A text that is no series; `column` counts from 1. */
export class SeriesError extends Error {
  readonly column: number;

  constructor(column: number, message: string) {
    super(message);
    this.name = 'SeriesError';
    this.column = column;
  }
}

const figure = String.raw`-?\d+(?:\.\d+)?`;
const item = new RegExp(
  String.raw`(?<missing>_)(?:x(?<gap>\d+))?|(?<first>${figure})(?:(?<step>[+-]\d+(?:\.\d+)?)?x(?<count>\d+))?`,
  'y',
);
const groupEnd = /\)x(\d+)/y;

/**
 * Reads values in promtool's compact notation: `5`, `5x3` (5 5 5), `0+10x4` (0 10 20 30), `_` and `_x3` for missing ones,
 * and beyond promtool `(1 2)x2` (1 2 1 2). The number after `x` is how many values there are; promtool's own is how many
 * follow the first.
 * @throws SeriesError
 */
export function parseSeries(text: string): Values {
  let position = 0;
  const skipBlanks = () => {
    while (text[position] === ' ') position += 1;
  };
  const wrong = (expected: string): SeriesError =>
    new SeriesError(position + 1, `\`${text.slice(position).split(' ')[0] ?? ''}\`; expected ${expected}`);
  const matched = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = position;
    const found = pattern.exec(text) ?? undefined;
    const end = position + (found?.[0].length ?? 0);
    // `5y3` is a mistake, and not the value 5.
    if (!found || !/^[ )]?$/.test(text[end] ?? '')) return undefined;
    position = end;
    return found;
  };

  function sequence(inGroup: boolean): (number | undefined)[] {
    const values: (number | undefined)[] = [];
    for (skipBlanks(); position < text.length; skipBlanks()) {
      if (text[position] === ')' && inGroup) break;
      values.push(...(text[position] === '(' ? group() : run()));
    }
    return values;
  }

  function group(): (number | undefined)[] {
    position += 1;
    const values = sequence(true);
    const end = matched(groupEnd);
    if (!end) throw wrong('`)x` and how often');
    return Array.from({ length: Number(end[1]) }, () => values).flat();
  }

  function run(): (number | undefined)[] {
    const { missing, gap, first, step, count } = matched(item)?.groups ?? {};
    if (missing !== undefined) return new Array<undefined>(Number(gap ?? 1)).fill(undefined);
    if (first === undefined) throw wrong('a value such as `5`, `5x3`, `0+10x4`, `_`, `_x3` or `(1 2)x3`');
    // Rounded, so that 0.3-0.1x4 ends with 0 (which 0 + makes of -0).
    return Array.from(
      { length: Number(count ?? 1) },
      (_, index) => 0 + Number((Number(first) + index * Number(step ?? 0)).toFixed(10)),
    );
  }

  const values = sequence(false);
  if (values.length === 0) throw wrong('at least one value');
  return values;
}
