import { flood } from '../load.ts';
import type { ScenarioOf } from '../scenario.ts';
import { figuresDivided, quickHeartbeats } from './changes.ts';
import { faulty } from './faulty.ts';

/** Faults of the store, and of what is shared with others. */

/** Without heartbeats nothing is refused. */
export const heartbeatsThrottled: ScenarioOf = (row, runbook) =>
  faulty(
    'the store throttles an eighth of the writes to the connections, which are heartbeats above all',
    // What is tried again goes through: the store is short, and not gone.
    [{ fault: 'store-throttle', table: 'connections', operation: 'UpdateItem', share: 0.12, seed: 1 }],
    { changes: [...figuresDivided(row, runbook, 5), ...quickHeartbeats(runbook)], timeScale: 20 },
  );

/**
 * So many messages that a table, or the account, is near its limit. That is some thousand times what this machine does, so the
 * share is divided.
 */
export const manyWrites =
  (by: number): ScenarioOf =>
  (row, runbook) => ({
    fault: 'three publishers send twenty messages a second each',
    changes: figuresDivided(row, runbook, by, true),
    audience: { perSecond: 1 },
    timeScale: 20,
    begin: ({ stage }) => flood(stage, 3, 20, n => `flood:${n}`),
  });
