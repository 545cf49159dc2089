import { z } from 'zod';
import { flag, number, readVariables } from '../../../lambdas/shared/variables.ts';

const schema = z.object({ TABLE: z.string().min(1), SECONDS: number, ANONYMOUS: flag });
const before = process.env;

afterEach(() => {
  process.env = before;
});

test('variables are read as their types', () => {
  process.env = { TABLE: 't', SECONDS: '1.5', ANONYMOUS: 'false', OTHER: 'x' };
  expect(readVariables(schema)).toEqual({ TABLE: 't', SECONDS: 1.5, ANONYMOUS: false });
});

test('every variable that is missing or malformed is named', () => {
  process.env = { TABLE: '', SECONDS: 'ten' };
  expect(() => readVariables(schema)).toThrow(/TABLE[\s\S]*SECONDS[\s\S]*ANONYMOUS/);
});

test.each(['', '-1', '1e3', ' 1', '1.', 'NaN', 'Infinity'])('%p is no number', SECONDS => {
  process.env = { TABLE: 't', SECONDS, ANONYMOUS: 'true' };
  expect(() => readVariables(schema)).toThrow('SECONDS');
});

test.each(['', '1', 'TRUE', 'yes'])('%p is no flag', ANONYMOUS => {
  process.env = { TABLE: 't', SECONDS: '1', ANONYMOUS };
  expect(() => readVariables(schema)).toThrow('ANONYMOUS');
});
