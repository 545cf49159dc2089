/** Nearest rank: the smallest value that is not below this share of all. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** `12 / 340 / 1,205 ms`: the quantiles one after the other, `-` of none. */
export function quantiles(values: readonly number[], shares: readonly number[]): string {
  if (values.length === 0) return '-';
  return `${shares.map(share => Math.round(quantile(values, share)).toLocaleString('en')).join(' / ')} ms`;
}
