import { fanOutEnvironment, parallelismOf } from '../../../lambdas/fan-out/clients.ts';
import { fanOutVariables } from '../../../lambdas/fan-out/variables.ts';
import { dynamoDbControl } from '../../../lambdas/shared/control.ts';
import { functionControl } from '../../../lambdas/shared/environment.ts';
import { useRoleCredentials } from '../credentials.ts';
import { type LocalTables, startTables } from '../tables.ts';

useRoleCredentials();

let tables: LocalTables;
beforeAll(async () => {
  tables = await startTables({ replicationLagMs: 0 });
});
afterAll(() => tables.close());

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

test('the clients are opened anew when the generation has risen, or the parallelism is another, and only then', async () => {
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
  const environment = fanOutEnvironment(variables, functionControl('Operations'));
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
  const third = await following(4, 20);
  expect(third).not.toBe(second);
  expect([second.parallelism, third.parallelism]).toEqual([10, 20]);
  expect(await following(4, 20)).toBe(third);
  await third.end();
  clock.mockRestore();
});

test('the parallelism is that of the control record where it has one, within what there are sockets for', () => {
  expect(parallelismOf({ postParallelism: null }, 50)).toBe(50);
  expect(parallelismOf({ postParallelism: 80 }, 50)).toBe(80);
  expect(parallelismOf({ postParallelism: 1_000 }, 50)).toBe(500);
});
