import { conflicts } from '../../lib/runbook/settings-rules.ts';

const fields = (settings: Parameters<typeof conflicts>[0]) => conflicts(settings).map(({ field }) => field);

test('the limits per user and per address stay within the total', () => {
  expect(fields({ maxConnections: 100, maxConnectionsPerUser: 100, maxConnectionsPerAddress: 100 })).toEqual([]);
  expect(fields({ maxConnections: 100, maxConnectionsPerUser: 101, maxConnectionsPerAddress: 101 })).toEqual([
    'maxConnectionsPerUser',
    'maxConnectionsPerAddress',
  ]);
});

test('a silent connection is evicted before API Gateway closes it after 10 min', () => {
  expect(fields({ heartbeatIntervalSeconds: 200, heartbeatGraceSeconds: 299 })).toEqual([]);
  expect(fields({ heartbeatIntervalSeconds: 200, heartbeatGraceSeconds: 300 })).toEqual(['heartbeatGraceSeconds']);
});

test('the heartbeats of a full service take at most half of its request quota share', () => {
  const settings = { heartbeatIntervalSeconds: 25, requestQuotaShare: 0.4 };
  expect(fields({ ...settings, maxConnections: 50_000 })).toEqual([]);
  expect(fields({ ...settings, maxConnections: 50_025 })).toEqual(['heartbeatIntervalSeconds']);
});

test('everybody can leave within the drain window, 400 a second', () => {
  expect(fields({ maxConnections: 50_000, drainWindowSeconds: 125 })).toEqual([]);
  expect(conflicts({ maxConnections: 50_000, drainWindowSeconds: 124 })).toEqual([
    {
      field: 'drainWindowSeconds',
      read: 'Drain window is 124 s for 50000 connections',
      expected: 'at least 125 s, so that 400 leave a second at most (API Gateway admits 500 new ones)',
    },
  ]);
});

test('settings that were not read conflict with nothing', () => {
  expect(fields({})).toEqual([]);
  expect(fields({ maxConnectionsPerUser: 5, heartbeatGraceSeconds: 590, maxConnections: 3_600_000 })).toEqual([]);
});
