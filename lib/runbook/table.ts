import type { Table } from './document.ts';
import { endOf, startOf, textOf } from './document.ts';
import { nearestName } from './nearest-name.ts';
import type { Point, Problems } from './problem.ts';

export interface Cell {
  readonly text: string;
  readonly at: Point;
}

/** A row's cells by column; a cell that was reported as missing or empty is not there. */
export interface Row<Column extends string> {
  readonly at: Point;
  readonly cells: Partial<Readonly<Record<Column, Cell>>>;
}

/** The columns that a table has by name. */
export interface Columns<Required extends string, Optional extends string> {
  readonly required: readonly Required[];
  readonly optional: readonly Optional[];
}

/** Reads a table by the names in its header row; a column of another name and a cell that is missing are reported. */
export function readTable<Required extends string, Optional extends string = never>(
  table: Table,
  columns: Columns<Required, Optional>,
  problems: Problems,
): Row<Required | Optional>[] {
  const [header, ...body] = table.children;
  if (!header) return [];
  const order = readHeader(header, columns, problems);
  if (!columns.required.every(column => order.includes(column))) return [];
  return body.map(row => readRow(row, order, columns, problems));
}

type TableRow = Table['children'][number];

/** The columns in the order of the header row; undefined for one that means nothing. */
function readHeader<Required extends string, Optional extends string>(
  header: TableRow,
  columns: Columns<Required, Optional>,
  problems: Problems,
): (Required | Optional | undefined)[] {
  const known: readonly (Required | Optional)[] = [...columns.required, ...columns.optional];
  const expected = `the columns ${known.map(column => `\`${column}\``).join(', ')}`;
  const order: (Required | Optional | undefined)[] = [];
  for (const cell of header.children) {
    const { text, at } = contentOf(cell);
    const exact = known.find(column => column === text);
    const meant = exact ?? known.find(column => column === nearestName(text, known));
    if (meant !== undefined && order.includes(meant)) {
      problems.report(at, `a second column \`${text}\``, expected);
      order.push(undefined);
      continue;
    }
    if (exact === undefined) problems.report(at, `column \`${text}\``, expected, meant);
    order.push(meant);
  }
  for (const column of columns.required.filter(column => !order.includes(column))) {
    problems.report(startOf(header), `a table without the column \`${column}\``, expected);
  }
  return order;
}

function readRow<Required extends string, Optional extends string>(
  row: TableRow,
  order: readonly (Required | Optional | undefined)[],
  columns: Columns<Required, Optional>,
  problems: Problems,
): Row<Required | Optional> {
  const cells: Partial<Record<Required | Optional, Cell>> = {};
  for (const [index, column] of order.entries()) {
    const cell = row.children[index];
    const content = cell ? contentOf(cell) : { text: '', at: endOf(row) };
    if (column === undefined) continue;
    if (content.text !== '') cells[column] = content;
    else if (columns.required.some(required => required === column)) {
      problems.report(content.at, `a row without ${cell ? 'text in ' : ''}the cell \`${column}\``, `its \`${column}\``);
    }
  }
  const surplus = row.children[order.length];
  if (surplus) {
    const read = `a row of ${row.children.length} cells`;
    problems.report(contentOf(surplus).at, read, `${order.length}, as the header has (a | in a cell is written \\|)`);
  }
  return { at: startOf(row), cells };
}

function contentOf(cell: TableRow['children'][number]): Cell {
  const [first] = cell.children;
  const start = startOf(cell);
  return { text: textOf(cell).trim(), at: first ? startOf(first) : { line: start.line, column: start.column } };
}
