import { Choice, Condition, Fail } from 'aws-cdk-lib/aws-stepfunctions';
import { playbooks } from '../../runbook/playbooks.ts';
import { format } from '../states.ts';
import type { Playbook, PlaybookStates } from './playbook.ts';
import { sweepPages } from './sweep-pages.ts';

/** @param windowSeconds over which clients spread what they do */
export function notifyClients(playbook: Playbook, sweepArn: string, windowSeconds: number): PlaybookStates {
  const asked = '$.parameters.notice';
  const told = playbook.answer('Say who was told', {
    changed: true,
    summary: format('told {} clients of {}: {}', '$.page.totals.notified', '$.page.totals.seen', asked),
    report: { 'totals.$': '$.page.totals' },
  });
  const { keywords } = playbooks['notify-clients'].parameter;
  const sweep = (name: string, request: object) =>
    sweepPages(playbook, {
      name,
      request: { mode: 'notify', windowSeconds, ...request },
      sweepArn,
      path: '$.page',
      next: told,
    });
  const nothing = new Fail(playbook, 'No notice', {
    error: 'InvalidParameters',
    cause: `notify-clients: notice must be ${keywords.join(', ')} or a text`,
  });
  const which = new Choice(playbook, 'Which notice').when(
    Condition.or(Condition.isNotPresent(asked), Condition.not(Condition.isString(asked))),
    nothing,
  );
  for (const keyword of keywords)
    which.when(Condition.stringEquals(asked, keyword), sweep(`Tell ${keyword}`, { notice: keyword }));
  which.otherwise(sweep('Tell a text', { notice: 'system', 'message.$': asked }));
  return {
    start: playbook.begin({
      run: which,
      dryRun: playbook.answer('Say what would be told', {
        changed: false,
        summary: format(`dry run: all clients would be told {}, spread over ${windowSeconds} s`, asked),
      }),
      undo: playbook.nothingToUndo(),
    }),
    allow: permissions => permissions.invoke(sweepArn),
  };
}
