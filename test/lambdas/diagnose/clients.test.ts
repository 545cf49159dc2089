import { countClients } from '../../../lambdas/diagnose/clients.ts';
import type { ScannedConnection } from '../../../lambdas/shared/connections.ts';
import { pace } from '../../../lambdas/shared/pace.ts';

const now = Date.UTC(2026, 10, 22, 12);
const heartbeat = { intervalMs: 10_000, graceMs: 5_000 };
const connection = (n: number, clientVersion: string, lastSeenAt: number, probe?: true) =>
  ({
    ...{ connectionId: `c${n}`, ip: '192.0.2.1', connectedAt: now - 600_000, channels: {} },
    ...{ clientVersion, lastSeenAt },
    ...(probe && { probe }),
  }) as ScannedConnection;
const pages = [
  [connection(1, 'web/2', now - 1_000), connection(2, 'web/1', now - 60_000)],
  [connection(3, 'web/2', now - 20_000), connection(4, 'web/1', now - 19_000), connection(5, 'web/2', now)],
  [connection(6, 'probe', now - 60_000, true)],
];
const scanned = {
  scan: async (_: number, visit: (page: readonly ScannedConnection[], units: number) => Promise<void>) => {
    for (const page of pages) await visit(page, 1);
  },
};
const count = (rule?: typeof heartbeat) => countClients(scanned, rule, pace(1_000), now);

test('counts clients and those that are silent, by version, the most used first, without the probe', async () => {
  expect(await count(heartbeat)).toEqual({
    connections: 5,
    silent: 1,
    versions: [
      { version: 'web/2', connections: 3, silent: 0 },
      { version: 'web/1', connections: 2, silent: 1 },
    ],
  });
});

test('where silence means nothing, nothing says how many are silent', async () => {
  expect(await count()).toEqual({
    connections: 5,
    versions: [
      { version: 'web/2', connections: 3 },
      { version: 'web/1', connections: 2 },
    ],
  });
});
