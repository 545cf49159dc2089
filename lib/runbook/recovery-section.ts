import { readThreshold } from './condition-reader.ts';
import type { Document } from './document.ts';
import type { Problems } from './problem.ts';
import type { RecoveryCriterion } from './runbook.ts';
import { Scanner } from './scanner.ts';
import { findSection, findTable } from './sections.ts';
import { readSignal } from './signal-reference.ts';
import { signalFor, signalNames } from './signals.ts';
import type { Row } from './table.ts';
import { readTable } from './table.ts';

const columns = { required: ['Signal', 'Condition'], optional: ['Source'] } as const;
type Column = (typeof columns)['required' | 'optional'][number];

/** In the place of a signal: what a person has to see and tick. */
const person = 'Person';
/** A moment's calm is no recovery: three periods where a criterion does not say. */
const rules = { defaultPeriods: 3, alarm: false } as const;

/** Reads `## Recovered when`; what is wrong in it is reported at its place. */
export function readRecovery(document: Document, problems: Problems): RecoveryCriterion[] {
  const section = findSection(document, 'Recovered when', problems);
  const table = section && findTable(section, `| ${columns.required.join(' | ')} |`, problems);
  if (!section || !table) return [];
  const rows = readTable(table, columns, problems);
  const before = problems.count;
  const criteria = rows.flatMap(row => readCriterion(row, problems));
  const alive = criteria.some(
    criterion => criterion.kind === 'signal' && signalFor(criterion.condition.signal).liveness,
  );
  if (!alive && problems.count === before) {
    const signals = signalNames.filter(name => signalFor(name).liveness).map(name => `\`${name}\``);
    const expected = `a criterion of ${signals.join(' or ')}, so that silence is not taken for recovery`;
    problems.report(section.at, 'a table that a dead service would meet', expected);
  }
  return criteria;
}

function readCriterion(
  { cells: { Signal: signal, Condition: condition } }: Row<Column>,
  problems: Problems,
): RecoveryCriterion[] {
  if (!signal) return [];
  if (signal.text === person) return condition ? [{ kind: 'person', text: condition.text }] : [];
  const scanner = new Scanner(signal);
  const reference = readSignal(scanner, problems);
  if (!reference || !condition) return [];
  if (!scanner.done) {
    problems.report(scanner.at, scanner.next, 'a signal alone; what it is compared with stands under `Condition`');
    return [];
  }
  const met = readThreshold(reference, new Scanner(condition), rules, problems);
  return met ? [{ kind: 'signal', condition: met, text: `${signal.text} ${condition.text}` }] : [];
}
