import { type DisconnectReason, reasonOf } from '../../../lambdas/disconnect/reason.ts';
import type { Connection } from '../../../lambdas/shared/connections.ts';

const minute = 60_000;
const now = 100_000_000;
type Known = Pick<Connection, 'ending' | 'lastSeenAt'> | undefined;

test.each<[string, DisconnectReason, number | undefined, string, number, Known]>([
  ['a client that closes', 'normal', 1000, '', minute, {}],
  ['a client that gives no code', 'normal', 1005, '', minute, {}],
  ['a page that is left', 'normal', 1001, '', 20 * minute, {}],
  ['a page that is left by one who was heard', 'normal', 1001, 'Going away', 20 * minute, { lastSeenAt: now - minute }],
  ['a client that has another connection', 'planned', 4000, '', minute, {}],
  ['a code of the application', 'normal', 4321, '', minute, {}],
  ['a cut line', 'abnormal', 1006, '', minute, {}],
  ['no word of the gateway', 'abnormal', undefined, '', minute, {}],
  ['ten minutes of nothing', 'idle', 1001, 'Going away', 20 * minute, {}],
  ['ten minutes after the last heartbeat', 'idle', 1001, 'Going away', 90 * minute, { lastSeenAt: now - 11 * minute }],
  ['two hours', 'server', 1001, 'Going away', 120 * minute, { lastSeenAt: now }],
  ['a frame that is too large', 'server', 1009, '', minute, {}],
  ['eviction', 'evicted', 1000, '', minute, { ending: { reason: 'evicted', at: 0 } }],
  ['an expired token', 'expired', 1006, '', minute, { ending: { reason: 'expired', at: 0 } }],
  ['a connection that was forgotten', 'normal', 1000, '', minute, undefined],
])('%s is %s', (_, expected, code, reason, age, connection) => {
  expect(reasonOf({ code, reason, connectedAt: now - age }, connection, now, false)).toBe(expected);
});

test.each<[DisconnectReason, number, Known]>([
  ['drain', 1000, {}],
  ['drain', 1005, {}],
  ['drain', 4000, {}],
  ['abnormal', 1006, {}],
  ['evicted', 1000, { ending: { reason: 'evicted', at: 0 } }],
])('in a drain it is %s for code %d', (expected, code, connection) => {
  expect(reasonOf({ code, connectedAt: now - minute }, connection, now, true)).toBe(expected);
});
