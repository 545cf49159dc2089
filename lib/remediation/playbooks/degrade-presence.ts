import type { StoreTable } from '../permissions.ts';
import { controlChange } from './control-change.ts';
import type { Playbook, PlaybookStates } from './playbook.ts';

/** Heartbeats cost no write, and nobody is evicted. */
export function degradePresence(playbook: Playbook, table: StoreTable): PlaybookStates {
  const change = controlChange(playbook, {
    table,
    fields: [{ name: 'presence', value: { S: 'degraded' } }],
    weaker: '<>',
    says: 'presence is degraded: heartbeats are answered and not written, nobody is evicted',
  });
  return {
    start: playbook.begin(change),
    allow: permissions => permissions.table(table, 'GetItem', 'UpdateItem'),
  };
}
