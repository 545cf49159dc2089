import fc from 'fast-check';
import { isSilent, silenceLimitMs } from '../../../lambdas/shared/liveness.ts';

const rule = { intervalMs: 30_000, graceMs: 10_000 };

test('a client is silent after one and a half intervals and the grace', () => {
  expect(silenceLimitMs(rule)).toBe(55_000);
  expect(isSilent({ lastSeenAt: 1_000 }, rule, 56_000)).toBe(false);
  expect(isSilent({ lastSeenAt: 1_000 }, rule, 56_001)).toBe(true);
});

test('a client that has never sent a heartbeat is not silent', () => {
  expect(isSilent({}, rule, Number.MAX_SAFE_INTEGER)).toBe(false);
});

test('a client that sends every interval, each heard within the grace, is never silent', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(rule.graceMs), { minLength: 1, maxLength: 40 }), delays => {
      let lastSeenAt = 0;
      delays.forEach((delay, n) => {
        const heardAt = (n + 1) * rule.intervalMs + delay;
        expect(isSilent({ lastSeenAt }, rule, heardAt)).toBe(false);
        // What `Connections.beat` does with half an interval.
        if (lastSeenAt <= heardAt - rule.intervalMs / 2) lastSeenAt = heardAt;
      });
    }),
  );
});
