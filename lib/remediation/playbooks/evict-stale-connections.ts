import { Choice, Condition, Pass, Result, type State } from 'aws-cdk-lib/aws-stepfunctions';
import { format } from '../states.ts';
import type { Playbook, PlaybookStates } from './playbook.ts';
import { sweepPages } from './sweep-pages.ts';

/** Reports who holds connections, and closes those whose heartbeats stopped; nobody else. */
export function evictStaleConnections(playbook: Playbook, sweepArn: string): PlaybookStates {
  const figures = ['$.page.totals.closed', '$.page.totals.forgotten', '$.page.totals.seen', '$.leaks.connections'];
  const report = { 'leaks.$': '$.leaks', 'totals.$': '$.page.totals' };
  const words = 'closed {} silent connections and forgot {} dead ones of {}; {} were registered before';
  const refused = playbook.answer('It was refused', {
    changed: false,
    summary: format('nobody was closed, silence may not mean death now: {}', '$.page.refused'),
    report,
  });
  const evicted = playbook.answer('Say who was closed', { changed: true, summary: format(words, ...figures), report });
  const nobody = playbook.answer('Nobody was stale', {
    changed: false,
    summary: format('no connection of {} is stale', '$.page.totals.seen'),
    report,
  });
  const would = playbook.answer('Say who would be closed', {
    changed: false,
    summary: format(`dry run: ${words}`, ...figures),
    report,
  });
  const told = new Choice(playbook, 'Who was closed')
    .when(Condition.isPresent('$.page.refused'), refused)
    .when(Condition.booleanEquals('$.page.dryRun', true), would)
    .when(
      Condition.or(
        Condition.numberGreaterThan('$.page.totals.closed', 0),
        Condition.numberGreaterThan('$.page.totals.forgotten', 0),
      ),
      evicted,
    )
    .otherwise(nobody);
  const begin = (dryRun: boolean, next: State): State => {
    const flag = new Pass(playbook, dryRun ? 'Close nobody' : 'Close them', {
      result: Result.fromObject({ dryRun }),
      resultPath: '$.mode',
    });
    flag.next(next);
    return flag;
  };
  const leaks = playbook.task('Report leaks', {
    resource: 'lambda:invoke',
    parameters: { FunctionName: sweepArn, Payload: { mode: 'leaks' } },
    resultSelector: { 'report.$': '$.Payload' },
    resultPath: '$.leaks',
    timeoutSeconds: 70,
  });
  const unpacked = new Pass(playbook, 'Take the report', { inputPath: '$.leaks.report', resultPath: '$.leaks' });
  leaks.next(unpacked);
  unpacked.next(
    sweepPages(playbook, {
      name: 'Evict',
      request: { mode: 'evict', 'dryRun.$': '$.mode.dryRun' },
      sweepArn,
      path: '$.page',
      next: told,
    }),
  );
  return {
    start: playbook.begin({ run: begin(false, leaks), dryRun: begin(true, leaks), undo: playbook.nothingToUndo() }),
    allow: permissions => permissions.invoke(sweepArn),
  };
}
