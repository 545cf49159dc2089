import { type Message, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { sendDeadLetter } from '../../../lambdas/fan-out/dead-letters.ts';
import type { ShardTask } from '../../../lambdas/fan-out/delivery.ts';
import { deliveryQueues, groupOf } from '../../../lambdas/fan-out/queues.ts';
import { cursorOf } from '../../../lambdas/shared/protocol.ts';
import { type LocalQueues, startQueues } from '../queues.ts';

let queues: LocalQueues;
let sends: ReturnType<typeof deliveryQueues>;

beforeEach(async () => {
  queues = await startQueues('Publications', 'ShardTasks', 'DeadLetters');
  const { Publications: publications = '', ShardTasks: shardTasks = '' } = queues.urls;
  sends = deliveryQueues(queues.client, { publications, shardTasks });
});
afterEach(() => queues.close());

async function all(queue: string): Promise<readonly Message[]> {
  const messages: Message[] = [];
  for (;;) {
    const { Messages = [] } = await queues.client.send(
      new ReceiveMessageCommand({
        QueueUrl: queues.urls[queue],
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
      }),
    );
    if (Messages.length === 0) return messages;
    messages.push(...Messages);
  }
}

const cursor = cursorOf('7');
const task = (shard: number, channel = 'room:1'): ShardTask => ({
  channel,
  shard,
  full: false,
  entries: { from: cursor, to: cursor, publishedAt: 5 },
});

test('every shard gets its task in a group of its own, once, also where there are more than a batch holds', async () => {
  const tasks = Array.from({ length: 23 }, (_, shard) => task(shard));
  await sends.sendTasks(tasks, 0);
  await sends.sendTasks(tasks, 0);
  const messages = await all('ShardTasks');
  expect(messages.map(({ Body }) => JSON.parse(Body ?? '')).sort((a, b) => a.shard - b.shard)).toEqual(tasks);
  expect(new Set(messages.map(({ Attributes }) => Attributes?.MessageGroupId)).size).toBe(23);
});

test('the group of a shard fits SQS, however long the name of the channel is', async () => {
  expect(groupOf({ channel: 'room:1', shard: 3 })).toBe('room:1#3');
  const names = ['x'.repeat(128), `${'x'.repeat(127)}y`];
  for (const channel of names) await sends.sendTasks([task(999, channel)], 0);
  expect(await all('ShardTasks')).toHaveLength(2);
});

test('to fetch what is missed is sent again, since it has no place', async () => {
  const { entries: _, ...resync } = task(0);
  await sends.sendTasks([resync], 1);
  await sends.sendTasks([resync], 2);
  expect(await all('ShardTasks')).toHaveLength(2);
});

test('a marker stands behind what is queued, once for each flush and group', async () => {
  const marker = { channel: 'room:1', resync: true } as const;
  await sends.sendMarker(marker, 5);
  await sends.sendMarker(marker, 5);
  await sends.sendMarker(marker, 6);
  expect((await all('Publications')).map(({ Body }) => JSON.parse(Body ?? ''))).toEqual([marker, marker]);
  for (const shard of [0, 0, 1]) await sends.sendShardMarker(task(shard), 5);
  expect(await all('ShardTasks')).toHaveLength(2);
});

test('a dead letter is kept as it came, with its reason and where it came from, once', async () => {
  const letter = { group: 'room:1', body: '{"not', reason: 'unreadable', source: 'https://q', place: cursor };
  for (let n = 0; n < 2; n += 1) await sendDeadLetter(queues.urls.DeadLetters ?? '', letter, queues.client);
  expect(await all('DeadLetters')).toMatchObject([
    {
      Body: '{"not',
      Attributes: { MessageGroupId: 'room:1' },
      MessageAttributes: { Reason: { StringValue: 'unreadable' }, Source: { StringValue: 'https://q' } },
    },
  ]);
});
