import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { furtherBatches, handleAnotherBatch } from '../../../lambdas/fan-out/another-batch.ts';
import type { Group, Progress } from '../../../lambdas/fan-out/batch.ts';
import { retryAfter } from '../../../lambdas/fan-out/retry.ts';
import { type LocalQueues, startQueues } from '../queues.ts';

let queues: LocalQueues;
beforeEach(async () => {
  queues = await startQueues('Publications');
});
afterEach(() => queues.close());

const url = () => queues.urls.Publications ?? '';

async function send(group: string, ...bodies: readonly string[]) {
  for (const body of bodies)
    await queues.client.send(
      new SendMessageCommand({
        QueueUrl: url(),
        MessageGroupId: group,
        MessageDeduplicationId: body,
        MessageBody: body,
      }),
    );
}

async function receive(): Promise<readonly (string | undefined)[]> {
  const { Messages = [] } = await queues.client.send(
    new ReceiveMessageCommand({ QueueUrl: url(), MaxNumberOfMessages: 10 }),
  );
  return Messages.map(({ Body }) => Body);
}

async function handled(handle: (group: Group) => Promise<Progress>) {
  const groups: (readonly [string, readonly string[]])[] = [];
  await handleAnotherBatch(
    { url: url(), arn: 'publications' },
    {
      handle(group) {
        groups.push([group.id, group.records.map(({ body }) => body)]);
        return handle(group);
      },
      left: ({ records }) => retryAfter(0, url(), records, queues.client),
    },
    queues.client,
  );
  return groups;
}

const all = async ({ records }: Group): Promise<Progress> => ({ done: records.length });

test('another batch is of groups of which nothing is under way, and what is done of it is gone', async () => {
  await send('a', 'a1');
  expect(await receive()).toEqual(['a1']);
  await send('a', 'a2');
  await send('b', 'b1', 'b2');
  expect(await handled(all)).toEqual([['b', ['b1', 'b2']]]);
  await send('b', 'b3');
  expect(await handled(all)).toEqual([['b', ['b3']]]);
  expect(await handled(all)).toEqual([]);
});

test('what is not done of it comes again, in order', async () => {
  await send('a', 'a1', 'a2', 'a3');
  await send('b', 'b1');
  expect(
    await handled(async ({ id, records }) => {
      if (id === 'b') throw new Error('not now');
      return { done: records.length - 2 };
    }),
  ).toHaveLength(2);
  expect((await handled(all)).toSorted()).toEqual([
    ['a', ['a2', 'a3']],
    ['b', ['b1']],
  ]);
  expect(await receive()).toEqual([]);
});

test.each([
  ['delivery is not scaled', 1, 10, 0],
  ['little waits', 5, 9, 0],
  ['much waits', 5, 10, 4],
  ['more is asked for than fits the memory', 64, 10, 9],
])('where %s', (_, scale, records, expected) => {
  expect(furtherBatches(scale, records)).toBe(expected);
});
