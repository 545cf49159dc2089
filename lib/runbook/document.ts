import remarkGfm from 'remark-gfm';
import remarkParse from 'remark-parse';
import { unified } from 'unified';
import type { Point } from './problem.ts';

const markdown = unified().use(remarkParse).use(remarkGfm).freeze();

export type Block = ReturnType<typeof markdown.parse>['children'][number];
export type Heading = Extract<Block, { type: 'heading' }>;
export type Table = Extract<Block, { type: 'table' }>;
type Cell = Table['children'][number]['children'][number];

/** A Markdown file taken apart; every point in it is one of the file, front matter included. */
export interface Document {
  readonly text: string;
  /** What stands between the fences of the front matter; undefined where there is none. */
  readonly matter: { readonly text: string; readonly offset: number } | undefined;
  readonly blocks: readonly Block[];
  readonly end: Point;
  /** Turns an offset into the text, counted in UTF-16 code units, into a point. */
  pointAt(offset: number): Point;
}

const frontMatter = /^---[ \t]*(\r\n|\n|\r)(?:([\s\S]*?)(\r\n|\n|\r))?---[ \t]*(?=[\r\n]|$)/;

export function parseDocument(text: string): Document {
  const lineStarts = [0, ...Array.from(text.matchAll(/\r\n|\n|\r/g), ending => ending.index + ending[0].length)];
  const pointAt = (offset: number): Point => {
    const within = Math.min(Math.max(offset, 0), text.length);
    const line = lineStarts.findLastIndex(start => start <= within);
    return { line: line + 1, column: within - (lineStarts[line] ?? 0) + 1 };
  };
  const match = frontMatter.exec(text);
  const fenced = match?.[0] ?? '';
  // Blanked instead of cut off, so that the points of the Markdown stay those of the file.
  const body = fenced.replace(/[^\r\n]/g, ' ') + text.slice(fenced.length);
  return {
    text,
    matter: match ? { text: match[2] ?? '', offset: match[0].search(/[\r\n]/) + (match[1]?.length ?? 0) } : undefined,
    blocks: markdown.parse(body).children,
    end: pointAt(text.length),
    pointAt,
  };
}

/** Where a piece of Markdown begins. */
export function startOf(node: Block | Table['children'][number] | Cell | Cell['children'][number]): Point {
  return pointOf(node, 'start');
}

/** The point after the last character of a piece of Markdown. */
export function endOf(node: Parameters<typeof startOf>[0]): Point {
  return pointOf(node, 'end');
}

function pointOf(node: Parameters<typeof startOf>[0], edge: 'start' | 'end'): Point {
  if (!node.position) throw new Error(`a ${node.type} without a position: only parsed Markdown has points`);
  return { line: node.position[edge].line, column: node.position[edge].column };
}

/** The text of a piece of Markdown without its markup, as a reader sees it. */
export function textOf(node: object): string {
  if ('value' in node && typeof node.value === 'string') return node.value;
  if ('children' in node && Array.isArray(node.children)) return node.children.map(textOf).join('');
  return '';
}
