import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { keptFor } from '../../../lambdas/shared/cache.ts';
import { signedCallback } from '../../../lambdas/shared/callback.ts';
import { type Control, defaultControl } from '../../../lambdas/shared/control.ts';
import { dynamoDb } from '../../../lambdas/shared/dynamodb.ts';
import { environmentOf, functionControl } from '../../../lambdas/shared/environment.ts';
import { sqsPublicationQueue } from '../../../lambdas/shared/publication.ts';
import { useRoleCredentials } from '../credentials.ts';
import { type ScriptedServer, startScriptedServer } from '../scripted-server.ts';

useRoleCredentials();

function fakeControl(generation: number) {
  let control: Control = { ...defaultControl, generation };
  let answered: Promise<void> = Promise.resolve();
  return {
    reader: {
      async read() {
        await answered;
        return control;
      },
    },
    raise() {
      control = { ...control, generation: control.generation + 1 };
    },
    /** @returns what lets readings end */
    hold(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      answered = promise;
      return resolve;
    },
  };
}

const sent = (request: Buffer): string => {
  const { MessageBody } = JSON.parse(request.toString());
  const MD5OfMessageBody = createHash('md5').update(MessageBody).digest('hex');
  return JSON.stringify({ SequenceNumber: '1', MessageId: 'm', MD5OfMessageBody });
};

function counting(reads: 'first' | 'alongside', generation = 3) {
  const control = fakeControl(generation);
  const ended: number[] = [];
  let opened = 0;
  const environment = environmentOf({
    control: control.reader,
    reads,
    open() {
      opened += 1;
      const n = opened;
      return {
        n,
        end() {
          ended.push(n);
        },
      };
    },
  });
  return { control, ended, run: () => environment.run(async ({ n }) => n), environment };
}

test.each(['first', 'alongside'] as const)('what is kept is opened anew once for each rise: read %s', async reads => {
  const { control, ended, run } = counting(reads);
  expect([await run(), await run()]).toEqual([1, 1]);
  control.raise();
  await run();
  expect([await run(), await run()]).toEqual([2, 2]);
  control.raise();
  control.raise();
  await run();
  expect(await run()).toBe(3);
  expect(ended).toEqual([1, 2]);
});

test('read first, the invocation that sees the rise has the new ones', async () => {
  const { control, run } = counting('first');
  await run();
  control.raise();
  expect(await run()).toBe(2);
});

test('read alongside, nobody waits for the reading before the work, and nothing is under way after it', async () => {
  const { control, ended, environment, run } = counting('alongside');
  await run();
  control.raise();
  const answer = control.hold();
  let over = false;
  const begun = Promise.withResolvers<number>();
  const running = environment
    .run(async ({ n }) => begun.resolve(n))
    .then(() => {
      over = true;
    });
  expect(await begun.promise).toBe(1);
  await new Promise(resolve => setImmediate(resolve));
  expect(over).toBe(false);
  expect(ended).toEqual([]);
  answer();
  await running;
  expect(ended).toEqual([1]);
  expect(await run()).toBe(2);
});

test('what others still use is ended by the last of them', async () => {
  const { control, ended, environment, run } = counting('first');
  const working = Promise.withResolvers<void>();
  const slow = [environment.run(() => working.promise), environment.run(() => working.promise)];
  await new Promise(resolve => setImmediate(resolve));
  control.raise();
  expect(await run()).toBe(2);
  expect(ended).toEqual([]);
  working.resolve();
  await Promise.all(slow);
  expect(ended).toEqual([1]);
});

test('an invocation that fails fails as it did, and the next one has what is new', async () => {
  const { control, environment, run } = counting('alongside');
  await run();
  control.raise();
  await expect(environment.run(() => Promise.reject(new Error('store sick')))).rejects.toThrow('store sick');
  expect(await run()).toBe(2);
});

describe('an environment whose sockets end at a sick host', () => {
  let generation = 1;
  let sickUpTo = 0;
  let server: ScriptedServer;
  const dynamo = (target: string, body: string) => {
    if (!target.endsWith('GetItem')) return '{}';
    const item = body.includes('"control"') ? { generation: { N: String(generation) } } : { data: { S: 'x' } };
    return JSON.stringify({ Item: item });
  };
  beforeEach(async () => {
    generation = 1;
    sickUpTo = 0;
    server = await startScriptedServer(({ socket, headers, body, url }) => {
      if (socket <= sickUpTo) return { status: 500, body: '{"__type":"InternalServerError"}' };
      if (url.includes('@connections')) return { status: 200 };
      const target = String(headers['x-amz-target']);
      if (target.startsWith('AmazonSQS')) return { status: 200, body: sent(body) };
      return { status: 200, body: dynamo(target, body.toString()) };
    });
    process.env.AWS_ENDPOINT_URL_DYNAMODB = server.url;
    process.env.AWS_ENDPOINT_URL_SQS = server.url;
  });
  afterEach(() => server.close());

  function open() {
    const client = dynamoDb();
    const queue = sqsPublicationQueue(`${server.url}/1/q.fifo`, 1_000);
    const sockets = signedCallback({ url: `${server.url}/prod`, timeoutMs: 1_000, connections: 2 });
    const get = async () => {
      await client.send(new GetCommand({ TableName: 'T', Key: { id: '1' } }));
      // A megabyte that a cache holds.
      return new Uint8Array(1_048_576);
    };
    const cached = keptFor(60_000, get);
    return {
      client,
      cached,
      async work() {
        await cached();
        await get();
        const publication = { channel: 'room', id: '1', data: null, publishedAt: 1 };
        await queue.send(publication, 'd');
        return sockets.post('c', 'frame');
      },
      async end() {
        client.destroy();
        queue.end();
        await sockets.end();
      },
    };
  }

  test('gets well by a raised generation, by sockets that are all new, and the old are closed', async () => {
    let time = 0;
    const environment = environmentOf({
      control: functionControl('Operations', { now: () => time }),
      reads: 'alongside',
      open,
    });
    const work = () => environment.run(kept => kept.work());
    expect(await work()).toBe('delivered');
    sickUpTo = server.sockets;
    time += 2_000;
    await expect(work()).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } });
    time += 2_000;
    await expect(work()).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } });
    generation += 1;
    time += 2_000;
    await work().catch(() => {});
    expect(await work()).toBe('delivered');
    const following = Array.from({ length: server.sockets - sickUpTo }, (_, n) => sickUpTo + 1 + n);
    // The control record's, the store's, the queue's and the gateway's.
    expect(following).toHaveLength(4);
    await new Promise(resolve => setTimeout(resolve, 50));
    expect(server.openSockets).toEqual(following);
  });

  test('keeps nothing of what it has left', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const left: WeakRef<object>[] = [];
    let time = 0;
    const environment = environmentOf({
      control: functionControl('Operations', { now: () => time }),
      reads: 'first',
      open,
    });
    for (let n = 0; n < 4; n += 1) {
      await environment.run(async kept => {
        await kept.work();
        left.push(
          new WeakRef(kept),
          new WeakRef(kept.client),
          new WeakRef(kept.cached),
          new WeakRef(await kept.cached()),
        );
      });
      generation += 1;
      time += 2_000;
    }
    await environment.run(async () => {});
    for (let n = 0; n < 5; n += 1) {
      await new Promise(resolve => setTimeout(resolve, 20));
      collect();
    }
    expect(left).toHaveLength(16);
    expect(left.filter(reference => reference.deref() !== undefined)).toEqual([]);
  });
});
