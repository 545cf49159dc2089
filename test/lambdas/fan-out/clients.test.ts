import { fanOutEnvironment, parallelismOf } from '../../../lambdas/fan-out/clients.ts';
import { fanOutVariables } from '../../../lambdas/fan-out/variables.ts';
import { dynamoDbControl } from '../../../lambdas/shared/control.ts';
import { functionControl } from '../../../lambdas/shared/environment.ts';
import { useRoleCredentials } from '../credentials.ts';
import { type ScriptedServer, startScriptedServer } from '../scripted-server.ts';
import { type LocalTables, startTables } from '../tables.ts';

useRoleCredentials();

let tables: LocalTables;
let gateway: ScriptedServer;
beforeAll(async () => {
  gateway = await startScriptedServer(() => ({ status: 200 }));
  tables = await startTables({ replicationLagMs: 0 });
});
afterAll(async () => {
  await gateway.close();
  await tables.close();
});

const variables = fanOutVariables.parse({
  CONNECTIONS_TABLE: 'Connections',
  SUBSCRIPTIONS_TABLE: 'Subscriptions',
  OPERATIONS_TABLE: 'Operations',
  MESSAGES_TABLE: 'Messages',
  CALLBACK_URL: 'http://127.0.0.1:1/prod',
  PUBLICATIONS_QUEUE_URL: 'http://127.0.0.1:1/1/publications',
  SHARD_TASKS_QUEUE_URL: 'http://127.0.0.1:1/1/tasks',
  SHARD_TASKS_QUEUE_ARN: 'tasks',
  PUBLICATION_DEAD_LETTERS_URL: 'http://127.0.0.1:1/1/dead',
  SHARD_TASK_DEAD_LETTERS_URL: 'http://127.0.0.1:1/1/dead-tasks',
  RETENTION_SECONDS: '600',
  POST_TIMEOUT_SECONDS: '1',
  POST_PARALLELISM: '10',
  POSTS_PER_SECOND: '10',
  POST_BURST: '10',
  INVOCATIONS: '5',
  SHARD_SIZE: '10',
});

test('the clients are opened anew when the generation has risen, and only then; another parallelism is another pool', async () => {
  const { region, endpoint } = tables.client.config;
  const { hostname, port, protocol } = (await endpoint?.()) ?? {};
  process.env.AWS_ENDPOINT_URL = `${protocol}//${hostname}:${port}`;
  process.env.AWS_REGION = await region();
  const { accessKeyId, secretAccessKey } = await tables.client.config.credentials();
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
  delete process.env.AWS_SESSION_TOKEN;
  const store = dynamoDbControl(tables.client, 'Operations', () => {});
  await store.write({ generation: 3 });
  const now = Date.now();
  let later = 0;
  const clock = jest.spyOn(Date, 'now').mockImplementation(() => now + later);
  const environment = fanOutEnvironment(
    { ...variables, CALLBACK_URL: `${gateway.url}/prod`, POSTS_PER_SECOND: 1_000, POST_BURST: 100 },
    functionControl('Operations'),
  );
  const current = () => environment.run(async clients => clients);
  const first = await current();
  const following = async (generation: number, postParallelism: number | null = null) => {
    await store.write({ generation, postParallelism });
    later += 3_000;
    return current();
  };
  expect(await following(2)).toBe(first);
  expect(await following(3)).toBe(first);
  const second = await following(4);
  expect(second).not.toBe(first);
  expect(await following(4)).toBe(second);
  const sockets = async () => {
    const before = gateway.sockets;
    await Promise.all(Array.from({ length: 40 }, (_, n) => second.callback.post(`${n}=`, 'x')));
    return gateway.sockets - before;
  };
  expect([second.parallelism, await sockets()]).toEqual([10, 10]);
  expect(await following(4, 20)).toBe(second);
  expect([second.parallelism, await sockets()]).toEqual([20, 20]);
  expect(await following(4, 20)).toBe(second);
  expect(await sockets()).toBe(0);
  expect(await following(4)).toBe(second);
  expect([second.parallelism, await sockets()]).toEqual([10, 10]);
  const third = await following(5, 20);
  expect(third).not.toBe(second);
  expect(third.parallelism).toBe(20);
  await third.end();
  clock.mockRestore();
});

test('the parallelism is that of the control record where it has one, within what there are sockets for', () => {
  expect(parallelismOf({ postParallelism: null }, 50)).toBe(50);
  expect(parallelismOf({ postParallelism: 80 }, 50)).toBe(80);
  expect(parallelismOf({ postParallelism: 1_000 }, 50)).toBe(500);
});
