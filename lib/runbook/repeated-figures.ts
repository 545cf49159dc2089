import type { Block, Document } from './document.ts';
import { textOf } from './document.ts';
import type { Problems } from './problem.ts';
import { count, milliseconds, seconds, share } from './quantity.ts';
import type { AlarmRow, RecoveryCriterion } from './runbook.ts';

/** The tables that are read; a figure has its place there. */
const readSections = ['Settings', 'Alarms', 'Recovered when', 'Escalation'];
/** Smaller plain numbers are in every text. */
const smallestCount = 100;
const figures = /(?<![\w.,:/-])\d+(?:\.\d+)?(?:\s?(?:%|(?:ms|s|min|h|d)\b)|(?![\w.,:/-]*\d|\w|\s?[A-Z]{1,2}B?\b))/g;

/** Rows as far as they could be read. */
interface Tables {
  readonly alarms: readonly Partial<AlarmRow>[];
  readonly recovery: readonly RecoveryCriterion[];
}

/**
 * Warns where prose repeats a figure that a table has for an alarm or a criterion: it will be wrong when the table changes. Code
 * blocks and the tables themselves are left out.
 */
export function warnOfRepeatedFigures(document: Document, tables: Tables, problems: Problems): void {
  const owners = ownersOf(tables);
  let section = '';
  for (const block of document.blocks) {
    if (block.type === 'heading') section = textOf(block).trim();
    if (block.type === 'code' || (block.type === 'table' && readSections.includes(section))) continue;
    for (const { start, end } of spansOf(block)) {
      for (const match of document.text.slice(start, end).matchAll(figures)) {
        const owner = owners.get(keyOf(match[0]) ?? '');
        if (owner === undefined) continue;
        const at = document.pointAt(start + match.index);
        problems.warn(
          at,
          `\`${match[0].trim()}\`, the figure of ${owner}`,
          'its name: figures stand in the tables only',
        );
      }
    }
  }
}

/** Who has a figure, by the figure. */
function ownersOf({ alarms, recovery }: Tables): ReadonlyMap<string, string> {
  const rows = [
    ...recovery.map(({ text }) => ({ text, owner: `the criterion \`${text}\`` })),
    ...alarms.flatMap(({ name, text }) =>
      text === undefined ? [] : [{ text, owner: name === undefined ? 'an alarm' : `\`${name}\`` }],
    ),
  ];
  return new Map(
    rows.flatMap(({ text, owner }) => {
      const [, figure] = /[<>]=?\s*(\d+(?:\.\d+)?(?:\s*(?:%|(?:ms|s|min|h|d)\b))?)/.exec(text) ?? [];
      const key = figure === undefined ? undefined : keyOf(figure);
      return key === undefined ? [] : [[key, owner] as const];
    }),
  );
}

/** The same for the same figure, whatever its unit. */
function keyOf(written: string): string | undefined {
  const text = written.trim();
  const percent = share.parse(text);
  if (percent !== undefined) return `${percent} of 1`;
  const ms = milliseconds.parse(text) ?? (seconds.parse(text) ?? Number.NaN) * 1_000;
  if (!Number.isNaN(ms)) return `${ms} ms`;
  const number = count.parse(text);
  return number !== undefined && number >= smallestCount ? `${number}` : undefined;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where text stands in a piece of Markdown, as offsets into the file. */
function spansOf(node: Block | { readonly type: string; readonly position?: Block['position'] }): Span[] {
  if (node.type === 'code') return [];
  if ('children' in node) return (node.children as Block[]).flatMap(spansOf);
  const start = node.position?.start.offset;
  const end = node.position?.end.offset;
  return (node.type === 'text' || node.type === 'inlineCode') && start !== undefined && end !== undefined
    ? [{ start, end }]
    : [];
}
