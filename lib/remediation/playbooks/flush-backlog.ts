import type { StoreTable } from '../permissions.ts';
import { controlChange } from './control-change.ts';
import type { Playbook, PlaybookStates } from './playbook.ts';
import { readClock } from './read-clock.ts';

/** What waits now is logged without being posted; fan-out then has the subscribers fetch it from the log. */
export function flushBacklog(playbook: Playbook, table: StoreTable, clockArn: string): PlaybookStates {
  const { run, dryRun, undo } = controlChange(playbook, {
    table,
    fields: [
      {
        name: 'flush',
        value: { M: { until: { 'N.$': "States.Format('{}', $.clock.epochMilliseconds)" } } },
        comparedBy: 'until',
      },
    ],
    weaker: '<',
    says: 'what was published until now is logged without being posted, and its subscribers fetch it from the log',
  });
  return {
    start: playbook.begin({ run: readClock(playbook, clockArn, run), dryRun, undo }),
    allow: permissions => permissions.table(table, 'GetItem', 'UpdateItem').invoke(clockArn),
  };
}
