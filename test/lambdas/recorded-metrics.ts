import type { Metrics } from '../../lambdas/shared/metrics.ts';

/** Metrics that a test can read: sums by name, and by name and value of the dimension as `Disconnects[drain]`. */
export function recordedMetrics(): { readonly metrics: Metrics; readonly sums: Readonly<Record<string, number>> } {
  const sums: Record<string, number> = {};
  const metrics: Metrics = {
    put(name, value, ...[dimension]) {
      sums[name] = (sums[name] ?? 0) + value;
      if (dimension === undefined) return;
      const key = `${name}[${dimension}]`;
      sums[key] = (sums[key] ?? 0) + value;
    },
    flush() {},
  };
  return { metrics, sums };
}
