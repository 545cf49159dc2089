import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { list, redrive } from '../../bin/dead-letters/dead-letters.ts';
import { allOnThisMachine, onAws } from '../../bin/dead-letters/target.ts';
import { sendDeadLetter } from '../../lambdas/fan-out/dead-letters.ts';
import { type LocalQueues, startQueues } from '../lambdas/queues.ts';

let queues: LocalQueues;
let deadLetters: string;
let publications: string;

beforeEach(async () => {
  queues = await startQueues('Publications', 'DeadLetters');
  ({ DeadLetters: deadLetters = '', Publications: publications = '' } = queues.urls);
});
afterEach(() => queues.close());

const putAway = (group: string, n: number) =>
  sendDeadLetter(
    deadLetters,
    { group, body: `body ${n}`, reason: 'unreadable', source: publications, place: `${n}` },
    queues.client,
  );

async function published(): Promise<readonly string[]> {
  const { Messages = [] } = await queues.client.send(
    new ReceiveMessageCommand({
      QueueUrl: publications,
      MaxNumberOfMessages: 10,
      MessageSystemAttributeNames: ['MessageGroupId'],
    }),
  );
  return Messages.map(({ Attributes, Body }) => `${Attributes?.MessageGroupId} ${Body}`);
}

test('a list tells how many there are and what they are, and takes none away', async () => {
  for (const [group, n] of [
    ['a', 1],
    ['a', 2],
    ['b', 3],
  ] as const)
    await putAway(group, n);
  for (let n = 0; n < 2; n += 1) {
    const { count, first } = await list(queues.client, deadLetters);
    expect(count).toBe(3);
    expect(first).toHaveLength(3);
    expect(first).toContainEqual({ group: 'b', reason: 'unreadable', since: expect.any(Date), bytes: 6 });
  }
});

test('redriven ones are new messages of their channels, in order', async () => {
  for (let n = 1; n <= 3; n += 1) await putAway('a', n);
  await queues.client.send(
    new SendMessageCommand({
      QueueUrl: publications,
      MessageBody: 'meanwhile',
      MessageGroupId: 'a',
      MessageDeduplicationId: 'm',
    }),
  );
  expect(await redrive(queues.client, deadLetters)).toBe(3);
  expect(await published()).toEqual(['a meanwhile', 'a body 1', 'a body 2', 'a body 3']);
  expect((await list(queues.client, deadLetters)).count).toBe(0);
});

test('no more than asked for are redriven', async () => {
  for (let n = 1; n <= 3; n += 1) await putAway('a', n);
  expect(await redrive(queues.client, deadLetters, 2)).toBe(2);
  expect(await published()).toEqual(['a body 1', 'a body 2']);
});

test('one that does not say where it came from stays', async () => {
  await queues.client.send(
    new SendMessageCommand({
      QueueUrl: deadLetters,
      MessageBody: 'x',
      MessageGroupId: 'a',
      MessageDeduplicationId: 'x',
    }),
  );
  await expect(redrive(queues.client, deadLetters)).rejects.toThrow('does not say which queue it came from');
});

test.each([
  'https://sqs.eu-central-1.amazonaws.com/123456789012/standard',
  'a-name',
  'https://evil.example.com/1/q.fifo',
])('%s is no queue that it could be', queueUrl => {
  expect(() => onAws(queueUrl)).toThrow('is no URL of a FIFO queue');
});

test('without an environment on this machine it says what to do', async () => {
  await expect(allOnThisMachine('/nonexistent')).rejects.toThrow('npm start, or give --queue');
});
