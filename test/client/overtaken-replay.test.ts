import { SteadySocket } from '../../client/index.ts';
import { startScriptedService } from './scripted-service.ts';

const cursor = (n: number) => String(n).padStart(39, '0');
const replayed = (n: number) => ({
  type: 'message',
  channel: 'room:1',
  cursor: cursor(n),
  previous: cursor(n - 1),
  id: `m${n}`,
  data: n,
  publishedAt: 0,
  replay: true,
});

test('the next page is asked for also where the answer that says so overtakes its messages', async () => {
  const service = await startScriptedService(({ since }) => {
    const from = Number(since);
    return from < 3
      ? { type: 'subscribed', channel: 'room:1', cursor: cursor(from + 1), recovered: true, more: true }
      : { type: 'subscribed', channel: 'room:1', cursor: cursor(from), recovered: true };
  });
  const seen: unknown[] = [];
  const socket = new SteadySocket({ url: service.url, token: () => 'secret', heartbeatIntervalMs: 30_000 });
  socket.subscribe('room:1', { since: cursor(1), onMessage: ({ data }) => seen.push(data) });
  const connection = await service.connection(1);
  await connection.frame('subscribe', 1);
  connection.send(replayed(2));
  const second = await connection.frame('subscribe', 2);
  expect(second.since).toBe(cursor(2));
  connection.send(replayed(3));
  expect((await connection.frame('subscribe', 3)).since).toBe(cursor(3));
  expect(seen).toEqual([2, 3]);
  socket.close();
  await service.close();
});
