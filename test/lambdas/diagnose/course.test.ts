import { courseOf } from '../../../lambdas/diagnose/course.ts';

const course = (...values: readonly number[]) =>
  courseOf(values.map((value, minute) => ({ at: minute * 60_000, value })));

test.each([
  ['one connection of few, which may be the probe', [7, 6], 'steady', 'none'],
  ['as many as come and go', [1_000, 960], 'steady', 'none'],
  ['nobody was there', [0, 0], 'steady', 'none'],
  ['two of three at once', [3, 1], 'sudden', 'some'],
  ['a tenth, bit by bit', [100, 97, 94, 91, 88], 'gradual', 'some'],
  ['everybody at once', [100, 100, 2], 'sudden', 'all'],
] as const)('%s', (_, values, kind, scope) => {
  expect(course(...values)).toMatchObject({ kind, scope });
});

test('of nothing there is none', () => {
  expect(course()).toBeUndefined();
});

test('it tells when it fell most', () => {
  expect(course(100, 90, 20, 10)).toMatchObject({ fellAt: 120_000, most: 100, last: 10 });
});
