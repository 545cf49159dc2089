import type { z } from 'zod';

/** A fault that cannot be injected; the message says what was read, what was expected. */
export class FaultError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FaultError';
  }
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}

/** Every issue as `what: read; expected …`, in one line each. */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  input: unknown,
  parameters: readonly string[],
): string {
  return issues
    .flatMap(issue => {
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map(key => `${key}: not a parameter here; expected one of ${parameters.join(', ')}`);
      }
      const value = valueAt(input, issue.path);
      const read = value === undefined ? 'nothing was given' : JSON.stringify(value);
      const expected = issue.code === 'invalid_value' ? `one of ${issue.values.join(', ')}` : issue.message;
      return [`${issue.path.join('.') || 'fault'}: ${read}; expected ${expected}`];
    })
    .join('\n');
}
