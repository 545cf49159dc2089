import fc from 'fast-check';
import { everything, mayRead, mayWrite, rightsSchema } from '../../../lambdas/shared/rights.ts';

const rights = { read: ['room:*', 'world'], write: ['room:lobby'] };

test.each([
  ['world', true],
  ['world2', false],
  ['worl', false],
  ['World', false],
  ['room:', true],
  ['room:lobby', true],
  ['room:a:b', true],
  ['room', false],
  ['xroom:a', false],
  ['*', false],
])('who may read room:* and world may read %s: %p', (channel, allowed) => {
  expect(mayRead(rights, channel)).toBe(allowed);
});

test('reading and writing are separate rights', () => {
  expect(mayWrite(rights, 'room:lobby')).toBe(true);
  expect(mayWrite(rights, 'room:other')).toBe(false);
  expect(mayWrite(rights, 'world')).toBe(false);
});

test('a star that is not at the end stands for itself', () => {
  expect(mayRead({ read: ['a*b'], write: [] }, 'axb')).toBe(false);
  expect(mayRead({ read: ['**'], write: [] }, 'axb')).toBe(false);
});

test('a prefix allows exactly what begins with it', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 4, unit: fc.constantFrom('a', ':', '.') }),
      fc.string({ maxLength: 6, unit: fc.constantFrom('a', ':', '.') }),
      (prefix, channel) => {
        expect(mayRead({ read: [`${prefix}*`], write: [] }, channel)).toBe(channel.startsWith(prefix));
        expect(mayRead({ read: [prefix], write: [] }, channel)).toBe(channel === prefix);
      },
    ),
  );
});

test('without rights nothing is allowed, with all of them everything', () => {
  const none = rightsSchema.parse({});
  expect(none).toEqual({ read: [], write: [] });
  expect(mayRead(none, 'c')).toBe(false);
  expect(mayWrite(none, 'c')).toBe(false);
  expect(mayRead(everything, 'c')).toBe(true);
  expect(mayWrite(everything, 'c')).toBe(true);
});

test.each([
  { read: 'room:*' },
  { read: [''] },
  { read: [1] },
  { write: ['x'.repeat(130)] },
  { read: Array(201).fill('c') },
  'room:*',
  null,
])('a claim of another shape is refused: %j', claim => {
  expect(rightsSchema.safeParse(claim).success).toBe(false);
});
