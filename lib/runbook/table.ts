import type { Table } from './document.ts';
import { endOf, startOf, textOf } from './document.ts';
import { nearestName } from './nearest-name.ts';
import type { Point, Problems } from './problem.ts';

export interface Cell {
  /** Without markup, as a reader sees it. */
  readonly text: string;
  readonly at: Point;
  readonly links: readonly Link[];
  /** Where a character of the text stands in the file; the beginning of its markup where that is not one to one. */
  pointAt(index: number): Point;
}

export interface Link {
  readonly url: string;
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

/**
 * Reads a table by the names in its header row; a column of another name and a cell that is missing are reported. No row has
 * a cell of a column that is not there.
 */
export function readTable<Required extends string, Optional extends string = never>(
  table: Table,
  columns: Columns<Required, Optional>,
  problems: Problems,
): Row<Required | Optional>[] {
  const [header, ...body] = table.children;
  if (!header) return [];
  const order = readHeader(header, columns, problems);
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
    const content = cell ? contentOf(cell) : undefined;
    if (column === undefined) continue;
    if (content && content.text !== '') cells[column] = content;
    else if (columns.required.some(required => required === column)) {
      problems.report(
        content?.at ?? endOf(row),
        `a row without ${cell ? 'text in ' : ''}the cell \`${column}\``,
        `its \`${column}\``,
      );
    }
  }
  const surplus = row.children[order.length];
  if (surplus) {
    const read = `a row of ${row.children.length} cells`;
    problems.report(contentOf(surplus).at, read, `${order.length}, as the header has (a | in a cell is written \\|)`);
  }
  return { at: startOf(row), cells };
}

type TableCell = TableRow['children'][number];
type Phrasing = TableCell['children'][number];

function contentOf(cell: TableCell): Cell {
  const [first] = cell.children;
  const start = startOf(cell);
  const at = first ? startOf(first) : { line: start.line, column: start.column };
  const text = textOf(cell);
  const leading = text.length - text.trimStart().length;
  const leaves = leavesOf(cell.children);
  return {
    text: text.trim(),
    at,
    links: linksOf(cell.children),
    pointAt: index => {
      let before = 0;
      for (const leaf of leaves) {
        const length = textOf(leaf).length;
        if (index + leading < before + length || leaf === leaves.at(-1)) return within(leaf, index + leading - before);
        before += length;
      }
      return at;
    },
  };
}

/** The point of a character within a piece of text that has no other in it. */
function within(leaf: Phrasing, index: number): Point {
  const start = startOf(leaf);
  const text = textOf(leaf);
  const written = endOf(leaf).column - start.column;
  // Code stands between backticks; text with an escape in it cannot be followed character by character.
  const fence = leaf.type === 'inlineCode' ? Math.floor((written - text.length) / 2) : 0;
  if (written !== text.length + 2 * fence) return start;
  return { line: start.line, column: start.column + fence + Math.min(index, text.length) };
}

function leavesOf(nodes: readonly Phrasing[]): Phrasing[] {
  return nodes.flatMap(node => ('children' in node ? leavesOf(node.children) : [node]));
}

function linksOf(nodes: readonly Phrasing[]): Link[] {
  return nodes.flatMap(node => {
    if (node.type === 'link') return [{ url: node.url, text: textOf(node).trim(), at: startOf(node) }];
    return 'children' in node ? linksOf(node.children) : [];
  });
}
