import { complaints, factorOf, type Report } from '../../drills/report.ts';
import { judgePages, outcomeOf, playbooksOf } from '../../drills/verdict.ts';
import type { Incident, TimelineEntry } from '../../lambdas/shared/incidents.ts';
import type { AlarmRow, EscalationStep } from '../../lib/runbook/runbook.ts';

const at = '2026-11-22T10:00:00.000Z';
const incident = (status: Incident['status'], said: readonly string[] = [], supersededBy: readonly string[] = []) => ({
  status,
  timeline: said.map((text): TimelineEntry => ({ at, kind: 'action', text })),
  supersededBy: new Set(supersededBy),
});
const ran = 'runs scale-delivery 5, try 1 of 2';

test.each<[string, ReturnType<typeof incident> | undefined, ReturnType<typeof outcomeOf>]>([
  ['nothing yet', undefined, undefined],
  ['while it is worked on', incident('open', [ran]), undefined],
  ['a playbook ran and it was closed', incident('closed', [ran]), 'recovered'],
  [
    'another incident had run it',
    incident('closed', ['scale-delivery is run for A-1 now; its outcome is awaited']),
    'recovered',
  ],
  ['it was closed and nothing was done', incident('closed', ['it was over before anything was done']), 'cleared'],
  ['a more severe alarm had it', incident('closed', [], ['shop-dev-Worse']), 'superseded'],
  ['it outlasted a more severe alarm', incident('closed', [ran], ['shop-dev-Worse']), 'recovered'],
  ['people have it', incident('escalated', [ran]), 'escalated'],
  [
    'people had it when it was closed',
    incident('closed', [ran, 'nothing automatic is left; people have it now']),
    'escalated',
  ],
])('%s', (_, given, expected) => {
  expect(outcomeOf(given)).toBe(expected);
});

test('playbooks are told once each, in order', () => {
  expect(playbooksOf(incident('closed', [ran, 'runs flush-backlog, try 1 of 2', ran]))).toEqual([
    'scale-delivery',
    'flush-backlog',
  ]);
});

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
const page = (contact: string, channel: 'Slack' | 'PagerDuty' | 'phone' | 'email', minute: number) => ({
  contact,
  channel,
  minute,
});

test('those are asked for whom the ladder has for the severity by then, at their minute', () => {
  const atOnce = [page('on-call', 'PagerDuty', 0.2), page('on-call', 'Slack', 1)];
  expect(judgePages(atOnce, escalation, 'P1', 20)).toEqual({ missed: [], unasked: [] });
  expect(judgePages(atOnce.slice(1), escalation, 'P1', 20).missed).toEqual(['on-call by PagerDuty at 0 min']);
  expect(judgePages(atOnce, escalation, 'P1', 40).missed).toEqual(['lead by phone at 30 min']);
  expect(judgePages([...atOnce, page('lead', 'phone', 31)], escalation, 'P1', 40).missed).toEqual([]);
  // Told, and far too early.
  expect(judgePages([...atOnce, page('lead', 'phone', 15)], escalation, 'P1', 40).missed).toHaveLength(1);
});

test('while the alarm is OK the ladder stands still, and looks every five minutes', () => {
  const atOnce = [page('on-call', 'PagerDuty', 0.2), page('on-call', 'Slack', 1)];
  const over = [{ from: 20, to: Number.POSITIVE_INFINITY }];
  expect(judgePages(atOnce, escalation, 'P1', 90, over).missed).toEqual([]);
  const again = [{ from: 20, to: 40 }];
  expect(judgePages(atOnce, escalation, 'P1', 50, again).missed).toEqual([]);
  expect(judgePages(atOnce, escalation, 'P1', 60, again).missed).toEqual(['lead by phone at 30 min']);
  expect(judgePages([...atOnce, page('lead', 'phone', 42)], escalation, 'P1', 60, again).missed).toEqual([]);
  // Who is told at once is told at once.
  expect(judgePages([], escalation, 'P2', 10, [{ from: 1, to: 9 }]).missed).toEqual(['on-call by Slack at 0 min']);
});

test('who is nowhere in the ladder of the severity was not to be told; a conditional step may be', () => {
  expect(judgePages([page('on-call', 'PagerDuty', 0)], escalation, 'P2', 0).unasked).toEqual([
    'on-call by PagerDuty at 0 min',
  ]);
  expect(judgePages([page('status', 'email', 3)], escalation, 'P2', 0).unasked).toEqual([]);
});

const good: Report = {
  ...{ service: 'shop', alarm: 'Slow', fault: 'posts are slow', thresholdFactor: 1, changes: [], timeScale: 60 },
  ...{ remediation: 'on', expected: 'recovered', outcome: 'recovered', detectedMinutes: 2, recoveredMinutes: 9 },
  ...{ firedAgain: false, lostMessages: 0, acceptedMessages: 10, playbooks: ['scale-delivery'], paged: [] },
  ...{ missedPages: [], unaskedPages: [], pendingUndo: [] },
};

test('nothing is complained of where all is as promised', () => {
  expect(complaints(good)).toEqual([]);
  // What was temporary is given back while the load lasts.
  expect(complaints({ ...good, firedAgain: true })).toEqual([]);
});

test.each<[string, Partial<Report>]>([
  ['escalated, not recovered', { outcome: 'escalated' }],
  ['cleared, not recovered', { outcome: 'cleared' }],
  ['messages lost', { lostMessages: 1 }],
  ['not told', { missedPages: ['lead by phone at 30 min'] }],
  ['in no step', { unaskedPages: ['lead by phone at 0 min'] }],
  ['not given back', { pendingUndo: ['scale-delivery'] }],
  ['not closed', { expected: 'escalated', outcome: 'escalated', recoveredMinutes: null }],
  ['fired again', { firedAgain: true, playbooks: ['rollback-release'] }],
  ['the disk is full', { failure: 'the disk is full' }],
])('%s is complained of', (words, otherwise) => {
  expect(complaints({ ...good, ...otherwise }).join()).toContain(words);
});

test('the factor is that of the figure, and of the sample where the figure is a share', () => {
  const row = (threshold: number, sample?: number): AlarmRow => ({
    name: 'Slow',
    text: '',
    severity: 'P2',
    quiet: [],
    procedure: { heading: '', anchor: '' },
    remediation: { kind: 'none', reason: '' },
    condition: {
      kind: 'threshold',
      signal: 'Errors',
      statistic: 'Sum',
      periodSeconds: 60,
      periods: 1,
      datapoints: 1,
      comparison: '>',
      threshold,
      ...(sample !== undefined && { minimumSample: { signal: 'Errors', comparison: '>=', threshold: sample } }),
    },
  });
  expect(factorOf(row(10_000), row(40))).toBe(250);
  expect(factorOf(row(10), row(10))).toBe(1);
  expect(factorOf(row(0), row(0))).toBe(1);
  expect(factorOf(row(50, 20), row(50, 1))).toBe(20);
});
