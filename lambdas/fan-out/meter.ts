import type { LogEntry } from '../shared/message-log.ts';
import type { DimensionValue } from '../shared/metric-catalogue.ts';
import type { Metrics } from '../shared/metrics.ts';

/** "Embedded metric format": a metric has 100 values at most in one line; a batch has few more messages than that, if any. */
const maxLatencies = 90;

/** Sums what an invocation does, so that it puts each metric once. */
export function deliveryMeter(metrics: Metrics, now: () => number) {
  let deliveries = 0;
  let undeliverable = 0;
  let errors = 0;
  let latencies: number[] = [];
  const failures = new Map<DimensionValue<'PostFailures'>, number>();
  return {
    /** Messages that had their posts, each to so many recipients. */
    delivered(entries: readonly LogEntry[], recipients: number): void {
      const time = now();
      for (const entry of entries) {
        if ('undeliverable' in entry || recipients === 0) continue;
        deliveries += recipients;
        if (latencies.length < maxLatencies) latencies.push(Math.max(0, time - entry.publishedAt));
      }
    },
    postFailed(reason: DimensionValue<'PostFailures'>): void {
      failures.set(reason, (failures.get(reason) ?? 0) + 1);
    },
    undeliverable(): void {
      undeliverable += 1;
    },
    failed(): void {
      errors += 1;
    },
    flush(): void {
      if (deliveries > 0) metrics.put('MessagesDelivered', deliveries);
      for (const latency of latencies) metrics.put('DeliveryLatency', latency);
      for (const [reason, count] of failures) metrics.put('PostFailures', count, reason);
      if (undeliverable > 0) metrics.put('UndeliverableMessages', undeliverable);
      if (errors > 0) metrics.put('Errors', errors, 'delivery');
      metrics.flush();
      deliveries = undeliverable = errors = 0;
      latencies = [];
      failures.clear();
    },
  };
}
