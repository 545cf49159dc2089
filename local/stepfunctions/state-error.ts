/**
 * What makes a state fail, under the names of the Amazon States Language ("Handling errors in Step Functions workflows"):
 * `States.Timeout`, `Lambda.TooManyRequestsException`, or what a function or a Fail state calls it.
 */
export class StateError extends Error {
  readonly error: string | undefined;
  readonly errorCause: string | undefined;

  constructor(error: string | undefined, errorCause?: string) {
    super(errorCause ?? error ?? '');
    this.name = error ?? 'StateError';
    this.error = error;
    this.errorCause = errorCause;
  }
}

/** The definition and its data do not fit together. Nothing retries or catches it. */
export const runtimeError = (cause: string) => new StateError('States.Runtime', cause);

const timeouts: readonly (string | undefined)[] = ['States.Timeout', 'States.HeartbeatTimeout'];

/** Whether a retrier or catcher that names these errors is for this one. */
export function isNamed(names: readonly string[], { error }: StateError): boolean {
  // "a Retry or a Catch on States.ALL won't catch States.Runtime errors", nor States.DataLimitExceeded.
  if (error === 'States.Runtime') return false;
  return names.some(
    name =>
      (name === 'States.ALL' && error !== 'States.DataLimitExceeded') ||
      // "matches any known error name except for States.Timeout"
      (name === 'States.TaskFailed' && !timeouts.includes(error) && error !== 'States.DataLimitExceeded') ||
      // A missed heartbeat is a timeout too.
      (name === 'States.Timeout' && timeouts.includes(error)) ||
      name === error,
  );
}
