import { flood } from '../load.ts';
import type { Scenario, ScenarioOf } from '../scenario.ts';
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
 * So many messages that a table is near its limit. A table takes 40,000 writes a second, some thousand times what this machine
 * does, so the share is divided.
 */
export const manyWrites =
  (perSecond: number, by: number, more: Partial<Scenario> = {}): ScenarioOf =>
  (row, runbook) => ({
    fault: `ten publishers send ${perSecond} messages a second each`,
    changes: figuresDivided(row, runbook, by, true),
    audience: { perSecond: 1 },
    timeScale: 20,
    ...more,
    begin: ({ stage }) => flood(stage, 10, perSecond, n => `flood:${n}`),
  });
