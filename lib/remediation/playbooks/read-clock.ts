import type { State } from 'aws-cdk-lib/aws-stepfunctions';
import type { Playbook } from './playbook.ts';

/** Puts the functions' time at `$.clock.epochMilliseconds`. */
export function readClock(playbook: Playbook, clockArn: string, next: State): State {
  const read = playbook.task('Read the clock of the functions', {
    resource: 'lambda:invoke',
    parameters: { FunctionName: clockArn, Payload: {} },
    resultSelector: { 'epochMilliseconds.$': '$.Payload.epochMilliseconds' },
    resultPath: '$.clock',
    timeoutSeconds: 30,
  });
  read.next(next);
  return read;
}
