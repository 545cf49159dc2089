import { eachGroup, type Group, type Progress } from '../../../lambdas/fan-out/batch.ts';

const record = (group: string, n: number, queue = 'publications') => ({
  messageId: `${group}-${n}`,
  receiptHandle: `r${n}`,
  body: `${n}`,
  eventSourceARN: queue,
  attributes: {
    SequenceNumber: String(n),
    MessageGroupId: group,
    ApproximateReceiveCount: '2',
    SentTimestamp: '1700000000000',
  },
});

async function handled(records: readonly object[], handle: (group: Group) => Promise<Progress>) {
  const left: { readonly group: string; readonly bodies: readonly string[]; readonly error: unknown }[] = [];
  const groups: Group[] = [];
  const response = await eachGroup(
    { Records: records },
    {
      handle(group) {
        groups.push(group);
        return handle(group);
      },
      async left({ id, records }, error) {
        left.push({ group: id, bodies: records.map(({ body }) => body), error });
      },
    },
  );
  return { groups, left, failed: response.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier) };
}

const all = async ({ records }: Group): Promise<Progress> => ({ done: records.length });

test('each group is handled by itself, in the order of the queue', async () => {
  const { groups, failed, left } = await handled([record('a', 9), record('b', 3), record('a', 10)], all);
  expect(failed).toEqual([]);
  expect(left).toEqual([]);
  expect(groups.map(({ id, records }) => [id, records.map(({ body }) => body)])).toEqual([
    ['a', ['9', '10']],
    ['b', ['3']],
  ]);
  expect(groups[1]?.records).toEqual([
    {
      messageId: 'b-3',
      receiptHandle: 'r3',
      body: '3',
      sequenceNumber: '3',
      receiveCount: 2,
      sentAt: 1_700_000_000_000,
    },
  ]);
});

test('groups of the same name in two queues are two', async () => {
  const { groups } = await handled([record('a', 1), record('a', 2, 'tasks')], all);
  expect(groups.map(({ queueArn, records }) => [queueArn, records.length])).toEqual([
    ['publications', 1],
    ['tasks', 1],
  ]);
});

test('a group that fails comes again whole, the others are done', async () => {
  const error = new Error('fails');
  const { failed, left } = await handled(
    [record('a', 1), record('b', 2), record('a', 3), record('c', 4)],
    async group => {
      if (group.id === 'a') throw error;
      return all(group);
    },
  );
  expect(failed).toEqual(['a-1', 'a-3']);
  expect(left).toEqual([{ group: 'a', bodies: ['1', '3'], error }]);
});

test.each([undefined, new Error('fails')])('of a group that comes some way the rest comes again (%s)', async error => {
  const { failed, left } = await handled([record('a', 1), record('a', 2), record('a', 3)], async () => ({
    done: 1,
    error,
  }));
  expect(failed).toEqual(['a-2', 'a-3']);
  expect(left).toEqual([{ group: 'a', bodies: ['2', '3'], error }]);
});

test('an event that is none of a FIFO queue is an error', async () => {
  const { attributes: _, ...standard } = record('a', 1);
  await expect(handled([standard], all)).rejects.toThrow('attributes');
});
