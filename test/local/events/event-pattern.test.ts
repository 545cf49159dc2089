import fc from 'fast-check';
import { notMuted } from '../../../lib/observability/mute-detail.ts';
import { parseEventPattern } from '../../../local/events/event-pattern.ts';

const event = {
  source: 'aws.cloudwatch',
  'detail-type': 'CloudWatch Alarm State Change',
  resources: ['arn:aws:cloudwatch:eu-central-1:1:alarm:a', 'arn:b'],
  detail: {
    alarmName: 'chat-dev-Lag',
    count: 5,
    ok: true,
    nothing: null,
    empty: '',
    state: { value: 'ALARM' },
    muted: { mutedBy: 'arn:c', muteWindowStart: '2030-01-01T00:00:00.000+0000' },
    items: [
      { kind: 'a', size: 1 },
      { kind: 'b', size: 2 },
    ],
  },
};

// "Comparison operators for use in event patterns"
test.each<[object, boolean]>([
  [{ source: ['aws.cloudwatch'] }, true],
  [{ source: ['x', 'aws.cloudwatch'] }, true],
  [{ source: ['aws'] }, false],
  [{ resources: ['arn:b'] }, true],
  [{ detail: { state: { value: ['ALARM'] } } }, true],
  [{ detail: { state: { value: ['OK'] } } }, false],
  [{ source: ['aws.cloudwatch'], detail: { count: [6] } }, false],
  [{ detail: { count: [5] } }, true],
  [{ detail: { count: ['5'] } }, false],
  [{ detail: { ok: [true] } }, true],
  [{ detail: { nothing: [null] } }, true],
  [{ detail: { empty: [null] } }, false],
  [{ detail: { empty: [''] } }, true],
  [{ detail: { alarmName: [{ prefix: 'chat-' }] } }, true],
  [{ detail: { alarmName: [{ prefix: 'Chat-' }] } }, false],
  [{ detail: { alarmName: [{ prefix: { 'equals-ignore-case': 'Chat-' } }] } }, true],
  [{ detail: { alarmName: [{ suffix: 'Lag' }] } }, true],
  [{ detail: { alarmName: [{ suffix: { 'equals-ignore-case': 'lag' } }] } }, true],
  [{ detail: { alarmName: [{ 'equals-ignore-case': 'CHAT-dev-lag' }] } }, true],
  [{ detail: { alarmName: [{ wildcard: 'chat-*-Lag' }] } }, true],
  [{ detail: { alarmName: [{ wildcard: '*-Leg' }] } }, false],
  [{ detail: { alarmName: [{ wildcard: 'chat\\*' }] } }, false],
  [{ detail: { alarmName: [{ 'anything-but': ['a', 'b'] }] } }, true],
  [{ detail: { alarmName: [{ 'anything-but': 'chat-dev-Lag' }] } }, false],
  [{ detail: { alarmName: [{ 'anything-but': { prefix: 'chat' } }] } }, false],
  [{ detail: { alarmName: [{ 'anything-but': { suffix: ['x', 'y'] } }] } }, true],
  [{ detail: { alarmName: [{ 'anything-but': { wildcard: '*-dev-*' } }] } }, false],
  [{ detail: { alarmName: [{ 'anything-but': { 'equals-ignore-case': 'CHAT-DEV-LAG' } }] } }, false],
  [{ detail: { missing: [{ 'anything-but': 'x' }] } }, false],
  [{ detail: { missing: [{ exists: false }] } }, true],
  [{ detail: { count: [{ exists: true }] } }, true],
  [{ detail: { nothing: [{ exists: true }] } }, true],
  [{ detail: { state: [{ exists: true }] } }, false],
  [{ missing: { inner: [{ exists: false }] } }, true],
  [{ detail: { state: { actionsSuppressedBy: [{ exists: false }] }, muteDetail: notMuted } }, true],
  [{ detail: { muted: notMuted } }, false],
  [{ detail: { muted: [{ exists: false }] } }, true],
  [{ detail: { count: [{ numeric: ['>', 4, '<=', 5] }] } }, true],
  [{ detail: { count: [{ numeric: ['=', 4] }] } }, false],
  [{ detail: { alarmName: [{ numeric: ['>', 0] }] } }, false],
  [{ $or: [{ source: ['x'] }, { detail: { count: [5] } }] }, true],
  [{ detail: { $or: [{ count: [6] }, { ok: [false] }] } }, false],
  [{ source: ['x'], $or: [{ detail: { count: [5] } }, { detail: { ok: [true] } }] }, false],
  [{ detail: { items: { kind: ['a'], size: [1] } } }, true],
  [{ detail: { items: { kind: ['a'], size: [2] } } }, false],
])('%j: %s', (pattern, expected) => {
  expect(parseEventPattern(pattern)(event)).toBe(expected);
});

test.each([
  [{}, 'its top: must not be empty'],
  [{ source: [] }, 'source: a list of values must not be empty'],
  [{ source: 'x' }, 'source: must be an object, or a list'],
  [{ detail: { ip: [{ cidr: '10.0.0.0/8' }] } }, 'detail.ip: the operator cidr is not run'],
  [{ a: [{ prefix: 'x', suffix: 'y' }] }, 'a: an operator must be alone'],
  [{ a: [{ numeric: ['>', 'x'] }] }, 'a: numeric'],
  [{ a: [['x']] }, 'a: a value must be'],
  [{ $or: [{ a: [1] }] }, '$or: must be a list of two'],
])('%j is refused', (pattern, message) => {
  expect(() => parseEventPattern(pattern)).toThrow(`event pattern at ${message}`);
});

test('the pattern of any event of strings matches it, and nothing but it', () => {
  const fields = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.string(), { minKeys: 1 });
  fc.assert(
    fc.property(fields, fields, (made, other) => {
      const pattern = Object.fromEntries(Object.entries(made).map(([key, value]) => [key, [value]]));
      const matches = parseEventPattern(pattern);
      expect(matches({ ...other, ...made })).toBe(true);
      expect(matches(other)).toBe(Object.entries(made).every(([key, value]) => other[key] === value));
    }),
  );
});
