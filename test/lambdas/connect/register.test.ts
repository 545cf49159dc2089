import { type Registration, register } from '../../../lambdas/connect/register.ts';
import { type Control, defaultControl } from '../../../lambdas/shared/control.ts';
import { InMemoryService, type Step } from '../in-memory.ts';

const limits = { maxConnections: 10, maxConnectionsPerUser: 2, maxConnectionsPerAddress: 4 };
const newcomer = { connectionId: 'new', user: 'alice', ip: '192.0.2.1', connectedAt: 5 };

function registering(service: InMemoryService, step?: Step, changes: Partial<Control> = {}) {
  const { connections, count } = service.view(step).presence;
  const warnings: unknown[] = [];
  const warn = (message: string, error: unknown) => warnings.push([message, error]);
  return {
    warnings,
    register: (connection: Parameters<typeof register>[0] = newcomer): Promise<Registration> =>
      register(connection, limits, {
        connections,
        count,
        warn,
        control: { read: async () => ({ ...defaultControl, ...changes }) },
      }),
  };
}

test('a connection is registered and counted', async () => {
  const service = new InMemoryService();
  expect(await registering(service).register()).toBe('registered');
  expect(service.connections.get('new')).toMatchObject(newcomer);
  expect(service.connectionCount).toBe(1);
});

test.each<[Registration, (service: InMemoryService) => void]>([
  [
    'registered',
    service => {
      service.open('a', { user: 'alice' });
      service.open('b');
      service.open('c');
      service.connectionCount = 9;
    },
  ],
  [
    'too_many_for_user',
    service => {
      service.open('a', { user: 'alice', ip: '192.0.2.8' });
      service.open('b', { user: 'alice', ip: '192.0.2.9' });
    },
  ],
  ['too_many_for_address', service => ['a', 'b', 'c', 'd'].forEach(id => void service.open(id))],
  [
    'service_full',
    service => {
      service.connectionCount = 10;
    },
  ],
])('%s at the limit', async (expected, prepare) => {
  const service = new InMemoryService();
  prepare(service);
  const before = service.connectionCount;
  expect(await registering(service).register()).toBe(expected);
  expect(service.connections.has('new')).toBe(expected === 'registered');
  expect(service.connectionCount).toBe(expected === 'registered' ? before + 1 : before);
});

test('an anonymous connection is limited by its address only', async () => {
  const service = new InMemoryService();
  const { user: _, ...anonymous } = newcomer;
  for (const id of ['a', 'b', 'c']) service.open(id);
  expect(await registering(service).register(anonymous)).toBe('registered');
  expect(await registering(service).register({ ...anonymous, connectionId: 'next' })).toBe('too_many_for_address');
});

test('a counter that fails does not keep a client out, and is reported', async () => {
  const service = new InMemoryService();
  const { register, warnings } = registering(service, async operation => {
    if (operation === 'count.add') throw new Error('throttled');
  });
  expect(await register()).toBe('registered');
  expect(warnings).toEqual([['connection not counted', new Error('throttled')]]);
});

test.each(['count.read', 'connections.countByUser', 'connections.countByAddress', 'connections.add'])(
  'where %s fails nobody is admitted unchecked',
  async failing => {
    const service = new InMemoryService();
    const { register } = registering(service, async operation => {
      if (operation === failing) throw new Error('throttled');
    });
    await expect(register()).rejects.toThrow('throttled');
    expect(service.connections.has('new')).toBe(false);
  },
);

test('with admission closed nobody comes in, and whoever is there stays', async () => {
  const service = new InMemoryService();
  service.open('a', { user: 'alice' });
  const { register } = registering(service, undefined, { admission: 'closed' });
  expect(await register()).toBe('admission_closed');
  expect([...service.connections.keys()]).toEqual(['a']);
  expect(service.connectionCount).toBe(1);
});

test('the probe is kept out by the total only, not by the limits of a user or an address', async () => {
  const service = new InMemoryService();
  for (const id of ['a', 'b', 'c', 'd']) service.open(id, { user: 'alice' });
  expect(await registering(service).register({ ...newcomer, probe: true })).toBe('registered');
  service.connectionCount = limits.maxConnections;
  expect(await registering(service).register({ ...newcomer, connectionId: 'next', probe: true })).toBe('service_full');
});

test('a closed admission does not keep the probe out, which tells whether the service works', async () => {
  const { register } = registering(new InMemoryService(), undefined, { admission: 'closed' });
  expect(await register({ ...newcomer, probe: true })).toBe('registered');
});
