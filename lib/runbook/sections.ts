import type { Block, Document, Heading, Table } from './document.ts';
import { startOf, textOf } from './document.ts';
import { nearestName } from './nearest-name.ts';
import type { Point, Problems } from './problem.ts';

/** A heading and what stands below it, up to the next heading of any level. */
export interface Section {
  readonly title: string;
  readonly at: Point;
  readonly blocks: readonly Block[];
}

/**
 * Finds the section that `## <title>` opens. One that is missing, there twice, of another level or misspelt is reported; the
 * last two are returned all the same, so that the mistakes inside are found as well.
 */
export function findSection(document: Document, title: string, problems: Problems): Section | undefined {
  const headings = document.blocks.filter(block => block.type === 'heading');
  const expected = `a heading \`## ${title}\``;
  const titled = headings.filter(heading => titleOf(heading) === title);
  const [found, ...more] = titled.filter(heading => heading.depth === 2);
  for (const heading of more) {
    problems.report(startOf(heading), `a second heading \`## ${title}\``, `one, the first is on line ${lineOf(found)}`);
  }
  if (found) return sectionOf(document, found);

  const [misplaced] = titled;
  if (misplaced) {
    problems.report(
      startOf(misplaced),
      `\`${title}\` is a heading of level ${misplaced.depth}`,
      `level 2, \`## ${title}\``,
    );
    return sectionOf(document, misplaced);
  }
  const misspelt = headings.find(
    heading => heading.depth === 2 && nearestName(titleOf(heading), [title]) !== undefined,
  );
  if (misspelt) {
    problems.report(startOf(misspelt), `no heading \`## ${title}\` but \`## ${titleOf(misspelt)}\``, expected, title);
    return sectionOf(document, misspelt);
  }
  problems.report(document.end, `the file ends without a heading \`## ${title}\``, expected);
  return undefined;
}

/**
 * The table of a section. Reported: no table, a second one, and lines that look like rows but do not belong to the table,
 * as a blank line within it or a delimiter row of another width makes them.
 * @param header what the table's first row should be, for the message
 */
export function findTable(section: Section, header: string, problems: Problems): Table | undefined {
  const [table, ...more] = section.blocks.filter(block => block.type === 'table');
  for (const other of more) {
    problems.report(
      startOf(other),
      `a second table under \`## ${section.title}\``,
      'one table without blank lines in it',
    );
  }
  const strays = section.blocks.filter(block => block.type === 'paragraph' && textOf(block).startsWith('|'));
  for (const stray of strays) {
    problems.report(
      startOf(stray),
      'a line with `|` that is no part of a table',
      `a header row, a delimiter row of as many cells, and rows without a blank line between them`,
    );
  }
  if (!table && strays.length === 0) {
    problems.report(section.at, `no table under \`## ${section.title}\``, `a table \`${header}\``);
  }
  return table;
}

function sectionOf(document: Document, heading: Heading): Section {
  const below = document.blocks.slice(document.blocks.indexOf(heading) + 1);
  const next = below.findIndex(block => block.type === 'heading');
  return {
    title: titleOf(heading),
    at: startOf(heading),
    blocks: next === -1 ? below : below.slice(0, next),
  };
}

function titleOf(heading: Heading): string {
  return textOf(heading).trim();
}

function lineOf(heading: Heading | undefined): number | string {
  return heading ? startOf(heading).line : '?';
}
