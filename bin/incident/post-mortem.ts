import { type Incident, undoOrder } from '../../lambdas/shared/incidents.ts';
import type { Runbook } from '../../lib/runbook/runbook.ts';

export interface PostMortemSource {
  readonly incident: Incident;
  readonly runbook: Pick<Runbook, 'title' | 'owner' | 'recovery' | 'service'>;
  /** Text of the runbook. */
  readonly markdown: string;
}

const after = 'After the incident';

/** The section of the runbook that says what is asked afterwards, without its heading and its code. */
function questions(markdown: string): string {
  const [, rest = ''] = markdown.split(new RegExp(`^## ${after}$`, 'm'));
  const [section = ''] = rest.split(/^## /m);
  return section.replace(/^```[\s\S]*?^```$/gm, '').trim();
}

const minutes = (from: string | undefined, to: string | undefined): string =>
  from === undefined || to === undefined
    ? 'not known'
    : `${(Math.max(0, Date.parse(to) - Date.parse(from)) / 60_000).toFixed(1)} min`;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** A draft in Markdown: what is known is filled in, what only people know is asked. */
export function postMortem({ incident, runbook, markdown }: PostMortemSource): string {
  const { record, title, severity, status, link, alarmAt, pagedAt, closedAt, timeline, confirmations } = incident;
  const began =
    alarmAt === undefined ? undefined : new Date(Date.parse(alarmAt) - incident.windowSeconds * 1000).toISOString();
  const of = (...kinds: string[]) =>
    timeline.filter(({ kind }) => kinds.includes(kind)).map(({ at, text }) => `- ${at.slice(0, 19)} ${cell(text)}`);
  const listed = (lines: readonly string[]) => (lines.length > 0 ? lines : ['- nothing']);
  const pending = undoOrder(incident).map(({ playbook, change }) => `- not undone: ${playbook} ${change}`);
  const persons = runbook.recovery.flatMap(criterion => {
    if (criterion.kind !== 'person') return [];
    const confirmed = confirmations[criterion.text];
    return [`- [${confirmed ? 'x' : ' '}] ${criterion.text}${confirmed ? ` (${confirmed.by}, ${confirmed.at})` : ''}`];
  });
  return [
    `# Post-mortem: ${record}`,
    '',
    `**${runbook.title}**, ${severity}: ${title}. Status: ${status}${incident.ending ? `, ${incident.ending}` : ''}.`,
    `Owner: ${runbook.owner}. Runbook: <${link}>`,
    '',
    '## Summary',
    '',
    '_What happened, who was hit, for how long: two sentences._',
    '',
    '## Durations',
    '',
    '| From | To | Time |',
    '| --- | --- | --- |',
    `| the condition held, at the latest (${began ?? '?'}) | alarm | ${minutes(began, alarmAt)} |`,
    `| alarm (${alarmAt ?? '?'}) | first page | ${minutes(alarmAt, pagedAt)} |`,
    `| alarm | closed | ${minutes(alarmAt, closedAt)} |`,
    '',
    '## Timeline',
    '',
    '| At | What | |',
    '| --- | --- | --- |',
    ...timeline.map(({ at, kind, text }) => `| ${at.slice(0, 19).replace('T', ' ')} | ${kind} | ${cell(text)} |`),
    '',
    '## What the automation did',
    '',
    ...listed(of('action', 'decision', 'failure')),
    ...pending,
    '',
    '## Figures before and after',
    '',
    ...listed(of('values')),
    '',
    '## Who was told',
    '',
    ...listed(of('page')),
    '',
    '## Seen by people',
    '',
    ...listed([...of('person'), ...persons]),
    '',
    `## ${after}`,
    '',
    questions(markdown).replace(/^(\d+\. [\s\S]*?)(?=\n\d+\. |\n\n|$(?![\s\S]))/gm, '$1\n\n   _Answer:_\n'),
    '',
    '## Actions',
    '',
    '| What | Who | By when |',
    '| --- | --- | --- |',
    '| | | |',
    '',
  ].join('\n');
}
