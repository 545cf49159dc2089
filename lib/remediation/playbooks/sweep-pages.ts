import { Choice, Condition, Errors, Pass, type State } from 'aws-cdk-lib/aws-stepfunctions';
import type { Text } from '../states.ts';
import type { Playbook } from './playbook.ts';

export interface SweepPages {
  /** Distinguishes the states of two sweeps of one playbook. */
  readonly name: string;
  /** The first request; `Text`s are expressions where they look like one. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly sweepArn: string;
  /** Where the answers are kept, e.g. `$.page`; the last one is there at the end. */
  readonly path: Text;
  /** Where failures go; they end the execution if not given, or are caught by what this is a branch of. */
  readonly failed?: State | 'outside';
  /** Absent at the end of a branch. */
  readonly next?: State;
}

/** A page may take its function's minute. */
const pageSeconds = 70;

/** Goes over all connections: each answer of the function is its next request, until it is done. */
export function sweepPages(playbook: Playbook, { name, request, sweepArn, path, failed, next }: SweepPages): State {
  const first = new Pass(playbook, `${name}: begin`, { parameters: request, resultPath: path });
  const page = playbook.task(
    `${name}: a page`,
    {
      resource: 'lambda:invoke',
      parameters: { FunctionName: sweepArn, 'Payload.$': path },
      resultSelector: { 'answer.$': '$.Payload' },
      resultPath: path,
      timeoutSeconds: pageSeconds,
    },
    failed === undefined ? {} : failed === 'outside' ? 'outside' : { [Errors.ALL]: failed },
  );
  const unpacked = new Pass(playbook, `${name}: its answer`, { inputPath: `${path}.answer`, resultPath: path });
  const end = new Pass(playbook, `${name}: end`);
  first.next(page);
  page.next(unpacked);
  unpacked.next(
    new Choice(playbook, `${name}: is it done`)
      .when(Condition.booleanEquals(`${path}.done`, true), end)
      .otherwise(page),
  );
  if (next) end.next(next);
  return first;
}
