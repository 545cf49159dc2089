import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { type Control, controlRecord, defaultControl, dynamoDbControl } from '../../../lambdas/shared/control.ts';
import { type LocalTables, startTables } from '../tables.ts';

let tables: LocalTables;
beforeAll(async () => {
  tables = await startTables({ replicationLagMs: 0 });
});
afterAll(() => tables.close());

function controlAt(start = 0) {
  const failures: string[] = [];
  let now = start;
  const store = dynamoDbControl(tables.client, 'Operations', message => failures.push(message), { now: () => now });
  return {
    store,
    failures,
    advance: (milliseconds: number) => {
      now += milliseconds;
    },
  };
}

const put = (item: object) =>
  tables.client.send(new PutCommand({ TableName: 'Operations', Item: { record: controlRecord, ...item } }));

test('without a record the defaults hold', async () => {
  expect(await controlAt().store.read()).toEqual(defaultControl);
});

test('what is written is read, by others within 2 s, and null takes it back', async () => {
  await put({});
  const [one, other] = [controlAt(), controlAt()];
  await other.store.read();
  const changes: Partial<Control> = {
    admission: 'closed',
    throttleMs: 100,
    drain: { startedAt: 5, windowSeconds: 30, reason: 'test' },
  };
  await one.store.write(changes);
  await one.store.write({ generation: 3 });
  expect(await one.store.read()).toEqual({ ...defaultControl, ...changes, generation: 3 });
  other.advance(1_999);
  expect(await other.store.read()).toEqual(defaultControl);
  other.advance(1);
  expect(await other.store.read()).toEqual({ ...defaultControl, ...changes, generation: 3 });
  await one.store.write({ throttleMs: null, drain: null, admission: 'open' });
  expect(await one.store.read()).toEqual({ ...defaultControl, generation: 3 });
});

test('a value out of bounds is not written, nor a field that is none', async () => {
  const { store } = controlAt();
  await expect(store.write({ throttleMs: 0 })).rejects.toThrow();
  await expect(store.write({ admision: 'closed' } as Partial<Control>)).rejects.toThrow();
});

test('a field that is not valid is told and has its default, the others hold', async () => {
  await put({ admission: 'close', throttleMs: 100, added: 'by hand' });
  const { store, failures } = controlAt();
  expect(await store.read()).toEqual({ ...defaultControl, throttleMs: 100 });
  expect(failures).toEqual(['control record: admission is not valid, its default holds']);
});

test('a state machine may set an attribute of its own', async () => {
  await put({});
  await tables.client.send(
    new UpdateCommand({
      TableName: 'Operations',
      Key: { record: controlRecord },
      UpdateExpression: 'SET presence = :presence',
      ExpressionAttributeValues: { ':presence': 'degraded' },
    }),
  );
  expect(await controlAt().store.read()).toEqual({ ...defaultControl, presence: 'degraded' });
});

test('many that read at once share one reading, and where it fails the last known record holds', async () => {
  await put({ admission: 'closed' });
  let sent = 0;
  let down = false;
  const client = new Proxy(tables.client, {
    get: (target, name) =>
      name === 'send'
        ? (...call: Parameters<typeof target.send>) => {
            sent += 1;
            return down ? Promise.reject(new Error('store down')) : target.send(...call);
          }
        : Reflect.get(target, name),
  });
  const failures: string[] = [];
  let now = 0;
  const store = dynamoDbControl(client, 'Operations', (_, error) => failures.push(error.message), { now: () => now });
  const reads = await Promise.all([store.read(), store.read(), store.read()]);
  expect(reads.map(({ admission }) => admission)).toEqual(['closed', 'closed', 'closed']);
  expect(sent).toBe(1);
  down = true;
  now = 2_000;
  expect(await store.read()).toMatchObject({ admission: 'closed' });
  // Nor is it asked for at each call while it is down.
  expect(await store.read()).toMatchObject({ admission: 'closed' });
  expect(sent).toBe(2);
  expect(failures).toEqual(['store down']);
});
