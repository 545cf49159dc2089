import { alignedTable } from '../bin/runbook/aligned-table.ts';
import type { Change } from './copy.ts';
import { changeInWords } from './copy.ts';
import type { Happening } from './course.ts';
import type { DrillResult, Outcome } from './drill.ts';

/** A drill and what came of it, as `--json` prints it. */
export interface Report extends DrillResult {
  readonly service: string;
  readonly alarm: string;
  readonly fault: string;
  /** By how much the alarm's figure was divided; 1 where it is the runbook's own. */
  readonly thresholdFactor: number;
  readonly changes: readonly string[];
  readonly timeScale: number;
  readonly remediation: 'on' | 'off';
  readonly expected: Outcome;
}

export const factorOf = (alarm: string, changes: readonly Change[]): number => {
  const own = changes.find(({ row, column }) => row === alarm && column === 'Fires when');
  return own && own.to !== 'empty' ? own.to.dividedBy : 1;
};

/** Whether it went as the runbook promises: nobody missed a message, everybody was told, everything was given back. */
export const isAsExpected = (report: Report): boolean =>
  report.outcome === report.expected &&
  report.lostMessages === 0 &&
  report.missedPages.length === 0 &&
  report.pendingUndo.length === 0;

const minutes = (value: number | null): string => (value === null ? '–' : value.toFixed(1));

/** A line of the timeline. */
export function happeningLine({ minute, kind, text }: Happening & { readonly minute: number }): string {
  return `${minute.toFixed(1).padStart(7)} min  ${kind.padEnd(12)} ${text.replaceAll('\n', ' ')}`;
}

export function reportTable(reports: readonly Report[]): string {
  return alignedTable(
    ['Alarm', 'Remediation', 'Factor', 'Outcome', 'Detected', 'Recovered', 'Lost', 'Playbooks', ''],
    reports.map(report => [
      `${report.service} ${report.alarm}`,
      report.remediation,
      String(report.thresholdFactor),
      report.outcome,
      minutes(report.detectedMinutes),
      minutes(report.recoveredMinutes),
      `${report.lostMessages} of ${report.acceptedMessages}`,
      report.playbooks.join(', ') || '–',
      [
        isAsExpected(report) ? '' : `NOT as expected (${report.expected})`,
        report.missedPages.length > 0 ? `not told: ${report.missedPages.join('; ')}` : '',
        report.pendingUndo.length > 0 ? `not given back: ${report.pendingUndo.join(', ')}` : '',
      ]
        .filter(Boolean)
        .join('; '),
    ]),
  );
}

export const changesInWords = (changes: readonly Change[]): string[] => changes.map(changeInWords);
