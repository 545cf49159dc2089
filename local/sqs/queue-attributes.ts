import type { PolicyDocument } from '../aws/service.ts';
import { invalidParameterValue } from './errors.ts';
import type { Queue } from './queue.ts';

/** What GetQueueAttributes answers, all of it. */
function allAttributes(queue: Queue, policy: PolicyDocument | undefined): Record<string, string> {
  const { settings, redrive } = queue;
  const metrics = queue.metrics();
  return {
    QueueArn: settings.arn,
    ApproximateNumberOfMessages: String(metrics.visible),
    ApproximateNumberOfMessagesNotVisible: String(metrics.notVisible),
    ApproximateNumberOfMessagesDelayed: String(metrics.delayed),
    VisibilityTimeout: String(settings.visibilityTimeoutSeconds),
    MaximumMessageSize: String(settings.maxMessageBytes),
    MessageRetentionPeriod: String(settings.retentionSeconds),
    DelaySeconds: String(settings.delaySeconds),
    ReceiveMessageWaitTimeSeconds: String(settings.receiveWaitSeconds),
    ...(policy ? { Policy: JSON.stringify(policy) } : {}),
    ...(redrive
      ? {
          RedrivePolicy: JSON.stringify({
            deadLetterTargetArn: redrive.target.arn,
            maxReceiveCount: redrive.maxReceiveCount,
          }),
        }
      : {}),
    ...(settings.fifo
      ? {
          FifoQueue: 'true',
          ContentBasedDeduplication: String(settings.contentBasedDeduplication),
          DeduplicationScope: settings.deduplicationScope,
          FifoThroughputLimit: settings.highThroughputCallsPerSecond === undefined ? 'perQueue' : 'perMessageGroupId',
        }
      : {}),
  };
}

// Attributes that the API knows but that this queue or the local environment has no value for.
const withoutValue = new Set([
  'CreatedTimestamp',
  'LastModifiedTimestamp',
  'Policy',
  'RedrivePolicy',
  'RedriveAllowPolicy',
  'KmsMasterKeyId',
  'KmsDataKeyReusePeriodSeconds',
  'SqsManagedSseEnabled',
  'FifoQueue',
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'FifoThroughputLimit',
]);

/** @throws AwsError `InvalidParameterValue` for a name that the API does not know. */
export function queueAttributes(
  queue: Queue,
  policy: PolicyDocument | undefined,
  names: readonly string[],
): Record<string, string> {
  const all = allAttributes(queue, policy);
  if (names.includes('All')) return all;
  const selected: Record<string, string> = {};
  for (const name of names) {
    const value = all[name];
    if (value !== undefined) selected[name] = value;
    else if (!withoutValue.has(name)) throw invalidParameterValue(`Unknown Attribute ${name}.`);
  }
  return selected;
}
