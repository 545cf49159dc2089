import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageStore } from '../../../local/sqs/message-store.ts';
import { Queue, type QueueSettings, type ReceivedMessage } from '../../../local/sqs/queue.ts';
import { ManualClock } from '../manual-clock.ts';

const base: QueueSettings = {
  arn: 'arn:aws:sqs:eu-central-1:123456789012:orders',
  fifo: false,
  contentBasedDeduplication: false,
  deduplicationScope: 'queue',
  highThroughputCallsPerSecond: undefined,
  delaySeconds: 0,
  maxMessageBytes: 1_048_576,
  retentionSeconds: 345_600,
  receiveWaitSeconds: 0,
  visibilityTimeoutSeconds: 30,
};

let directory: string;
let store: MessageStore;
let clock: ManualClock;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'queue-'));
  store = new MessageStore(directory);
  clock = new ManualClock();
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true });
});

const fifo = (settings: Partial<QueueSettings> = {}): Queue =>
  new Queue({ ...base, arn: `${base.arn}.fifo`, fifo: true, ...settings }, store, clock);
const standard = (settings: Partial<QueueSettings> = {}): Queue => new Queue({ ...base, ...settings }, store, clock);
const bodies = (messages: readonly ReceivedMessage[]): string[] => messages.map(({ body }) => body);

let nextId = 0;
const send = (queue: Queue, body: string, groupId = 'g', deduplicationId = `id-${nextId++}`) =>
  queue.send({ body, groupId, deduplicationId, senderId: 'sender' });

describe('a FIFO queue', () => {
  it('hands out nothing of a group while one of its messages is in flight', async () => {
    const queue = fifo();
    for (const body of ['a1', 'a2']) send(queue, body, 'a');
    send(queue, 'b1', 'b');
    const [first] = await queue.receive({ max: 1 });
    expect(first?.body).toBe('a1');
    expect(bodies(await queue.receive({ max: 10 }))).toEqual(['b1']);
    queue.delete(first?.receiptHandle ?? '');
    expect(bodies(await queue.receive({ max: 10 }))).toEqual(['a2']);
  });

  it('hands out a whole run of a group in order, and again in order after the timeout', async () => {
    const queue = fifo();
    for (const body of ['1', '2', '3']) send(queue, body);
    expect(bodies(await queue.receive({ max: 10 }))).toEqual(['1', '2', '3']);
    expect(await queue.receive({ max: 10 })).toEqual([]);
    clock.advance(30_000);
    const again = await queue.receive({ max: 2 });
    expect(bodies(again)).toEqual(['1', '2']);
    expect(again[0]?.attributes.ApproximateReceiveCount).toBe('2');
  });

  it('keeps the rest of a group back until the last message in flight is settled', async () => {
    const queue = fifo();
    for (const body of ['1', '2', '3']) send(queue, body);
    const [first, second] = await queue.receive({ max: 2 });
    queue.changeVisibility(first?.receiptHandle ?? '', 0);
    expect(await queue.receive({ max: 10 })).toEqual([]);
    queue.delete(second?.receiptHandle ?? '');
    expect(bodies(await queue.receive({ max: 10 }))).toEqual(['1', '3']);
  });

  it('numbers messages with 20 digits that rise and are not consecutive', () => {
    const queue = fifo();
    const numbers = Array.from({ length: 200 }, (_, index) => send(queue, String(index)).sequenceNumber ?? '');
    expect(numbers.every(number => /^\d{20}$/.test(number))).toBe(true);
    expect([...numbers].sort()).toEqual(numbers);
    expect(new Set(numbers).size).toBe(numbers.length);
    const steps = numbers.slice(1).map((number, index) => BigInt(number) - BigInt(numbers[index] ?? 0));
    expect(steps.some(step => step > 1n)).toBe(true);
  });

  it('accepts a duplicate within 5 minutes and delivers it never, even after the first was deleted', async () => {
    const queue = fifo();
    const first = send(queue, 'x', 'g', 'same');
    const [received] = await queue.receive();
    queue.delete(received?.receiptHandle ?? '');
    clock.advance(299_999);
    const duplicate = send(queue, 'other data', 'another-group', 'same');
    expect(BigInt(duplicate.sequenceNumber ?? 0)).toBeGreaterThan(BigInt(first.sequenceNumber ?? 0));
    expect(await queue.receive()).toEqual([]);
    clock.advance(1);
    send(queue, 'y', 'g', 'same');
    expect(bodies(await queue.receive())).toEqual(['y']);
  });

  it('deduplicates within a group only, where the scope says so', async () => {
    const queue = fifo({ deduplicationScope: 'messageGroup' });
    send(queue, 'a', 'a', 'same');
    send(queue, 'b', 'b', 'same');
    send(queue, 'a again', 'a', 'same');
    expect(bodies(await queue.receive({ max: 10 }))).toEqual(['a', 'b']);
  });

  it('takes the body as deduplication id where that is enabled, and refuses messages without id otherwise', async () => {
    const queue = fifo({ contentBasedDeduplication: true });
    for (const body of ['x', 'x', 'y']) queue.send({ body, groupId: 'g', senderId: 's' });
    expect(bodies(await queue.receive({ max: 10 }))).toEqual(['x', 'y']);
    expect(() => fifo().send({ body: 'x', groupId: 'g', senderId: 's' })).toThrow('ContentBasedDeduplication');
    expect(() => fifo().send({ body: 'x', deduplicationId: 'd', senderId: 's' })).toThrow('MessageGroupId');
  });

  it('refuses to delete with a handle whose visibility timeout ran out, and keeps the message', async () => {
    const queue = fifo();
    send(queue, 'x');
    const [stale] = await queue.receive();
    clock.advance(30_000);
    expect(() => queue.delete(stale?.receiptHandle ?? '')).toThrow('The receipt handle has expired');
    const [current] = await queue.receive();
    expect(() => queue.delete(stale?.receiptHandle ?? '')).toThrow('The receipt handle has expired');
    expect(() => queue.changeVisibility(stale?.receiptHandle ?? '', 5)).toThrow('expired');
    queue.delete(current?.receiptHandle ?? '');
    queue.delete(current?.receiptHandle ?? '');
    expect(queue.metrics()).toMatchObject({ visible: 0, notVisible: 0 });
  });

  it('moves a message that was received too often to the dead-letter queue, as a new one of the same group', async () => {
    const queue = fifo();
    const dead = fifo({ arn: `${base.arn}-dead.fifo` });
    queue.redrive = { target: dead, maxReceiveCount: 2 };
    const sent = send(queue, 'poison', 'g');
    send(queue, 'next', 'g');
    for (const _ of [1, 2]) {
      expect(bodies(await queue.receive({ max: 1 }))).toEqual(['poison']);
      clock.advance(30_000);
    }
    expect(bodies(await queue.receive({ max: 1 }))).toEqual(['next']);
    const [moved] = await dead.receive();
    expect(moved).toMatchObject({ body: 'poison', messageId: sent.messageId });
    expect(moved?.attributes).toMatchObject({ MessageGroupId: 'g', DeadLetterQueueSourceArn: queue.arn });
    expect(moved?.attributes.SequenceNumber).not.toBe(sent.sequenceNumber);
  });

  it('looks at the oldest messages only for groups to hand out', async () => {
    const queue = fifo({ maxInFlight: 3 });
    for (const body of ['a1', 'a2', 'a3', 'a4']) send(queue, body, 'a');
    send(queue, 'b1', 'b');
    const [first] = await queue.receive({ max: 1 });
    expect(await queue.receive({ max: 10 })).toEqual([]);
    queue.delete(first?.receiptHandle ?? '');
    const [second] = await queue.receive({ max: 1 });
    queue.delete(second?.receiptHandle ?? '');
    expect(bodies(await queue.receive({ max: 10 }))).toEqual(['a3', 'a4', 'b1']);
  });

  it('delays all messages where the queue says so, and refuses a delay of one', async () => {
    const queue = fifo({ delaySeconds: 5 });
    send(queue, 'x');
    expect(queue.metrics()).toMatchObject({ delayed: 1, visible: 0 });
    expect(await queue.receive()).toEqual([]);
    clock.advance(5_000);
    expect(bodies(await queue.receive())).toEqual(['x']);
    expect(() => queue.send({ body: 'y', groupId: 'g', deduplicationId: 'y', delaySeconds: 1, senderId: 's' })).toThrow(
      'DelaySeconds',
    );
  });

  it('takes 300 calls a second of each action', () => {
    const queue = fifo();
    for (let call = 0; call < 300; call++) queue.admit('SendMessage', ['g']);
    expect(() => queue.admit('SendMessage', ['h'])).toThrow('Rate exceeded');
    queue.admit('DeleteMessage', ['g']);
    clock.advance(1_000);
    queue.admit('SendMessage', ['g']);
  });

  it('takes 300 calls a second of each group with high throughput', () => {
    const queue = fifo({ deduplicationScope: 'messageGroup', highThroughputCallsPerSecond: 1_000 });
    for (let call = 0; call < 300; call++) queue.admit('SendMessage', ['g']);
    expect(() => queue.admit('SendMessage', ['g'])).toThrow('Rate exceeded: 300');
    for (let call = 0; call < 699; call++) queue.admit('SendMessage', [`h${call}`]);
    expect(() => queue.admit('SendMessage', ['other'])).toThrow('Rate exceeded: 1000');
  });
});

describe('a standard queue', () => {
  it('deletes with the latest handle even after the timeout, and ignores older ones', async () => {
    const queue = standard();
    queue.send({ body: 'x', senderId: 's' });
    const [old] = await queue.receive();
    clock.advance(30_000);
    const [latest] = await queue.receive();
    clock.advance(30_000);
    queue.delete(old?.receiptHandle ?? '');
    expect(queue.metrics().visible).toBe(1);
    queue.delete(latest?.receiptHandle ?? '');
    expect(queue.metrics().visible).toBe(0);
  });

  it('says when too many messages are in flight', async () => {
    const queue = standard({ maxInFlight: 2 });
    for (const body of ['1', '2', '3']) queue.send({ body, senderId: 's' });
    expect(await queue.receive({ max: 10 })).toHaveLength(2);
    await expect(queue.receive()).rejects.toMatchObject({ code: 'OverLimit' });
  });

  it('delays a message on request', async () => {
    const queue = standard();
    queue.send({ body: 'later', delaySeconds: 10, senderId: 's' });
    expect(await queue.receive()).toEqual([]);
    clock.advance(10_000);
    expect(bodies(await queue.receive())).toEqual(['later']);
  });

  it('changes the visibility of a message in flight only, and to 12 hours from its receive at most', async () => {
    const queue = standard();
    queue.send({ body: 'x', senderId: 's' });
    const [message] = await queue.receive();
    const handle = message?.receiptHandle ?? '';
    queue.changeVisibility(handle, 60);
    clock.advance(59_999);
    expect(await queue.receive()).toEqual([]);
    expect(() => queue.changeVisibility(handle, 43_200)).toThrow('beyond the limit');
    clock.advance(1);
    expect(() => queue.changeVisibility(handle, 1)).toThrow(expect.objectContaining({ code: 'MessageNotInflight' }));
    expect(bodies(await queue.receive())).toEqual(['x']);
  });
});

describe('every queue', () => {
  it('answers a receive that waits as soon as a message comes, and else after its time', async () => {
    const queue = fifo();
    const waiting = queue.receive({ waitSeconds: 20 });
    clock.advance(1_000);
    send(queue, 'x');
    expect(bodies(await waiting)).toEqual(['x']);
    const inVain = queue.receive({ waitSeconds: 20 });
    clock.advance(20_000);
    expect(await inVain).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  it('answers a receive that waits when a message becomes visible or a group free', async () => {
    const queue = fifo();
    for (const body of ['1', '2']) send(queue, body);
    const [first] = await queue.receive({ max: 1, visibilityTimeoutSeconds: 5 });
    const afterDelete = queue.receive({ waitSeconds: 20, visibilityTimeoutSeconds: 5 });
    queue.delete(first?.receiptHandle ?? '');
    expect(bodies(await afterDelete)).toEqual(['2']);
    const afterTimeout = queue.receive({ waitSeconds: 20 });
    clock.advance(5_000);
    expect(bodies(await afterTimeout)).toEqual(['2']);
  });

  it('ends the wait of a receive that is given up, and hands it nothing later', async () => {
    const queue = standard();
    const stop = new AbortController();
    const waiting = queue.receive({ waitSeconds: 20, signal: stop.signal });
    stop.abort();
    expect(await waiting).toEqual([]);
    queue.send({ body: 'x', senderId: 's' });
    expect(queue.metrics()).toMatchObject({ visible: 1, notVisible: 0 });
    expect(clock.timers).toBe(0);
  });

  it('drops messages at the end of their retention, in flight or not', async () => {
    const queue = standard({ retentionSeconds: 60, visibilityTimeoutSeconds: 300 });
    queue.send({ body: 'old', senderId: 's' });
    await queue.receive();
    clock.advance(30_000);
    queue.send({ body: 'young', senderId: 's' });
    expect(queue.metrics()).toMatchObject({ visible: 1, notVisible: 1, oldestAgeSeconds: 30 });
    clock.advance(30_000);
    expect(queue.metrics()).toMatchObject({ visible: 1, notVisible: 0, oldestAgeSeconds: 30 });
  });

  it('is purged once a minute at most', async () => {
    const queue = fifo();
    for (const body of ['1', '2', '3']) send(queue, body);
    await queue.receive();
    queue.purge();
    expect(queue.metrics()).toMatchObject({ visible: 0, notVisible: 0, delayed: 0, oldestAgeSeconds: 0 });
    expect(() => queue.purge()).toThrow(expect.objectContaining({ code: 'PurgeQueueInProgress' }));
    send(queue, 'new');
    expect(bodies(await queue.receive())).toEqual(['new']);
    clock.advance(60_000);
    queue.purge();
  });

  it.each([
    ['an empty body', { body: '' }, 'MissingParameter'],
    ['a character that XML forbids', { body: 'a\u0000' }, 'InvalidMessageContents'],
    ['a lone surrogate', { body: 'a\ud800' }, 'InvalidMessageContents'],
    ['more than 1 MiB', { body: 'é'.repeat(524_289) }, 'InvalidParameterValue'],
    [
      'an empty attribute',
      { body: 'a', attributes: { n: { DataType: 'String', StringValue: '' } } },
      'InvalidParameterValue',
    ],
    [
      'an attribute type of its own',
      { body: 'a', attributes: { n: { DataType: 'Date', StringValue: 'x' } } },
      'InvalidParameterValue',
    ],
    ['a group id that is too long', { body: 'a', groupId: 'g'.repeat(129) }, 'InvalidParameterValue'],
    ['a deduplication id, being standard', { body: 'a', deduplicationId: 'd' }, 'InvalidParameterValue'],
  ])('refuses %s', (_, message, code) => {
    const queue = standard();
    expect(() => queue.send({ ...message, senderId: 's' })).toThrow(expect.objectContaining({ code }));
    expect(queue.metrics().visible).toBe(0);
  });

  it('refuses handles that are none', () => {
    expect(() => standard().delete('nonsense')).toThrow(expect.objectContaining({ code: 'ReceiptHandleIsInvalid' }));
  });

  it('finds everything again after a restart', async () => {
    const queue = fifo();
    const sent = send(queue, 'in flight', 'a', 'id-of-a');
    send(queue, 'waiting', 'b');
    const [inFlight] = await queue.receive({ max: 1 });
    queue.close();
    store.close();

    store = new MessageStore(directory);
    clock.advance(10_000);
    const reopened = fifo();
    expect(reopened.metrics()).toMatchObject({ visible: 1, notVisible: 1 });
    expect(bodies(await reopened.receive({ max: 10 }))).toEqual(['waiting']);
    send(reopened, 'a duplicate', 'a', 'id-of-a');
    clock.advance(20_000);
    const again = await reopened.receive({ max: 10 });
    expect(bodies(again)).toEqual(['in flight']);
    expect(again[0]?.attributes).toMatchObject({ ApproximateReceiveCount: '2', SequenceNumber: sent.sequenceNumber });
    expect(() => reopened.delete(inFlight?.receiptHandle ?? '')).toThrow('expired');
  });

  it('goes on with higher sequence numbers after a restart with an earlier clock', () => {
    const before = send(fifo(), 'x').sequenceNumber ?? '';
    store.close();
    store = new MessageStore(directory);
    clock = new ManualClock(clock.now() - 3_600_000);
    const after = send(fifo(), 'y').sequenceNumber ?? '';
    expect(after > before).toBe(true);
  });
});
