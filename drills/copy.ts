/** A cell of the runbook that a drill copy has otherwise. */
export interface Change {
  readonly section: 'Alarms' | 'Recovered when' | 'Settings';
  /** What the first cell of its row says. */
  readonly row: string;
  /** The cell's heading, such as `Fires when`. */
  readonly column: string;
  /** Its figures are divided by this, or it is left empty. */
  readonly to: { readonly dividedBy: number; readonly sharesToo?: true } | 'empty';
}

/** A figure of a cell, at its beginning or after a comparison. */
const figure = /(^|[<>]=?\s*)(\d+(?:\.\d+)?)(?![\d.])/g;
const percent = /^\s*%/;

function divided(cell: string, by: number, sharesToo = false): string {
  return cell.replace(figure, (all, before: string, number: string, at: number) => {
    const isShare = percent.test(cell.slice(at + all.length));
    // Shares do not grow with a service: they are the same for a small copy, unless the whole is a limit of AWS's.
    if (isShare && !sharesToo) return all;
    const quotient = Number(number) / by;
    return `${before}${isShare ? Number(quotient.toPrecision(3)) : Math.max(1, Math.round(quotient))}`;
  });
}

const cellsOf = (line: string): string[] =>
  line
    .trim()
    .replace(/^\||\|$/g, '')
    .split('|');

export interface DrillCopy {
  readonly markdown: string;
  /** What is otherwise, in words: `Fires when of Backlogged: > 10000 for 5 min → > 100 for 5 min`. */
  readonly changed: readonly string[];
}

/**
 * A runbook with some of its figures divided; everything else, its alarms' times included, stays.
 * @throws Error where it has no such cell
 */
export function drillCopy(markdown: string, changes: readonly Change[]): DrillCopy {
  const lines = markdown.split('\n');
  const changed: string[] = [];
  for (const { section, row, column, to } of changes) {
    const from = lines.indexOf(`## ${section}`);
    const header = lines.findIndex((line, n) => n > from && line.startsWith('|'));
    const index = cellsOf(lines[header] ?? '').findIndex(cell => cell.trim() === column);
    const end = lines.findIndex((line, n) => n > header && !line.startsWith('|'));
    const found = lines.findIndex((line, n) => n > header && n < end && cellsOf(line)[0]?.trim() === row);
    if (from < 0 || index < 0 || found < 0) throw new Error(`the runbook has no ${column} of ${row} in ${section}`);
    const cells = cellsOf(lines[found] as string);
    const before = (cells[index] ?? '').trim();
    const after = to === 'empty' ? '' : divided(before, to.dividedBy, to.sharesToo);
    if (after === before) continue;
    cells[index] = ` ${after} `;
    lines[found] = `|${cells.join('|')}|`;
    changed.push(`${column === 'Value' ? row : `${column} of ${row}`}: ${before} → ${after || 'none'}`);
  }
  return { markdown: lines.join('\n'), changed };
}
