import { join } from 'node:path';
import fc from 'fast-check';
import { type PlanProps, planOf } from '../../lib/remediation/plan.ts';
import { loadRunbook } from '../../lib/runbook/reader.ts';
import type { AlarmRow } from '../../lib/runbook/runbook.ts';
import { services } from '../realtime/templates.ts';

const runbooks = join(import.meta.dirname, '..', '..', 'runbooks');
const rows = services.flatMap(service => {
  const runbook = loadRunbook(service, runbooks);
  return runbook.alarms.map(row => [service, row.name, row, runbook] as const);
});
const environment = { name: 'dev', runbookBaseUrl: 'https://runbooks.example.com' };

const plan = (row: AlarmRow, runbook: PlanProps['runbook']) =>
  planOf(row, {
    ...{ runbook, environment, recoveryAlarms: [] },
    ...{ machine: name => name, executions: name => name, topic: severity => severity },
  });

/** From the first poll on: the alarm is not OK before the last bad period is no longer looked at, and then it has to stay so. */
const firstRecovered = ({ condition }: AlarmRow, believe: number, atLeast: number): number =>
  Math.max((condition.periodSeconds * condition.periods) / 60 + believe, atLeast);

test.each(rows)('%s %s: what is cured at once is believed before patience ends', (_service, _name, row, runbook) => {
  const { pollsAtLeast, pollsToBelieve, pollsForAlarm, polls } = plan(row, runbook).verification;
  expect(polls).toBeGreaterThanOrEqual(firstRecovered(row, pollsToBelieve, pollsAtLeast));
  expect(pollsForAlarm).toBeGreaterThan((row.condition.periodSeconds * row.condition.periods) / 60);
});

test('so it is with any period', () => {
  const [, , row, runbook] = rows[0] ?? [];
  if (!row || !runbook) throw new Error('no row');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 360 }), fc.integer({ min: 1, max: 10 }), (minutes, periods) => {
      const condition = { ...row.condition, periodSeconds: 60 * minutes, periods, datapoints: periods };
      const { pollsAtLeast, pollsToBelieve, polls } = plan({ ...row, condition }, runbook).verification;
      return polls >= firstRecovered({ ...row, condition }, pollsToBelieve, pollsAtLeast);
    }),
  );
});
