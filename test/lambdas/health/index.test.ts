import { useRoleCredentials } from '../credentials.ts';
import { type ScriptedServer, startScriptedServer } from '../scripted-server.ts';

useRoleCredentials();

let store: ScriptedServer;
beforeAll(async () => {
  store = await startScriptedServer(() => 'never');
});
afterAll(() => store.close());

test('where the store does not answer that is said in time, and no reading of the control record holds it up', async () => {
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: store.url,
    AWS_REGION: 'eu-central-1',
    OPERATIONS_TABLE: 'Operations',
  });
  const timeouts = jest.spyOn(AbortSignal, 'timeout');
  const { handler } = await import('../../../lambdas/health/index.ts');
  expect(await handler()).toMatchObject({ statusCode: 503 });
  expect(timeouts).toHaveBeenCalled();
  // The store itself has 1,500 ms.
  for (const [milliseconds] of timeouts.mock.calls) expect(milliseconds).toBeLessThanOrEqual(500);
  timeouts.mockRestore();
});
