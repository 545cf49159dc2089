import type { Incident } from '../../lambdas/shared/incidents.ts';
import { undoOrder } from '../../lambdas/shared/incidents.ts';
import { alignedTable } from '../runbook/aligned-table.ts';

/** A line for each. */
export function incidentTable(incidents: readonly Incident[]): string {
  const rows = incidents.map(({ record, status, severity, openedAt = '', acknowledged, approval, undo }) => [
    record,
    severity,
    status,
    openedAt.slice(0, 19),
    [
      approval && `waits for approval: ${approval.playbook}`,
      acknowledged && `seen by ${acknowledged.by}`,
      Object.keys(undo).length > 0 && `${Object.keys(undo).length} to undo`,
    ]
      .filter(Boolean)
      .join('; '),
  ]);
  return alignedTable(['Incident', 'Severity', 'Status', 'Opened', ''], rows);
}

/** Everything about one, but the token of its approval. */
export function showIncident(incident: Incident): string {
  const { record, title, severity, status, link, timeline, approval, acknowledged, stop, confirmations } = incident;
  const facts = [
    ['Status', incident.ending === undefined ? status : `${status}: ${incident.ending}`],
    ['Severity', severity],
    ['Runbook', link],
    ['Seen by', acknowledged && `${acknowledged.by}, ${acknowledged.at}`],
    ['Stopped by', stop && `${stop.by}, ${stop.at}`],
    ['Waits for approval', approval && `${approval.playbook}, since ${approval.askedAt}`],
    ...Object.entries(confirmations).map(([what, { by, at }]) => ['Confirmed', `${what} (${by}, ${at})`]),
    ...undoOrder(incident).map(({ playbook, change }) => ['To be undone', `${playbook}: ${change}`]),
  ].flatMap(([name, value]) => (value ? [`${name}: ${value}`] : []));
  return [
    `${record}: ${title}`,
    ...facts,
    '',
    alignedTable(
      ['At', 'What', ''],
      timeline.map(({ at, kind, text }) => [at.slice(0, 19).replace('T', ' '), kind, text.replaceAll('\n', ' ')]),
    ),
  ].join('\n');
}
