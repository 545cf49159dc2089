import { GetCommand } from '@aws-sdk/lib-dynamodb';
import fc from 'fast-check';
import { dynamoDb, epochSeconds } from '../../../lambdas/shared/dynamodb.ts';
import { useRoleCredentials } from '../credentials.ts';
import { startScriptedServer } from '../scripted-server.ts';

useRoleCredentials();

test('a call that gets no answer in 2 s is tried again', async () => {
  const server = await startScriptedServer((_, n) => (n === 1 ? 'never' : { status: 200, body: '{"Item":{}}' }));
  process.env.AWS_ENDPOINT_URL_DYNAMODB = server.url;
  const client = dynamoDb();
  try {
    expect(await client.send(new GetCommand({ TableName: 'T', Key: { id: '1' } }))).toMatchObject({ Item: {} });
    expect(server.requests).toHaveLength(2);
  } finally {
    client.destroy();
    await server.close();
  }
});

test('a time to live is never before its time', () => {
  fc.assert(
    fc.property(fc.nat(4e12), milliseconds => {
      const seconds = epochSeconds(milliseconds);
      expect(Number.isInteger(seconds)).toBe(true);
      expect(seconds * 1000 - milliseconds).toBeGreaterThanOrEqual(0);
      expect(seconds * 1000 - milliseconds).toBeLessThan(1000);
    }),
  );
});

test('what is destroyed has no socket any more', async () => {
  const server = await startScriptedServer(() => ({ status: 200, body: '{"Item":{}}' }));
  process.env.AWS_ENDPOINT_URL_DYNAMODB = server.url;
  const client = dynamoDb();
  try {
    await client.send(new GetCommand({ TableName: 'T', Key: { id: '1' } }));
    expect(server.openSockets).toHaveLength(1);
    client.destroy();
    // The server hears of it a moment later.
    await new Promise(resolve => setTimeout(resolve, 50));
    expect(server.openSockets).toHaveLength(0);
  } finally {
    await server.close();
  }
});
