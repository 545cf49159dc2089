import { alignedTable } from '../bin/runbook/aligned-table.ts';
import { playbookFor, playbookNames } from '../lib/runbook/playbooks.ts';
import type { AlarmRow } from '../lib/runbook/runbook.ts';
import type { Happening } from './course.ts';
import type { DrillResult } from './drill.ts';
import type { Outcome } from './verdict.ts';

/** A drill and what came of it, as `--json` prints it. */
export interface Report extends DrillResult {
  readonly service: string;
  readonly alarm: string;
  readonly fault: string;
  /** By how much the alarm's figure was divided; 1 where it is the runbook's own. */
  readonly thresholdFactor: number;
  /** How the copy of the runbook differs, in words. */
  readonly changes: readonly string[];
  readonly timeScale: number;
  readonly remediation: 'on' | 'off';
  readonly expected: Outcome;
  /** Why the drill itself failed. */
  readonly failure?: string;
}

/** By how much the figure of a copy's alarm is smaller; where the figure is a share of a sample, by how much the sample is. */
export function factorOf({ condition: own }: AlarmRow, { condition: copied }: AlarmRow): number {
  if (own.kind === 'band' || copied.kind === 'band') return 1;
  // More than 0 of something is no less for being divided.
  const ratio = own.threshold === copied.threshold ? 1 : own.threshold / copied.threshold;
  if (ratio !== 1 || !own.minimumSample || !copied.minimumSample) return Number(ratio.toPrecision(3));
  return Number((own.minimumSample.threshold / copied.minimumSample.threshold).toPrecision(3));
}

const isTemporary = (name: string): boolean => playbookNames.some(each => each === name && playbookFor(each).temporary);

/**
 * What is not as the runbook promises, in words; nothing where all is: the outcome, every message, the right people at the right
 * minutes and nobody else, everything given back, and closed in the end.
 */
export function complaints(report: Report): readonly string[] {
  const { outcome, expected, lostMessages, missedPages, unaskedPages, pendingUndo, recoveredMinutes, failure } = report;
  const { firedAgain, playbooks } = report;
  return [
    outcome !== expected && `${outcome}, not ${expected}`,
    failure !== undefined && failure,
    lostMessages > 0 && `${lostMessages} messages lost`,
    missedPages.length > 0 && `not told: ${missedPages.join('; ')}`,
    unaskedPages.length > 0 && `told, and in no step: ${unaskedPages.join('; ')}`,
    pendingUndo.length > 0 && `not given back: ${pendingUndo.join(', ')}`,
    firedAgain && !playbooks.some(isTemporary) && 'fired again, though nothing had been given back',
    outcome === 'escalated' && recoveredMinutes === null && 'not closed when the fault was lifted',
  ].filter(complaint => complaint !== false);
}

const minutes = (value: number | null): string => (value === null ? '–' : value.toFixed(1));

/** A line of the timeline. */
export function happeningLine({ minute, kind, text }: Happening & { readonly minute: number }): string {
  return `${minute.toFixed(1).padStart(7)} min  ${kind.padEnd(12)} ${text.replaceAll('\n', ' ')}`;
}

export function reportTable(reports: readonly Report[]): string {
  return alignedTable(
    ['Alarm', 'Remediation', 'Factor', 'Outcome', 'Detected', 'Recovered', 'Lost', 'Playbooks', 'Not as promised'],
    reports.map(report => [
      `${report.service} ${report.alarm}`,
      report.remediation,
      String(report.thresholdFactor),
      `${report.outcome}${report.firedAgain ? ', again' : ''}`,
      minutes(report.detectedMinutes),
      minutes(report.recoveredMinutes),
      `${report.lostMessages} of ${report.acceptedMessages}`,
      report.playbooks.join(', ') || '–',
      complaints(report).join('; '),
    ]),
  );
}
