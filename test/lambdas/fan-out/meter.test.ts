import { deliveryMeter } from '../../../lambdas/fan-out/meter.ts';
import type { LogEntry } from '../../../lambdas/shared/message-log.ts';
import type { Metrics } from '../../../lambdas/shared/metrics.ts';
import { cursorOf } from '../../../lambdas/shared/protocol.ts';

function metered() {
  const put: unknown[][] = [];
  const metrics = {
    put: (...given: unknown[]) => put.push(given),
    flush: () => put.push(['flush']),
  } as unknown as Metrics;
  return { put, meter: deliveryMeter(metrics, () => 1_000) };
}

const place = { channel: 'a', cursor: cursorOf('1'), previous: null };
const message = (publishedAt: number): LogEntry => ({ ...place, id: 'm', data: 1, publishedAt });

test('what an invocation did is put once, and nothing of it again', () => {
  const { put, meter } = metered();
  meter.delivered([message(900), { ...place, undeliverable: 'refused' }, message(990)], 3);
  meter.delivered([message(800)], 0);
  meter.postFailed('timeout');
  meter.postFailed('timeout');
  meter.postFailed('server');
  meter.undeliverable();
  meter.failed();
  meter.flush();
  expect(put).toEqual([
    ['MessagesDelivered', 6],
    ['DeliveryLatency', 100],
    ['DeliveryLatency', 10],
    ['PostFailures', 2, 'timeout'],
    ['PostFailures', 1, 'server'],
    ['UndeliverableMessages', 1],
    ['Errors', 1, 'delivery'],
    ['flush'],
  ]);
  put.length = 0;
  meter.flush();
  expect(put).toEqual([['flush']]);
});

test('no more latencies are put than a line of metrics can hold, and none is before its time', () => {
  const { put, meter } = metered();
  meter.delivered(
    Array.from({ length: 200 }, () => message(2_000)),
    1,
  );
  meter.flush();
  const latencies = put.filter(([name]) => name === 'DeliveryLatency');
  expect(latencies.length).toBeLessThan(100);
  expect(latencies.every(([, value]) => value === 0)).toBe(true);
});
