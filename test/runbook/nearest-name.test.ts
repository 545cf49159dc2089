import fc from 'fast-check';
import { editDistance, nearestName } from '../../lib/runbook/nearest-name.ts';

test.each([
  ['matchbok', 'matchbook'],
  ['MATCHBOOK', 'matchbook'],
  ['chat_backend', 'chat-backend'],
  ['vital-stream', 'vitalstream'],
  ['orders', undefined],
  ['', undefined],
])('%j is nearest to %j', (name, nearest) => {
  expect(nearestName(name, ['archon', 'chat-backend', 'matchbook', 'vitalstream'])).toBe(nearest);
});

test('of several near names the nearest is taken', () => {
  expect(nearestName('Heartbeat intervl', ['Heartbeat grace', 'Heartbeat interval', 'Heartbeat intervals'])).toBe(
    'Heartbeat interval',
  );
});

test('the distance is a metric', () => {
  const word = fc.string({ maxLength: 8, unit: fc.constantFrom('a', 'b', 'c') });
  fc.assert(
    fc.property(word, word, word, (a, b, c) => {
      expect(editDistance(a, b) === 0).toBe(a === b);
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
    }),
  );
});
