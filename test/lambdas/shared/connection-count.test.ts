import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { dynamoDbConnectionCount } from '../../../lambdas/shared/connection-count.ts';
import { type LocalTables, startTables } from '../tables.ts';

let tables: LocalTables;
beforeAll(async () => {
  tables = await startTables({ replicationLagMs: 2_000 });
});
afterAll(() => tables.close());

test('the sum of what many add at once is read at once, and it is spread over several items', async () => {
  const count = dynamoDbConnectionCount(tables.client, 'Operations');
  expect(await count.read()).toBe(0);
  await Promise.all(Array.from({ length: 60 }, (_, n) => count.add(n % 3 === 0 ? -1 : 1)));
  expect(await count.read()).toBe(20);
  await count.add(-25);
  expect(await count.read()).toBe(-5);
  const { Items = [] } = await tables.client.send(new ScanCommand({ TableName: 'Operations', ConsistentRead: true }));
  expect(Items.length).toBeGreaterThan(1);
});
