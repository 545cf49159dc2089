/** How one kind of figure is written in a runbook and kept in the code. */
export interface Quantity {
  /** What is expected, with an example. */
  readonly expects: string;
  /** The figure in the quantity's own unit; undefined if `text` is not one. */
  parse(text: string): number | undefined;
  /** As a runbook writes it, in the largest unit that leaves no fraction. */
  format(value: number): string;
}

const durations = { s: 1, min: 60, h: 3_600, d: 86_400 };

/** Whole seconds: `25 s`, `10 min`, `24 h`, `7 d`. */
export const seconds = wholeNumberIn(durations, 'a duration in s, min, h or d, such as `25 s`');

/** Whole milliseconds: `500 ms`, `1 s`, `2 min`. */
export const milliseconds = wholeNumberIn(
  { ms: 1, s: 1_000, min: 60_000 },
  'a duration in ms, s or min, such as `500 ms`',
);

// AWS's KB and MB are powers of two: API Gateway's 128 KB are 131,072 bytes, Lambda's 10,240 MB are 10 GiB.
const sizes = { B: 1, KB: 2 ** 10, KiB: 2 ** 10, MB: 2 ** 20, MiB: 2 ** 20 };

/** Bytes: `128 KB`, `1 MiB`. KB and KiB are both 1,024 bytes, MB and MiB both 1,048,576. */
export const bytes = wholeNumberIn(sizes, 'a size in B, KB or MiB, such as `128 KB`');

/** Whole MB of 1,048,576 bytes: `2048 MB`. */
export const megabytes = wholeNumberIn({ MB: 1, MiB: 1 }, 'a size in MB, such as `1024 MB`');

/** A number of things: `10000`. */
export const count: Quantity = {
  expects: 'a whole number, such as `10000`',
  parse: text => (/^\d+$/.test(text) ? Number(text) : undefined),
  format: value => String(value),
};

/** A part of a whole, kept as 0 to 1: `40 %`, `2.5 %`. */
export const share: Quantity = {
  expects: 'a percentage, such as `40 %`',
  parse: text => {
    const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text)?.[1];
    return percent === undefined ? undefined : Number(percent) / 100;
  },
  // 15 significant digits are what a double keeps of a decimal figure: 0.07 * 100 is 7.000000000000001.
  format: value => `${Number((value * 100).toPrecision(15))} %`,
};

function wholeNumberIn(units: Readonly<Record<string, number>>, expects: string): Quantity {
  return {
    expects,
    parse: text => {
      const [, figure, unit] = /^(\d+)\s*([A-Za-z]+)$/.exec(text) ?? [];
      const factor = unit !== undefined && Object.hasOwn(units, unit) ? units[unit] : undefined;
      return factor === undefined ? undefined : Number(figure) * factor;
    },
    format: value => {
      const fitting = Object.entries(units).filter(([, factor]) => value >= factor && value % factor === 0);
      const [unit, factor] = fitting.reduce((a, b) => (b[1] > a[1] ? b : a), Object.entries(units)[0] ?? ['', 1]);
      return `${value / factor} ${unit}`;
    },
  };
}
