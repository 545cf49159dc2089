import { playbooks } from '../../runbook/playbooks.ts';
import type { StoreTable } from '../permissions.ts';
import { format } from '../states.ts';
import { controlChange } from './control-change.ts';
import type { Playbook, PlaybookStates } from './playbook.ts';

/** One message in so many milliseconds for each publisher and channel. A stronger throttle that is there stays. */
export function throttlePublishers(playbook: Playbook, table: StoreTable): PlaybookStates {
  const asked = '$.parameters.intervalMs';
  const { run, dryRun, undo } = controlChange(playbook, {
    table,
    fields: [{ name: 'throttleMs', value: { 'N.$': `States.Format('{}', ${asked})` } }],
    weaker: '<',
    says: format('one message in {} ms for each publisher and channel', asked),
  });
  const { parameter } = playbooks['throttle-publishers'];
  return {
    start: playbook.begin({ run: playbook.bounded(parameter.name, parameter, run), dryRun, undo }),
    allow: permissions => permissions.table(table, 'GetItem', 'UpdateItem'),
  };
}
