import fc from 'fast-check';
import { type CensusReport, takeCensus } from '../../../lambdas/census/census.ts';
import { InMemoryService, immediately, type Step } from '../in-memory.ts';

const heartbeat = { intervalMs: 30_000, graceMs: 10_000 };
const now = 1_000_000;
const silentSince = now - 55_001;
const aliveSince = now - 55_000;

interface Census {
  readonly report: CensusReport;
  readonly failed: readonly string[];
}
async function census(service: InMemoryService, step: Step = immediately): Promise<Census> {
  const failed: string[] = [];
  const { presence, callback } = service.view(step);
  const report = await takeCensus({
    presence,
    callback,
    heartbeat,
    now: () => now,
    closeFailed: connectionId => failed.push(connectionId),
  });
  return { report, failed };
}
const openSockets = (service: InMemoryService): string[] =>
  [...service.sockets].filter(([, socket]) => socket.open).map(([connectionId]) => connectionId);

test('exactly those are closed that have sent heartbeats and fell silent', async () => {
  const service = new InMemoryService();
  service.open('silent', { lastSeenAt: silentSince });
  service.open('alive', { lastSeenAt: aliveSince });
  service.open('never', {});
  const { report, failed } = await census(service);
  expect(report).toEqual({ connections: 3, silent: 1, evicted: 1, drift: 0, over: 0 });
  expect(failed).toEqual([]);
  expect(openSockets(service)).toEqual(['alive', 'never']);
  // Its `$disconnect` follows and forgets it.
  expect(service.connections.get('silent')).toMatchObject({ evictedAt: now });
});

test('whoever is heard between the reading and the mark stays', async () => {
  const service = new InMemoryService();
  service.open('late', { lastSeenAt: silentSince });
  const { report } = await census(service, async operation => {
    if (operation === 'connections.markSilent')
      await service.view().presence.connections.beat('late', now, heartbeat.intervalMs / 2);
  });
  expect(report).toMatchObject({ silent: 1, evicted: 0 });
  expect(openSockets(service)).toEqual(['late']);
  expect(service.connections.get('late')).not.toHaveProperty('evictedAt');
});

test('a connection whose end was never told is forgotten', async () => {
  const service = new InMemoryService();
  service.open('ghost', { lastSeenAt: silentSince }).open = false;
  service.subscribe('ghost', 'room:1');
  const { report } = await census(service);
  expect(report).toEqual({ connections: 1, silent: 1, evicted: 1, drift: 0, over: 0 });
  expect(service.connections.size).toBe(0);
  expect(service.subscribersOf('room:1', 0).size).toBe(0);
  expect(service.connectionCount).toBe(0);
});

test('one that cannot be closed is reported, the others are closed', async () => {
  const service = new InMemoryService();
  for (const id of ['a', 'b', 'c']) service.open(id, { lastSeenAt: silentSince });
  service.onClose = id => {
    if (id === 'b') throw new Error('answered 500');
  };
  const { report, failed } = await census(service);
  expect(report).toMatchObject({ silent: 3, evicted: 2 });
  expect(failed).toEqual(['b']);
  expect(openSockets(service)).toEqual(['b']);
});

test.each([
  [20, 100, 20],
  [21, 100, 0],
  [21, 420, 21],
  [21, 419, 0],
  [5, 5, 5],
])('of %d silent among %d are evicted %d', async (silent, connections, evicted) => {
  const service = new InMemoryService();
  for (let n = 0; n < connections; n += 1) service.open(`c${n}`, { lastSeenAt: n < silent ? silentSince : aliveSince });
  const { report } = await census(service);
  expect(report).toEqual({ connections, silent, evicted, drift: 0, over: 0 });
  expect(openSockets(service)).toHaveLength(connections - evicted);
  const marked = [...service.connections.values()].filter(({ evictedAt }) => evictedAt !== undefined);
  expect(marked).toHaveLength(evicted);
});

test.each([-3, 0, 4])('counters that are off by %d are corrected', async off => {
  const service = new InMemoryService();
  for (const id of ['a', 'b', 'c', 'd', 'e']) service.open(id);
  service.connectionCount += off;
  expect((await census(service)).report.drift).toBe(-off || 0);
  expect(service.connectionCount).toBe(5);
});

test('heartbeats, ends and a second census at any moment evict no one who is heard and count nobody twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async scheduler => {
      const service = new InMemoryService();
      for (const id of ['silent', 'beats', 'ends']) {
        service.open(id, { lastSeenAt: silentSince });
      }
      service.open('ghost', { lastSeenAt: silentSince }).open = false;
      const step: Step = operation => scheduler.schedule(Promise.resolve(), operation);
      const { connections } = service.view(step).presence;
      let heardInTime = false;
      const beats = connections.beat('beats', now, heartbeat.intervalMs / 2).then(result => {
        // One that comes when the connection is marked, or gone, comes too late.
        heardInTime = result === 'moved' && service.connections.get('beats')?.evictedAt === undefined;
      });
      const ends = connections.remove('ends').then(found => {
        if (found) service.connectionCount -= 1;
      });
      await scheduler.waitFor(Promise.all([census(service, step), census(service, step), beats, ends]));
      if (heardInTime) expect(openSockets(service)).toContain('beats');
      expect(openSockets(service)).not.toContain('silent');
      expect(service.connections.has('ghost')).toBe(false);
      expect(service.connections.has('ends')).toBe(false);
    }),
  );
});

test('a connection that the gateway must have ended is forgotten, though it never sent a heartbeat', async () => {
  const later = 2 * 3_600_000 + 60_001;
  const service = new InMemoryService();
  service.open('ghost', { connectedAt: now - later });
  service.subscribe('ghost', 'room:1');
  service.open('old', { connectedAt: now - later + 1 });
  const { report } = await census(service);
  expect(report).toMatchObject({ connections: 2, over: 1, evicted: 0 });
  expect([...service.connections.keys()]).toEqual(['old']);
  expect(service.subscribersOf('room:1', 0).size).toBe(0);
  expect(service.connectionCount).toBe(1);
});
