import { type Incident, nothingAutomaticIsLeft, runsPlaybook, undoOrder } from '../../lambdas/shared/incidents.ts';
import type { Runbook } from '../../lib/runbook/runbook.ts';
import { figuresOf } from './figures.ts';
import { minutesBetween, utc } from './times.ts';

export interface PostMortemSource {
  readonly incident: Incident;
  readonly runbook: Pick<Runbook, 'title' | 'owner' | 'alarms' | 'recovery' | 'escalation'>;
  /** Text of the runbook. */
  readonly markdown: string;
}

const after = 'After the incident';

/** The section of the runbook that says what is asked afterwards, without its heading and its code; room after each question. */
function questions(markdown: string): string {
  const [, rest = ''] = markdown.split(new RegExp(`^## ${after}$`, 'm'));
  const [section = ''] = rest.split(/^## /m);
  return (
    section
      // With the line that leads to it.
      .replace(/(?:^(?!\d+\. ).*:\n\n)?^```[\s\S]*?^```$/gm, '')
      .trim()
      .replace(/^(\d+\. [\s\S]*?)(?=\n\d+\. |\n\n|$(?![\s\S]))/gm, '$1\n\n   _Answer:_\n')
      .replace(/\n{3,}/g, '\n\n')
  );
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)];
}

const listed = (lines: readonly string[]) => (lines.length > 0 ? lines : ['- nothing']);

/** A draft in Markdown: what is known is filled in, what only people know is asked. Times are UTC. */
export function postMortem({ incident, runbook, markdown }: PostMortemSource): string {
  const { record, title, severity, status, link, timeline } = incident;
  const of = (...kinds: string[]) =>
    timeline.filter(({ kind }) => kinds.includes(kind)).map(({ at, text }) => `- ${utc(at)} ${cell(text)}`);
  const { header, rows } = figuresOf(incident, runbook);
  return [
    `# Post-mortem: ${record}`,
    '',
    `**${runbook.title}**, ${severity}: ${title}. Status: ${status}${incident.ending ? `, ${incident.ending}` : ''}.`,
    `Owner: ${runbook.owner}. Runbook: <${link}>. All times are UTC.`,
    '',
    '## Summary',
    '',
    `${began(incident)} _What happened, why, and what ended it: two sentences._`,
    '',
    '## Impact',
    '',
    ...impact(incident, rows),
    '',
    '## Detection and recovery',
    '',
    ...table(['From', 'To', 'Time'], durations(incident)),
    '',
    '## Timeline',
    '',
    ...table(
      ['At (UTC)', 'What', ''],
      timeline.map(({ at, kind, text }) => [utc(at), kind, text]),
    ),
    '',
    '## Who was told',
    '',
    ...atOnce(incident, runbook),
    ...listed([...of('page'), ...acknowledgement(incident)]),
    '',
    '## What was done',
    '',
    ...listed(of('action', 'decision', 'failure')),
    ...undoOrder(incident).map(({ playbook, change }) => `- **not undone**: ${playbook} ${change}`),
    '',
    '## Figures before and after',
    '',
    ...(rows.length > 0 ? table(header, rows) : ['- nothing was measured']),
    '',
    '## What people saw and did',
    '',
    ...listed([...of('person'), ...ticks(incident, runbook)]),
    '',
    `## ${after}`,
    '',
    questions(markdown),
    '',
    '## Open actions',
    '',
    ...table(['What', 'Who', 'By when'], [...actions(incident, runbook), ['', '', '']]),
    '',
  ].join('\n');
}

function began({ alarm, alarmAt, closedAt }: Incident): string {
  const from = alarmAt === undefined ? '' : ` at ${utc(alarmAt)}`;
  if (closedAt === undefined) return `${alarm} fired${from}; it is not over.`;
  return `${alarm} fired${from}, and it was over at ${utc(closedAt)}, ${minutesBetween(alarmAt, closedAt)} later.`;
}

function impact({ timeline }: Incident, rows: readonly (readonly string[])[]): string[] {
  const [firing] = rows;
  const diagnosis = timeline.find(({ kind }) => kind === 'diagnosis');
  return [
    '- _Who noticed what, and how many of them?_',
    '- _Which messages came late, and was any lost?_',
    ...(firing ? [`- ${firing[0]} when it was first looked at: ${firing[2]}.`] : []),
    ...(diagnosis ? [`- Diagnosis: ${diagnosis.text}`] : []),
  ];
}

function durations(incident: Incident): string[][] {
  const { alarmAt, pagedAt, closedAt, acknowledged, timeline, windowSeconds } = incident;
  const held = alarmAt === undefined ? undefined : new Date(Date.parse(alarmAt) - windowSeconds * 1000).toISOString();
  const acted = timeline.find(({ kind, text }) => kind === 'action' && text.startsWith(runsPlaybook))?.at;
  const at = (time: string | undefined) => (time === undefined ? '' : ` (${utc(time)})`);
  return [
    [`the condition held, at the latest${at(held)}`, `alarm${at(alarmAt)}`, minutesBetween(held, alarmAt)],
    ['alarm', `first page${at(pagedAt)}`, minutesBetween(alarmAt, pagedAt)],
    ['alarm', `seen by somebody${at(acknowledged?.at)}`, minutesBetween(alarmAt, acknowledged?.at)],
    ['alarm', `first action of the automation${at(acted)}`, minutesBetween(alarmAt, acted)],
    ['alarm', `closed${at(closedAt)}`, minutesBetween(alarmAt, closedAt)],
  ];
}

/** Page and alarm name a topic; the runbook names the people behind it. */
function atOnce({ severity, pagedAt }: Incident, { escalation }: Pick<Runbook, 'escalation'>): string[] {
  const told = escalation.filter(
    ({ afterSeconds, condition, severities }) =>
      afterSeconds === 0 && !condition && (severities?.some(each => each === severity) ?? true),
  );
  if (pagedAt === undefined || told.length === 0) return [];
  const people = told.map(({ contact, channels }) => `${contact} by ${channels.join(', ')}`).join('; ');
  return [`- ${utc(pagedAt)} at once, by the runbook: ${people}`];
}

const acknowledgement = ({ acknowledged }: Incident): string[] =>
  acknowledged ? [`- seen by ${acknowledged.by} at ${utc(acknowledged.at)}`] : ['- nobody has said that they saw it'];

const askedOfPeople = ({ recovery }: Pick<Runbook, 'recovery'>): string[] =>
  recovery.flatMap(criterion => (criterion.kind === 'person' ? [criterion.text] : []));

function ticks({ confirmations }: Incident, runbook: Pick<Runbook, 'recovery'>): string[] {
  return askedOfPeople(runbook).map(what => {
    const confirmed = confirmations[what];
    return confirmed ? `- [x] ${what} (${confirmed.by}, ${utc(confirmed.at)})` : `- [ ] ${what}`;
  });
}

/** What follows from the incident itself; the rest is for people. */
function actions(incident: Incident, runbook: Pick<Runbook, 'recovery'>): string[][] {
  const { alarm, confirmations, timeline } = incident;
  const handedOver = timeline.some(({ text }) => text.startsWith(nothingAutomaticIsLeft));
  const what = [
    ...undoOrder(incident).map(({ playbook }) => `Give back what ${playbook} changed`),
    ...timeline.flatMap(({ kind, text }) => (kind === 'failure' ? [`Mend: ${text}`] : [])),
    ...(handedOver ? [`The remediation of ${alarm} did not end it: change its row, or its procedure`] : []),
    ...askedOfPeople(runbook)
      .filter(each => !confirmations[each])
      .map(each => `Find out and confirm: ${each}`),
  ];
  return what.map(each => [each, '', '']);
}
