import { holds, type ThresholdCondition } from './condition.ts';
import { readThreshold } from './condition-reader.ts';
import type { Document } from './document.ts';
import { nearestName } from './nearest-name.ts';
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

/** What a signal of liveness is where nothing lives: no run of the census, no try of the probe that succeeds. */
const dead = 0;
const alive = signalNames.filter(name => signalFor(name).liveness);

/** Reads `## Recovered when`; what is wrong in it is reported at its place. The criteria are complete only if nothing was. */
export function readRecovery(document: Document, problems: Problems): RecoveryCriterion[] {
  const section = findSection(document, 'Recovered when', problems);
  const table = section && findTable(section, `| ${columns.required.join(' | ')} |`, problems);
  if (!section || !table) return [];
  const rows = readTable(table, columns, problems).map(row => ({ row, criterion: readCriterion(row, problems) }));
  const known = rows.length === 0 || rows.some(({ row }) => row.cells.Signal);
  if (known && !rows.some(({ row, criterion }) => (criterion ? showsLife(criterion) : meansLife(row)))) {
    const signals = alive.map(name => `\`${name}\``).join(' or ');
    const expected = `a criterion of ${signals} without \`when\`, so that silence is not taken for recovery`;
    problems.report(section.at, 'a table that a dead service would meet', expected);
  }
  return rows.flatMap(({ criterion }) => criterion ?? []);
}

/** A minimum sample that is not reached counts as met, and a dead service reaches none. */
function showsLife(criterion: RecoveryCriterion): boolean {
  return (
    criterion.kind === 'signal' &&
    alive.includes(criterion.condition.signal) &&
    criterion.condition.minimumSample === undefined
  );
}

/** Whether a row that could not be read was to show it: its mistake is reported already. */
function meansLife({ cells: { Signal: signal } }: Row<Column>): boolean {
  const [written = ''] = /^[\w-]*/.exec(signal?.text ?? '') ?? [];
  const meant = signalNames.find(name => name === written) ?? nearestName(written, signalNames);
  return alive.some(name => name === meant);
}

function readCriterion(
  { cells: { Signal: signal, Condition: condition } }: Row<Column>,
  problems: Problems,
): RecoveryCriterion | undefined {
  if (!signal) return undefined;
  if (signal.text === person) return condition && { kind: 'person', text: condition.text };
  const scanner = new Scanner(signal);
  const reference = readSignal(scanner, problems, { words: [person], expected: ` or \`${person}\`` });
  if (!reference || !condition) return undefined;
  if (!scanner.done) {
    problems.report(scanner.at, scanner.next, 'a signal alone; what it is compared with stands under `Condition`');
    return undefined;
  }
  const met = readThreshold(reference, new Scanner(condition), rules, problems);
  if (!met) return undefined;
  if (metByTheDead(met)) {
    const read = `\`${condition.text}\`, which a dead service meets`;
    const expected = `a figure that has to be reached, such as \`> 0\`: \`${met.signal}\` is 0 when nothing lives`;
    problems.report(condition.at, read, expected);
    return undefined;
  }
  return { kind: 'signal', condition: met, text: `${signal.text} ${condition.text}` };
}

function metByTheDead({ signal, comparison, threshold }: ThresholdCondition): boolean {
  return alive.includes(signal) && holds(dead, comparison, threshold);
}
