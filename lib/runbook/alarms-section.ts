import { contradictions } from './alarm-order.ts';
import { Anchors } from './anchors.ts';
import { readCondition } from './condition-reader.ts';
import type { Document } from './document.ts';
import { nearestName } from './nearest-name.ts';
import type { Point, Problems } from './problem.ts';
import { readQuietHours } from './quiet-hours.ts';
import { readRemediation } from './remediation.ts';
import type { AlarmRow } from './runbook.ts';
import { Scanner } from './scanner.ts';
import { findSection, findTable } from './sections.ts';
import { type Severity, severities } from './severity.ts';
import { readSignal } from './signal-reference.ts';
import type { Cell, Row } from './table.ts';
import { readTable } from './table.ts';

const columns = {
  required: ['Alarm', 'Signal', 'Fires when', 'Severity', 'Procedure', 'Remediation'],
  optional: ['Quiet', 'Source'],
} as const;
type Column = (typeof columns)['required' | 'optional'][number];

/**
 * "PutMetricAlarm" in the CloudWatch API reference: names of 255 characters at most, of which service and environment with their
 * hyphens take up to 50.
 */
const longestName = 205;
const rules = { defaultPeriods: 1, alarm: true } as const;

/** Reads `## Alarms`; what is wrong in it is reported at its place. Each row has what could be read of it. */
export function readAlarms(document: Document, problems: Problems): Partial<AlarmRow>[] {
  const section = findSection(document, 'Alarms', problems);
  const header = `| ${columns.required.join(' | ')} |`;
  const table = section && findTable(section, header, problems);
  if (!section || !table) return [];
  const reader = new AlarmsReader(new Anchors(document), problems);
  const rows = readTable(table, columns, problems).map(row => ({ at: row.cells.Alarm?.at, alarm: reader.read(row) }));
  if (table.children.length === 1) problems.report(section.at, 'a table without alarms', 'a row for each alarm');
  const comparable = rows.flatMap(({ at, alarm: { name, severity, condition, text } }) =>
    at && name && severity && condition && text ? [{ at, name, severity, condition, text }] : [],
  );
  for (const { index, read, expected } of contradictions(comparable)) {
    const at = comparable[index]?.at;
    if (at) problems.report(at, read, expected);
  }
  return rows.map(({ alarm }) => alarm);
}

class AlarmsReader {
  readonly #anchors: Anchors;
  readonly #problems: Problems;
  readonly #named = new Map<string, Point>();

  constructor(anchors: Anchors, problems: Problems) {
    this.#anchors = anchors;
    this.#problems = problems;
  }

  read({ cells }: Row<Column>): Partial<AlarmRow> {
    const name = cells.Alarm && this.#name(cells.Alarm);
    const condition = this.#condition(cells.Signal, cells['Fires when']);
    const severity = cells.Severity && this.#severity(cells.Severity);
    const procedure = cells.Procedure && this.#anchors.linked(cells.Procedure, this.#problems);
    const remediation = cells.Remediation && readRemediation(cells.Remediation, this.#problems);
    const quiet = cells.Quiet ? readQuietHours(cells.Quiet, this.#problems) : [];
    return {
      ...(name && { name }),
      // As text of a condition that was read only: it is quoted.
      ...(condition && { condition, text: `${cells.Signal?.text} ${cells['Fires when']?.text}` }),
      ...(severity && { severity }),
      ...(procedure && { procedure }),
      ...(remediation && { remediation }),
      quiet,
    };
  }

  #name({ text, at }: Cell): string | undefined {
    const first = this.#named.get(text);
    if (first) {
      this.#problems.report(at, `a second alarm \`${text}\``, `one, the first is on line ${first.line}`);
      return undefined;
    }
    this.#named.set(text, at);
    if (/^[A-Z][A-Za-z0-9]*$/.test(text) && text.length <= longestName) return text;
    const expected = `at most ${longestName} letters and digits, beginning with a capital, such as \`HighBacklog\``;
    this.#problems.report(at, `alarm \`${text}\``, expected);
    return undefined;
  }

  #condition(signalCell: Cell | undefined, conditionCell: Cell | undefined) {
    if (!signalCell) return undefined;
    const scanner = new Scanner(signalCell);
    const signal = readSignal(scanner, this.#problems);
    if (!signal) return undefined;
    if (!scanner.done) {
      this.#problems.report(
        scanner.at,
        scanner.next,
        'a signal alone; what it is compared with stands under `Fires when`',
      );
      return undefined;
    }
    return conditionCell && readCondition(signal, new Scanner(conditionCell), rules, this.#problems);
  }

  #severity({ text, at }: Cell): Severity | undefined {
    const found = severities.find(severity => severity === text);
    if (!found)
      this.#problems.report(
        at,
        `severity \`${text}\``,
        `one of ${severities.join(', ')}`,
        nearestName(text, severities),
      );
    return found;
  }
}
