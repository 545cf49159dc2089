import { approvalSeconds, type Incident, type IncidentStatus, undoOrder } from '../../lambdas/shared/incidents.ts';
import type { Runbook } from '../../lib/runbook/runbook.ts';
import { alignedTable } from '../runbook/aligned-table.ts';
import { figuresOf } from './figures.ts';
import { utc } from './times.ts';

/** A line for each. */
export function incidentTable(incidents: readonly Incident[]): string {
  const rows = incidents.map(({ record, status, severity, openedAt = '', acknowledged, approval, undo }) => [
    record,
    severity,
    status,
    utc(openedAt),
    [
      approval && `waits for approval: ${approval.playbook}`,
      acknowledged && `seen by ${acknowledged.by}`,
      Object.keys(undo).length > 0 && `${Object.keys(undo).length} to undo`,
    ]
      .filter(Boolean)
      .join('; '),
  ]);
  return alignedTable(['Incident', 'Severity', 'Status', 'Opened (UTC)', ''], rows);
}

export interface ShowOptions {
  /** What is called for this service, without what is wanted: `npm run incident --`. */
  readonly command: string;
  /** Absent where it cannot be read; then what it says is left out. */
  readonly runbook: Pick<Runbook, 'alarms' | 'recovery'> | undefined;
}

const meaning: Readonly<Record<IncidentStatus, string>> = {
  open: 'the automation works on it',
  escalated: 'nothing automatic is left, people have it; closed by itself when all is well again',
  stopped: 'a person has ended the automation, people have it; closed by itself when all is well again',
  superseded: 'a more severe alarm of the same signal has the remediation',
  closed: 'over',
};

const width = 120;

/** Text in lines of at most `width`, all but the first one indented. */
function wrapped(text: string, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width - indent) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}

/** Everything about one, but the token of its approval: what waits for the reader first, what happened last. */
export function showIncident(incident: Incident, { command, runbook }: ShowOptions): string {
  return [
    `${incident.record}: ${incident.title}`,
    ...waiting(incident, command),
    ...facts(incident, command),
    ...undone(incident, command),
    ...seen(incident, command, runbook),
    ...figures(incident, runbook),
    ...history(incident),
  ].join('\n');
}

function waiting({ approval, record }: Incident, command: string): string[] {
  if (!approval) return [];
  const until = new Date(Date.parse(approval.askedAt) + approvalSeconds * 1000).toISOString();
  return [
    '',
    `Waits for you: may ${approval.playbook} run? No answer until ${utc(until)} UTC is a no.`,
    `  ${command} approve ${record}`,
    `  ${command} reject ${record}`,
  ];
}

function facts(incident: Incident, command: string): string[] {
  const { record, status, ending, severity, link, alarmAt, closedAt, acknowledged, stop } = incident;
  const isOpen = status !== 'closed';
  return [
    '',
    `Status     ${status}: ${ending ?? meaning[status]}`,
    `Severity   ${severity}`,
    `Since      ${alarmAt === undefined ? 'not known' : `${utc(alarmAt)} UTC`}`,
    ...(closedAt === undefined ? [] : [`Until      ${utc(closedAt)} UTC`]),
    `Runbook    ${link}`,
    ...(acknowledged ? [`Seen by    ${acknowledged.by}, ${utc(acknowledged.at)} UTC`] : []),
    ...(!acknowledged && isOpen ? [`Seen by    nobody; then nobody further is told: ${command} ack ${record}`] : []),
    ...(stop ? [`Stopped by ${stop.by}, ${utc(stop.at)} UTC`] : []),
  ];
}

function undone(incident: Incident, command: string): string[] {
  const pending = undoOrder(incident);
  if (pending.length === 0) return [];
  const { record, status } = incident;
  const when =
    status === 'closed'
      ? 'Not undone, give it back by hand (docs/playbooks.md):'
      : `To be undone when it is over; now: ${command} stop ${record}`;
  return ['', when, ...pending.map(({ playbook, change }) => `  ${playbook}: ${change}`)];
}

function seen({ record, confirmations }: Incident, command: string, runbook: ShowOptions['runbook']): string[] {
  const asked = runbook?.recovery.flatMap(criterion => (criterion.kind === 'person' ? [criterion.text] : [])) ?? [];
  const all = [...new Set([...asked, ...Object.keys(confirmations)])];
  if (all.length === 0) return [];
  const ticks = all.map(what => {
    const confirmed = confirmations[what];
    return confirmed ? `  [x] ${what} (${confirmed.by}, ${utc(confirmed.at)} UTC)` : `  [ ] ${what}`;
  });
  return ['', `What only a person can see: ${command} confirm ${record}`, ...ticks];
}

function figures(incident: Incident, runbook: ShowOptions['runbook']): string[] {
  const { header, rows } = figuresOf(incident, runbook);
  return rows.length === 0 ? [] : ['', alignedTable(header, rows)];
}

function history({ timeline }: Incident): string[] {
  const kinds = Math.max(0, ...timeline.map(({ kind }) => kind.length));
  const indent = 19 + 2 + kinds + 2;
  return [
    '',
    'Timeline (UTC)',
    ...timeline.map(({ at, kind, text }) => `${utc(at)}  ${kind.padEnd(kinds)}  ${wrapped(text, indent)}`),
  ];
}
