import { deliverBatch } from '../../../lambdas/fan-out/batch.ts';
import type { Delivery } from '../../../lambdas/fan-out/deliver.ts';
import type { FailedRecord } from '../../../lambdas/fan-out/retry.ts';

const record = (channel: string, n: number, body?: string) => ({
  messageId: `${channel}-${n}`,
  receiptHandle: 'r',
  body: body ?? JSON.stringify({ channel, id: `m${n}`, data: n, publishedAt: 5 }),
  attributes: { SequenceNumber: String(n), MessageGroupId: channel, ApproximateReceiveCount: '1' },
});

async function handled(records: readonly object[], fails: (channel: string) => boolean = () => false) {
  const delivered: Record<string, readonly Delivery[]> = {};
  const failures: Record<string, unknown> = {};
  const given: Record<string, readonly FailedRecord[]> = {};
  const response = await deliverBatch(
    { Records: records },
    async (channel, deliveries) => {
      if (fails(channel)) throw new Error(`${channel} fails`);
      delivered[channel] = deliveries;
    },
    (channel, error, failedRecords) => {
      failures[channel] = error;
      given[channel] = failedRecords;
    },
  );
  return { delivered, failures, given, failed: response.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier) };
}

test('each channel is delivered by itself, in the order of the queue', async () => {
  const { delivered, failed } = await handled([record('a', 9), record('b', 3), record('a', 10), record('b', 40)]);
  expect(failed).toEqual([]);
  expect(Object.keys(delivered)).toEqual(['a', 'b']);
  expect(delivered.a?.map(({ id }) => id)).toEqual(['m9', 'm10']);
  expect(delivered.b?.[1]).toEqual({
    channel: 'b',
    id: 'm40',
    data: 40,
    publishedAt: 5,
    cursor: '40'.padStart(39, '0'),
  });
});

test('a channel that fails comes again whole, the others are done', async () => {
  const records = [record('a', 1), record('b', 2), record('a', 3), record('c', 4)];
  const { delivered, failures, given, failed } = await handled(records, channel => channel === 'a');
  expect(failed).toEqual(['a-1', 'a-3']);
  expect(given).toEqual({
    a: ['a-1', 'a-3'].map(messageId => ({ messageId, receiptHandle: 'r', receiveCount: 1 })),
  });
  expect(failures).toEqual({ a: new Error('a fails') });
  expect(Object.keys(delivered)).toEqual(['b', 'c']);
});

test.each(['', '{', '{}', '[]', '{"channel":"a b","id":"1","data":1,"publishedAt":1}'])(
  'a message that cannot be read (%j) fails its channel only',
  async body => {
    const { delivered, failures, failed } = await handled([record('a', 1), record('a', 2, body), record('b', 3)]);
    expect(failed).toEqual(['a-1', 'a-2']);
    expect(Object.keys(failures)).toEqual(['a']);
    expect(Object.keys(delivered)).toEqual(['b']);
  },
);

test('an event that is none of a FIFO queue is an error', async () => {
  const { attributes: _, ...standard } = record('a', 1);
  await expect(handled([standard])).rejects.toThrow('attributes');
});
