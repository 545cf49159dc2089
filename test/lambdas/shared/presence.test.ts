import fc from 'fast-check';
import { forget } from '../../../lambdas/shared/presence.ts';
import { InMemoryService } from '../in-memory.ts';

function serviceWith(channels: readonly string[]): InMemoryService {
  const service = new InMemoryService();
  service.open('a');
  service.open('other');
  for (const channel of channels) {
    service.subscribe('a', channel);
    service.subscribe('other', channel);
  }
  return service;
}

test('everything that is known of a connection is removed, and of no other', async () => {
  const service = serviceWith(['room:1', 'room:2']);
  expect(await forget('a', service.view().presence)).toMatchObject({ connectionId: 'a' });
  expect([...service.connections.keys()]).toEqual(['other']);
  expect(service.subscribersOf('room:1', 0)).toEqual(new Set(['other']));
  expect(service.subscribersOf('room:2', 0)).toEqual(new Set(['other']));
  expect(service.connectionCount).toBe(1);
});

test('a second time changes nothing', async () => {
  const service = serviceWith(['room:1']);
  await forget('a', service.view().presence);
  expect(await forget('a', service.view().presence)).toBeUndefined();
  expect(await forget('never', service.view().presence)).toBeUndefined();
  expect(service.connectionCount).toBe(1);
});

test('it is counted down once, however the calls of many interleave', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 5 }), async (scheduler, callers) => {
      const service = serviceWith(['room:1']);
      const { presence } = service.view(operation => scheduler.schedule(Promise.resolve(), operation));
      const results = await scheduler.waitFor(
        Promise.all(Array.from({ length: callers }, () => forget('a', presence))),
      );
      expect(results.filter(Boolean)).toHaveLength(1);
      expect(service.connectionCount).toBe(1);
      expect(service.subscribersOf('room:1', 0)).toEqual(new Set(['other']));
    }),
  );
});

test('a failure of the store is told', async () => {
  const service = serviceWith(['room:1']);
  const { presence } = service.view(async operation => {
    if (operation === 'subscriptions.removeAll') throw new Error('store down');
  });
  await expect(forget('a', presence)).rejects.toThrow('store down');
  expect(service.connectionCount).toBe(1);
});
