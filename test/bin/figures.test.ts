import { figuresOf } from '../../bin/incident/figures.ts';
import type { Incident } from '../../lambdas/shared/incidents.ts';

const values = (at: string, text: string): Incident['timeline'][number] => ({ at, kind: 'values', text });

test('figures of the timeline, current ones, old ones and none, before and after', () => {
  const timeline = [
    values(
      '2026-11-22T12:01:00.000Z',
      'before: Slow 3082.5 (ALARM), CensusRuns 1 (ALARM, 14 min ago), Backlog nothing (OK)',
    ),
    values('2026-11-22T12:09:00.000Z', 'after, not recovered: Slow 3 (OK), CensusRuns 1 (OK)'),
  ];
  expect(figuresOf({ timeline }, undefined)).toEqual({
    header: ['Figure', 'Condition', 'before, 12:01 UTC', 'after, not recovered, 12:09 UTC'],
    rows: [
      ['Slow', '', '3082.5 (ALARM)', '3 (OK)'],
      ['CensusRuns', '', '1 (ALARM, 14 min ago)', '1 (OK)'],
      ['Backlog', '', 'nothing (OK)', 'not measured'],
    ],
  });
});
