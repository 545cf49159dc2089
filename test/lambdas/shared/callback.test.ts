import { type CallbackOptions, type SocketCallback, signedCallback } from '../../../lambdas/shared/callback.ts';
import type { Authenticated } from '../../../local/iam/credentials.ts';
import { credentials, useRoleCredentials } from '../credentials.ts';
import { type ScriptedAnswer, type ScriptedServer, startScriptedServer } from '../scripted-server.ts';

const role = useRoleCredentials();

let gateway: ScriptedServer;
let answer: (n: number) => ScriptedAnswer | Promise<ScriptedAnswer>;
let signedBy: (Authenticated | Error)[];

beforeEach(async () => {
  signedBy = [];
  answer = () => ({ status: 200 });
  gateway = await startScriptedServer(async (request, n) => {
    signedBy.push(await credentials.authenticate(request).catch((error: Error) => error));
    return answer(n);
  });
});
afterEach(() => gateway.close());

const callback = (options: Partial<CallbackOptions> = {}): SocketCallback =>
  signedCallback({ url: `${gateway.url}/prod`, timeoutMs: 2_000, connections: 2, ...options });

const signature = { principal: { kind: 'role', arn: role }, service: 'execute-api' };

describe('a post', () => {
  test.each(['L0SM9cOFvHcCIhw=', 'abc', 'a/b+c=='])(
    'to connection %s is signed and carries the frame',
    async connectionId => {
      const frame = JSON.stringify({ type: 'message', data: 'Grüße 🎈' });
      expect(await callback().post(connectionId, frame)).toBe('delivered');
      expect(gateway.requests).toHaveLength(1);
      expect(gateway.requests[0]).toMatchObject({
        method: 'POST',
        url: `/prod/@connections/${encodeURIComponent(connectionId)}`,
        body: Buffer.from(frame),
      });
      expect(signedBy).toEqual([signature]);
    },
  );

  test.each<[string, ScriptedAnswer]>([
    ['with a body', { status: 410, body: '{"message":"Gone"}' }],
    ['without one', { status: 410 }],
  ])('is gone at 410 %s', async (_, given) => {
    answer = () => given;
    expect(await callback().post('a=', 'x')).toBe('gone');
  });

  test.each([
    [400, 'refused'],
    [403, 'refused'],
    [413, 'refused'],
    [429, 'throttled'],
    [500, 'server'],
    [502, 'server'],
    [503, 'server'],
  ])('has failed at %d: %s', async (status, failed) => {
    answer = () => ({ status, body: '{"message":"no"}' });
    expect(await callback().post('a=', 'x')).toEqual({ failed, detail: `status ${status}` });
  });

  test('has failed where no answer comes in time', async () => {
    answer = () => 'never';
    expect(await callback({ timeoutMs: 50 }).post('a=', 'x')).toEqual({
      failed: 'timeout',
      detail: expect.stringMatching(/timeout/i),
    });
  });

  test('has failed where the connection breaks', async () => {
    answer = () => 'reset';
    expect(await callback().post('a=', 'x')).toEqual({ failed: 'network', detail: expect.any(String) });
    expect(gateway.requests).toHaveLength(1);
  });

  test('has failed where nobody listens', async () => {
    const { post } = callback({ url: 'http://127.0.0.1:1/prod' });
    expect(await post('a=', 'x')).toEqual({ failed: 'network', detail: expect.stringContaining('ECONNREFUSED') });
  });

  test('uses the sockets that there are, and no more', async () => {
    const { post } = callback();
    await Promise.all(Array.from({ length: 10 }, (_, n) => post(`${n}=`, 'x')));
    await post('again=', 'x');
    expect(gateway.requests).toHaveLength(11);
    expect(gateway.sockets).toBe(2);
  });

  test('goes by as many sockets as it is told to have, and what was under way ends as it would have', async () => {
    const { post, resize } = callback();
    const answered = Promise.withResolvers<ScriptedAnswer>();
    const twoAreUnderWay = new Promise<void>(resolve => {
      answer = n => {
        if (n === 2) resolve();
        return n <= 2 ? answered.promise : { status: 200 };
      };
    });
    const early = Array.from({ length: 10 }, (_, n) => post(`${n}=`, 'x'));
    await twoAreUnderWay;
    const resized = resize(5);
    const late = Array.from({ length: 20 }, (_, n) => post(`late ${n}=`, 'x'));
    await Promise.all(late);
    answered.resolve({ status: 200 });
    await resized;
    expect(new Set(await Promise.all([...early, ...late]))).toEqual(new Set(['delivered']));
    expect(gateway.sockets).toBe(7);
  });

  test('after a pause, in which the gateway may have closed them, takes new sockets', async () => {
    const { post } = callback({ connections: 1 });
    await post('a=', 'x');
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now + 3_000);
    await post('a=', 'x');
    expect(gateway.sockets).toBe(1);
    clock.mockReturnValue(now + 60_000);
    expect(await Promise.all([post('a=', 'x'), post('a=', 'x')])).toEqual(['delivered', 'delivered']);
    clock.mockRestore();
    expect(gateway.sockets).toBe(2);
  });
});

describe('a close', () => {
  test('is signed', async () => {
    answer = () => ({ status: 204 });
    expect(await callback().close('L0SM9cOFvHcCIhw=')).toBe('closed');
    expect(gateway.requests[0]).toMatchObject({
      method: 'DELETE',
      url: '/prod/@connections/L0SM9cOFvHcCIhw%3D',
      body: Buffer.alloc(0),
    });
    expect(signedBy).toEqual([signature]);
  });

  test('of a connection that is closed already is told', async () => {
    answer = () => ({ status: 410 });
    expect(await callback().close('a=')).toBe('gone');
  });

  test.each([403, 429, 500])('that is refused with %d is an error', async status => {
    answer = () => ({ status });
    await expect(callback().close('a=')).rejects.toThrow(`answered ${status}`);
  });

  test('without an answer is an error', async () => {
    answer = () => 'never';
    await expect(callback({ timeoutMs: 50 }).close('a=')).rejects.toThrow(/timeout/i);
  });
});
