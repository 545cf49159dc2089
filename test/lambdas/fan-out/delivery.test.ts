import type { QueueRecord } from '../../../lambdas/fan-out/batch.ts';
import { readDelivery, readShardTask } from '../../../lambdas/fan-out/delivery.ts';
import { cursorOf } from '../../../lambdas/shared/protocol.ts';

const record = (body: string): QueueRecord => ({
  messageId: 'm',
  receiptHandle: 'r',
  body,
  sequenceNumber: '40',
  receiveCount: 1,
  sentAt: 7,
});

describe('a record of the queue of publications', () => {
  const publication = { channel: 'room:1', id: 'm1', data: { n: 1 }, publishedAt: 5 };

  test('is a publication with its place', () => {
    const body = JSON.stringify(publication);
    expect(readDelivery('room:1', record(body))).toEqual({ cursor: cursorOf('40'), publication, body, sentAt: 7 });
  });

  test('keeps what makes it a part of a message', () => {
    const part = { of: 'x', offset: 3, bytes: 9 };
    const delivery = readDelivery('room:1', record(JSON.stringify({ ...publication, part })));
    expect(delivery).toMatchObject({ publication: { part } });
  });

  test('may be a marker', () => {
    const marker = { channel: 'room:1', resync: true };
    expect(readDelivery('room:1', record(JSON.stringify(marker)))).toEqual(marker);
  });

  test.each([
    '',
    '{',
    '{}',
    '[]',
    'null',
    JSON.stringify({ ...publication, channel: 'a b' }),
    JSON.stringify({ ...publication, channel: 'room:2' }),
    JSON.stringify({ ...publication, publishedAt: 'now' }),
    JSON.stringify({ channel: 'room:2', resync: true }),
  ])('is no publication of the channel: %s', body => {
    expect(readDelivery('room:1', record(body))).toEqual({
      cursor: cursorOf('40'),
      publication: undefined,
      body,
      sentAt: 7,
    });
  });
});

describe('a record of the queue of shard tasks', () => {
  const task = { channel: 'room:1', shard: 2, full: true };
  const entries = { from: cursorOf('1'), to: cursorOf('2'), publishedAt: 5 };

  test.each([task, { ...task, entries }])('is a task: %j', given => {
    expect(readShardTask(record(JSON.stringify(given)))).toEqual(given);
  });

  test.each(['', '{}', JSON.stringify({ ...task, shard: -1 }), JSON.stringify({ ...task, entries: { from: '1' } })])(
    'is none: %s',
    body => {
      expect(readShardTask(record(body))).toBeUndefined();
    },
  );
});
