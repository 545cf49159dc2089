import type { QueueMetrics } from '../sqs/queue.ts';
import type { MetricSink } from './metric.ts';

type Counts = Pick<QueueMetrics, 'sent' | 'received' | 'deleted'>;

/**
 * Publishes the figures of queues at each call, as SQS does once a minute ("Available CloudWatch metrics for Amazon
 * SQS"): zeros too, as of a queue that is in use.
 */
export function queueMetrics(queues: () => Readonly<Record<string, QueueMetrics>>, sink: MetricSink): () => void {
  const before = new Map<string, Counts>();
  return () => {
    for (const [QueueName, metrics] of Object.entries(queues())) {
      const last = before.get(QueueName) ?? { sent: 0, received: 0, deleted: 0 };
      before.set(QueueName, metrics);
      const put = (name: string, value: number, unit: 'Count' | 'Seconds' = 'Count') =>
        sink.put('AWS/SQS', name, { QueueName }, value, unit);
      put('ApproximateNumberOfMessagesVisible', metrics.visible);
      put('ApproximateNumberOfMessagesNotVisible', metrics.notVisible);
      put('ApproximateNumberOfMessagesDelayed', metrics.delayed);
      put('ApproximateAgeOfOldestMessage', metrics.oldestAgeSeconds, 'Seconds');
      put('NumberOfMessagesSent', metrics.sent - last.sent);
      put('NumberOfMessagesReceived', metrics.received - last.received);
      put('NumberOfMessagesDeleted', metrics.deleted - last.deleted);
    }
  };
}
