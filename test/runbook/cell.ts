import { Problems, type RunbookErrors } from '../../lib/runbook/problem.ts';
import { Scanner } from '../../lib/runbook/scanner.ts';
import type { Cell } from '../../lib/runbook/table.ts';

/** A cell of plain text that stands alone in the first line of a file. */
export function cellOf(text: string): Cell {
  return { text, at: { line: 1, column: 1 }, links: [], pointAt: index => ({ line: 1, column: index + 1 }) };
}

/** What a reader makes of a text, and what it finds wrong, as `column: message`. */
export function readText<Result>(text: string, read: (scanner: Scanner, problems: Problems, cell: Cell) => Result) {
  const problems = new Problems('orders.md');
  const cell = cellOf(text);
  const result = read(new Scanner(cell), problems, cell);
  const errors: RunbookErrors = problems.errors();
  return { result, problems: errors.problems.map(({ column, message }) => `${column}: ${message}`) };
}
