import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Place, Resource } from '../../../local/assembly/resource.ts';
import { AwsError, type FunctionInvoker, type InvocationResult } from '../../../local/aws/service.ts';
import { type EventSourceMappings, startEventSourceMappings } from '../../../local/lambda/event-source-mapping.ts';
import type { Queue } from '../../../local/sqs/queue.ts';
import { type Sqs, startSqs } from '../../../local/sqs/service.ts';
import { ManualClock } from '../manual-clock.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const role = 'arn:aws:iam::123456789012:role/worker';
const functionArn = 'arn:aws:lambda:eu-central-1:123456789012:function:worker';
const arnOf = (name: string): string => `arn:aws:sqs:eu-central-1:123456789012:${name}`;

const queueResource = (name: string): Resource => ({
  stack: 's',
  logicalId: name.replace('.', ''),
  type: 'AWS::SQS::Queue',
  properties: { QueueName: name, FifoQueue: name.endsWith('.fifo'), VisibilityTimeout: 60 },
  physicalId: `https://sqs.eu-central-1.amazonaws.com/123456789012/${name}`,
  attributes: { Arn: arnOf(name), QueueName: name },
});

const mapping = (queue: string, properties: Record<string, unknown> = {}): Resource => ({
  stack: 's',
  logicalId: 'Mapping',
  type: 'AWS::Lambda::EventSourceMapping',
  properties: { EventSourceArn: arnOf(queue), FunctionName: 'worker', ...properties },
  physicalId: 'mapping-id',
  attributes: { EventSourceMappingArn: 'arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:mapping-id' },
});

interface SqsEvent {
  readonly Records: readonly {
    readonly messageId: string;
    readonly body: string;
    readonly attributes: Record<string, string>;
  }[];
}

/** An invocation that the test answers. */
interface Invocation {
  readonly functionArn: string;
  readonly event: SqsEvent;
  readonly bodies: string[];
  succeed(payload?: unknown): void;
  fail(error?: Error): void;
}

class Worker implements FunctionInvoker {
  readonly #arrived: Invocation[] = [];
  readonly #awaited: ((invocation: Invocation) => void)[] = [];
  running = 0;

  invoke(arn: string, event: unknown): Promise<InvocationResult> {
    this.running++;
    return new Promise<InvocationResult>((resolve, reject) => {
      const sqsEvent = event as SqsEvent;
      const invocation: Invocation = {
        functionArn: arn,
        event: sqsEvent,
        bodies: sqsEvent.Records.map(({ body }) => body),
        succeed: (payload = null) => resolve({ ok: true, payload }),
        fail: error => (error ? reject(error) : resolve({ ok: false, errorType: 'Error', errorMessage: 'failed' })),
      };
      const waiting = this.#awaited.shift();
      if (waiting) waiting(invocation);
      else this.#arrived.push(invocation);
    }).finally(() => {
      this.running--;
    });
  }

  next(): Promise<Invocation> {
    const invocation = this.#arrived.shift();
    return invocation ? Promise.resolve(invocation) : new Promise(resolve => this.#awaited.push(resolve));
  }

  get waiting(): number {
    return this.#arrived.length;
  }
}

/** Lets everything run that needs no timer. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
};

let directory: string;
let clock: ManualClock;
let sqs: Sqs;
let worker: Worker;
let mappings: EventSourceMappings | undefined;
let denied: string[];
let logged: string[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mapping-'));
  clock = new ManualClock();
  worker = new Worker();
  denied = [];
  logged = [];
  sqs = await startSqs({
    resources: [queueResource('orders.fifo'), queueResource('jobs')],
    place,
    stateDirectory: directory,
    authorization: {
      authorize: async ({ principal, action, resource }) => {
        const arn = principal.kind === 'service' ? principal.service : principal.arn;
        if (denied.includes(action))
          throw new AwsError('AccessDeniedException', `${arn} may not ${action} on ${resource}`);
      },
    },
    log: () => {},
    clock,
  });
});
afterEach(async () => {
  await mappings?.close();
  mappings = undefined;
  await sqs.close();
  rmSync(directory, { recursive: true });
});

async function start(resource: Resource, timeoutSeconds = 10): Promise<void> {
  mappings = await startEventSourceMappings({
    resources: [resource],
    sqs,
    invoker: worker,
    roleOf: () => role,
    functionTimeoutSeconds: () => timeoutSeconds,
    log: (_level, _component, message) => logged.push(message),
    clock,
  });
}

const orders = (): Queue => sqs.queue(arnOf('orders.fifo'));
const jobs = (): Queue => sqs.queue(arnOf('jobs'));
let nextId = 0;
const send = (body: string, groupId = 'g') =>
  orders().send({ body, groupId, deduplicationId: `d${nextId++}`, senderId: 'sender' });
const sendJobs = (...all: string[]) => jobs().sendAll(all.map(body => ({ body, senderId: 'sender' })));

it('hands messages to the function in the shape of Lambda and deletes them afterwards', async () => {
  await start(mapping('orders.fifo'));
  const sent = orders().send({
    body: 'hello',
    groupId: 'g',
    deduplicationId: 'd',
    attributes: { kind: { DataType: 'String', StringValue: 'greeting' } },
    senderId: 'sender',
  });
  const invocation = await worker.next();
  expect(invocation.functionArn).toBe(functionArn);
  expect(invocation.event).toEqual({
    Records: [
      {
        messageId: sent.messageId,
        receiptHandle: expect.any(String),
        body: 'hello',
        attributes: {
          ApproximateReceiveCount: '1',
          SentTimestamp: String(clock.now()),
          SequenceNumber: sent.sequenceNumber,
          MessageGroupId: 'g',
          SenderId: 'sender',
          MessageDeduplicationId: 'd',
          ApproximateFirstReceiveTimestamp: String(clock.now()),
        },
        messageAttributes: {
          kind: { stringValue: 'greeting', stringListValues: [], binaryListValues: [], dataType: 'String' },
        },
        md5OfMessageAttributes: sent.md5OfAttributes,
        md5OfBody: sent.md5OfBody,
        eventSource: 'aws:sqs',
        eventSourceARN: arnOf('orders.fifo'),
        awsRegion: 'eu-central-1',
      },
    ],
  });
  expect(orders().metrics().notVisible).toBe(1);
  invocation.succeed();
  await settle();
  expect(orders().metrics()).toMatchObject({ visible: 0, notVisible: 0 });
});

it('runs groups at the same time, and never two batches of one group', async () => {
  await start(mapping('orders.fifo'));
  send('a1', 'a');
  const a1 = await worker.next();
  send('a2', 'a');
  send('b1', 'b');
  const b1 = await worker.next();
  expect([a1.bodies, b1.bodies]).toEqual([['a1'], ['b1']]);
  await settle();
  expect(worker.waiting).toBe(0);
  a1.succeed();
  const a2 = await worker.next();
  expect(a2.bodies).toEqual(['a2']);
  a2.succeed();
  b1.succeed();
});

it('mixes groups in a batch, up to the batch size', async () => {
  for (const body of ['a1', 'a2']) send(body, 'a');
  for (const body of ['b1', 'b2']) send(body, 'b');
  await start(mapping('orders.fifo', { BatchSize: 3 }));
  const first = await worker.next();
  expect(first.bodies).toEqual(['a1', 'a2', 'b1']);
  first.succeed();
  const second = await worker.next();
  expect(second.bodies).toEqual(['b2']);
  second.succeed();
});

it('keeps to the maximum concurrency', async () => {
  sendJobs('1', '2', '3', '4', '5');
  await start(mapping('jobs', { BatchSize: 1, ScalingConfig: { MaximumConcurrency: 2 } }));
  const [one, two] = [await worker.next(), await worker.next()];
  await settle();
  expect(worker.running).toBe(2);
  one.succeed();
  const three = await worker.next();
  await settle();
  expect(worker.running).toBe(2);
  two.succeed();
  three.succeed();
  for (const _ of [4, 5]) (await worker.next()).succeed();
});

it('starts a standard queue with five batches at a time', async () => {
  sendJobs('1', '2', '3', '4', '5', '6', '7');
  await start(mapping('jobs', { BatchSize: 1 }));
  const five = [];
  for (let count = 0; count < 5; count++) five.push(await worker.next());
  await settle();
  expect(worker.running).toBe(5);
  for (const invocation of five) invocation.succeed();
  for (const _ of [6, 7]) (await worker.next()).succeed();
});

describe('after a failure', () => {
  it('the whole batch comes again when its visibility timeout is over', async () => {
    for (const body of ['1', '2']) send(body);
    await start(mapping('orders.fifo'));
    (await worker.next()).fail();
    await settle();
    clock.advance(59_999);
    await settle();
    expect(worker.waiting).toBe(0);
    clock.advance(1);
    const again = await worker.next();
    expect(again.bodies).toEqual(['1', '2']);
    expect(again.event.Records[0]?.attributes.ApproximateReceiveCount).toBe('2');
    again.succeed();
  });

  it('only the reported messages come again', async () => {
    for (const body of ['1', '2', '3']) send(body);
    await start(mapping('orders.fifo', { FunctionResponseTypes: ['ReportBatchItemFailures'] }));
    const batch = await worker.next();
    const failed = batch.event.Records.slice(1).map(({ messageId }) => ({ itemIdentifier: messageId }));
    batch.succeed({ batchItemFailures: failed });
    await settle();
    expect(orders().metrics()).toMatchObject({ notVisible: 2 });
    clock.advance(60_000);
    const again = await worker.next();
    expect(again.bodies).toEqual(['2', '3']);
    again.succeed({ batchItemFailures: [] });
    await settle();
    expect(orders().metrics()).toMatchObject({ visible: 0, notVisible: 0 });
  });

  it.each([
    ['an identifier of no message', { batchItemFailures: [{ itemIdentifier: 'unknown' }] }],
    ['an empty identifier', { batchItemFailures: [{ itemIdentifier: '' }] }],
    ['a wrong key', { batchItemFailures: [{ id: 'x' }] }],
    ['no list', { batchItemFailures: 'all' }],
    ['text', 'done'],
  ])('a malformed report fails the whole batch: %s', async (_, payload) => {
    send('1');
    await start(mapping('orders.fifo', { FunctionResponseTypes: ['ReportBatchItemFailures'] }));
    (await worker.next()).succeed(payload);
    await settle();
    expect(orders().metrics()).toMatchObject({ notVisible: 1 });
    expect(logged).toContain('batchItemFailures is malformed, the whole batch returns to its queue');
  });

  it.each([[null], [undefined], [{}], [{ batchItemFailures: null }], [{ batchItemFailures: [] }]])(
    'the report %j is success',
    async payload => {
      send('1');
      await start(mapping('orders.fifo', { FunctionResponseTypes: ['ReportBatchItemFailures'] }));
      (await worker.next()).succeed(payload);
      await settle();
      expect(orders().metrics()).toMatchObject({ visible: 0, notVisible: 0 });
    },
  );

  it('a throttled batch returns to the queue, and polling backs off', async () => {
    send('1');
    await start(mapping('orders.fifo'));
    (await worker.next()).fail(new AwsError('TooManyRequestsException', 'Rate Exceeded.', 429));
    await settle();
    expect(orders().metrics().notVisible).toBe(1);
    send('other', 'h');
    await settle();
    const other = await worker.next();
    expect(other.bodies).toEqual(['other']);
    other.fail(new AwsError('TooManyRequestsException', 'Rate Exceeded.', 429));
    send('third', 'i');
    await settle();
    expect(worker.waiting).toBe(0);
    clock.advance(200);
    const third = await worker.next();
    expect(third.bodies).toEqual(['third']);
    third.succeed();
    await settle();
    clock.advance(60_000);
    await settle();
    const again = await worker.next();
    expect([...again.bodies].sort()).toEqual(['1', 'other']);
    again.succeed();
  });

  it('a function that outlives the visibility timeout does not delete what is handled again', async () => {
    send('1');
    await start(mapping('orders.fifo'));
    const late = await worker.next();
    clock.advance(60_000);
    const again = await worker.next();
    late.succeed();
    await settle();
    expect(orders().metrics().notVisible).toBe(1);
    expect(logged).toContain('a handled message could not be deleted and comes again');
    again.succeed();
    await settle();
    expect(orders().metrics()).toMatchObject({ visible: 0, notVisible: 0 });
  });
});

it('waits at its end for the invocations in flight, and takes no more messages', async () => {
  send('1', 'a');
  await start(mapping('orders.fifo'));
  const invocation = await worker.next();
  let closed = false;
  const closing = mappings?.close().then(() => {
    closed = true;
  });
  send('2', 'b');
  await settle();
  expect(closed).toBe(false);
  invocation.succeed();
  await closing;
  expect(orders().metrics()).toMatchObject({ visible: 1, notVisible: 0 });
});

it('waits at its end no longer than the visibility timeout, and then leaves the queue alone', async () => {
  sendJobs('1');
  await start(mapping('jobs'));
  const late = await worker.next();
  const closing = mappings?.close();
  await settle();
  clock.advance(60_000);
  await closing;
  expect(worker.running).toBe(1);
  mappings = undefined;
  late.succeed();
  await settle();
  expect(jobs().metrics()).toMatchObject({ visible: 1, notVisible: 0 });
});

it('leaves the queue of a disabled mapping alone', async () => {
  send('1');
  await start(mapping('orders.fifo', { Enabled: false }));
  await settle();
  expect(orders().metrics()).toMatchObject({ visible: 1, notVisible: 0 });
});

describe('is refused at start', () => {
  it.each(['ReceiveMessage', 'DeleteMessage', 'GetQueueAttributes'])('if the role lacks sqs:%s', async action => {
    denied = [`sqs:${action}`];
    await expect(start(mapping('jobs'))).rejects.toMatchObject({
      name: 'TemplateError',
      message: expect.stringMatching(
        `s\\.Mapping .*does not have permissions to call ${action} on SQS: ${role} may not sqs:${action}`,
      ),
    });
  });

  it('if the visibility timeout is shorter than the timeout of the function', async () => {
    await expect(start(mapping('jobs'), 61)).rejects.toThrow(
      'Queue visibility timeout: 60 seconds is less than Function timeout: 61 seconds',
    );
  });

  it.each([
    ['FilterCriteria', 'jobs', { FilterCriteria: { Filters: [] } }],
    ['BatchSize', 'orders.fifo', { BatchSize: 11 }],
    ['MaximumBatchingWindowInSeconds', 'orders.fifo', { MaximumBatchingWindowInSeconds: 0 }],
    ['MaximumBatchingWindowInSeconds', 'jobs', { MaximumBatchingWindowInSeconds: 1 }],
    ['ScalingConfig.MaximumConcurrency', 'jobs', { ScalingConfig: { MaximumConcurrency: 1 } }],
    ['EventSourceArn', 'jobs', { EventSourceArn: arnOf('gone') }],
    ['EventSourceArn', 'jobs', { EventSourceArn: 'arn:aws:kinesis:eu-central-1:123456789012:stream/s' }],
  ])('with the %s of %s', async (property, queue, properties) => {
    await expect(start(mapping(queue, properties))).rejects.toMatchObject({
      name: 'TemplateError',
      message: expect.stringMatching(`s\\.Mapping .*${property}`),
    });
  });
});
