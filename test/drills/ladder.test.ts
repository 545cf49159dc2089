import { expectedPages, lastStepMinute } from '../../drills/ladder.ts';
import type { EscalationStep } from '../../lib/runbook/runbook.ts';

const escalation: readonly EscalationStep[] = [
  { afterSeconds: 0, contact: 'on-call', channels: ['PagerDuty', 'Slack'], severities: ['P0', 'P1'] },
  { afterSeconds: 0, contact: 'on-call', channels: ['Slack'], severities: ['P2'] },
  {
    afterSeconds: 0,
    contact: 'status',
    channels: ['email'],
    condition: {
      kind: 'threshold',
      signal: 'ConnectionDrop',
      statistic: 'Average',
      periodSeconds: 60,
      periods: 1,
      datapoints: 1,
      comparison: '>',
      threshold: 10,
    },
  },
  { afterSeconds: 1_800, contact: 'lead', channels: ['phone'] },
];

test('by a minute, those are told whom the table has for the severity', () => {
  expect(expectedPages({ escalation }, 'P1', 29)).toEqual([
    { contact: 'on-call', channel: 'PagerDuty', minute: 0 },
    { contact: 'on-call', channel: 'Slack', minute: 0 },
  ]);
  expect(expectedPages({ escalation }, 'P2', 30)).toEqual([
    { contact: 'on-call', channel: 'Slack', minute: 0 },
    { contact: 'lead', channel: 'phone', minute: 30 },
  ]);
});

test('the last step is that of the severity', () => {
  expect(lastStepMinute({ escalation }, 'P3')).toBe(30);
  expect(lastStepMinute({ escalation: escalation.slice(0, 2) }, 'P3')).toBe(0);
});
