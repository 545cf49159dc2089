import { setTimeout } from 'node:timers/promises';
import { itemOverOwnConnection } from '../../../lambdas/shared/item-reader.ts';
import { useRoleCredentials } from '../credentials.ts';
import { type ReceivedRequest, type ScriptedAnswer, startScriptedServer } from '../scripted-server.ts';

useRoleCredentials();

const item = (generation: number): ScriptedAnswer => ({
  status: 200,
  body: JSON.stringify({ Item: { generation: { N: String(generation) } } }),
});

/** A store of which the sockets up to one end at a sick host. */
async function storeAt(sick: (request: ReceivedRequest) => ScriptedAnswer | Promise<ScriptedAnswer>) {
  let sickUpTo = 0;
  const server = await startScriptedServer(request => (request.socket <= sickUpTo ? sick(request) : item(7)));
  process.env.AWS_ENDPOINT_URL_DYNAMODB = server.url;
  const read = itemOverOwnConnection('Operations', { record: 'control' });
  return {
    server,
    read: (ms = 500) => read(AbortSignal.timeout(ms)),
    sicken() {
      sickUpTo = server.sockets;
    },
  };
}

test.each<[string, () => ScriptedAnswer | Promise<ScriptedAnswer>]>([
  ['never', () => 'never'],
  ['slowly', () => setTimeout(2_000, item(1), { ref: false })],
  ['with 500', () => ({ status: 500, body: '{}' })],
  ['with a reset', () => 'reset'],
])('a kept socket whose host answers %s is left within the reading', async (_, sick) => {
  const { server, read, sicken } = await storeAt(sick);
  try {
    for (let n = 0; n < 3; n += 1) expect(await read()).toEqual({ generation: 7 });
    expect(server.sockets).toBe(1);
    sicken();
    expect(await read()).toEqual({ generation: 7 });
    expect(await read()).toEqual({ generation: 7 });
    // What was left is closed, and the new one is kept.
    expect(server.sockets).toBe(2);
    // The server hears of it a moment later.
    await setTimeout(50);
    expect(server.openSockets).toEqual([2]);
  } finally {
    await server.close();
  }
});

test('a store that is slow for everybody is waited for', async () => {
  const server = await startScriptedServer(() => setTimeout(300, item(7)));
  process.env.AWS_ENDPOINT_URL_DYNAMODB = server.url;
  const read = itemOverOwnConnection('Operations', { record: 'control' });
  try {
    for (let n = 0; n < 3; n += 1) expect(await read(AbortSignal.timeout(500))).toEqual({ generation: 7 });
  } finally {
    await server.close();
  }
});

test('where nothing answers the signal gives it up, and the next reading has a socket of its own', async () => {
  const { server, read, sicken } = await storeAt(() => 'never');
  try {
    await read();
    sicken();
    const first = await read(100).catch((error: Error) => error.name);
    expect(first).toMatch(/Abort|Timeout/);
    expect(await read()).toEqual({ generation: 7 });
    const empty = await startScriptedServer(() => ({ status: 200, body: '{}' }));
    process.env.AWS_ENDPOINT_URL_DYNAMODB = empty.url;
    expect(await itemOverOwnConnection('Operations', { record: 'control' })(AbortSignal.timeout(500))).toEqual({});
    await empty.close();
  } finally {
    await server.close();
  }
});
