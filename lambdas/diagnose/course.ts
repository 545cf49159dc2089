/** How a number of connections went. */
export interface Course {
  readonly kind: 'steady' | 'sudden' | 'gradual';
  readonly scope: 'none' | 'some' | 'all';
  readonly most: number;
  readonly last: number;
  /** Epoch milliseconds of the steepest fall. */
  readonly fellAt?: number;
}

/** As many come and go anyway. */
const noise = 0.05;
/** So is one connection, however few there are: it may be the probe's, which comes and goes every minute. */
const noiseCount = 1;
/** The rest of a service that everybody was cut off from is who has come back since. */
const nearlyAll = 0.9;

/** @param series oldest first; undefined without a figure */
export function courseOf(series: readonly { readonly at: number; readonly value: number }[]): Course | undefined {
  const last = series.at(-1)?.value;
  if (last === undefined) return undefined;
  const most = Math.max(...series.map(({ value }) => value));
  const lost = most - last;
  if (lost <= noiseCount || lost / most < noise) return { kind: 'steady', scope: 'none', most, last };
  const falls = series
    .slice(1)
    .map(({ at, value }, index) => ({ at, fall: (series[index]?.value ?? 0) - value }))
    .sort((a, b) => b.fall - a.fall);
  const steepest = falls[0] ?? { at: 0, fall: 0 };
  return {
    kind: steepest.fall >= lost / 2 ? 'sudden' : 'gradual',
    scope: lost / most >= nearlyAll ? 'all' : 'some',
    most,
    last,
    fellAt: steepest.at,
  };
}
