import { join } from 'node:path';
import { effectiveSettings } from '../../lib/config/effective-settings.ts';
import environments from '../../lib/config/environments.ts';
import { listServices, loadRunbook } from '../../lib/runbook/reader.ts';

const runbooks = join(__dirname, '../../runbooks');
const archon = loadRunbook('archon', runbooks);

test('an environment’s limits take the place of the runbook’s settings, the rest stays', () => {
  const limits = { maxConnectionsPerUser: 50, fanOutConcurrency: 2 };
  expect(effectiveSettings(archon, { name: 'dev', limits })).toEqual({ ...archon.settings, ...limits });
});

test.each(listServices(runbooks).flatMap(service => environments.map(({ name }) => [service, name] as const)))(
  '%s has settings in %s',
  (service, name) => {
    const environment = environments.find(candidate => candidate.name === name);
    const runbook = loadRunbook(service, runbooks);
    if (!environment) throw new Error(name);
    expect(effectiveSettings(runbook, environment)).toMatchObject(environment.limits);
  },
);

test('a limit that conflicts with the runbook is refused', () => {
  expect(() => effectiveSettings(archon, { name: 'staging', limits: { maxConnections: 500 } })).toThrow(
    'archon in staging: maxConnectionsPerAddress: Maximum connections per address is 1000; expected at most 500, the Maximum connections',
  );
});
