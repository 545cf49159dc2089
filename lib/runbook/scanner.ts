import type { Point } from './problem.ts';
import type { Cell } from './table.ts';

/** Reads a cell, or a part of one, from left to right. */
export class Scanner {
  readonly #cell: Cell;
  readonly #end: number;
  #position: number;

  /** @param start and `end` bound the part, counted in the cell's text */
  constructor(cell: Cell, start = 0, end = cell.text.length) {
    this.#cell = cell;
    this.#end = end;
    this.#position = start;
    this.#skipSpace();
  }

  /** What `pattern` matches at this place, groups included; space after it is skipped. Undefined where it does not match. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    const match = new RegExp(`^(?:${pattern.source})`, pattern.flags).exec(this.rest);
    if (!match) return undefined;
    this.#position += match[0].length;
    this.#skipSpace();
    return match;
  }

  /** What `pattern` would match here. */
  sees(pattern: RegExp): boolean {
    return new RegExp(`^(?:${pattern.source})`, pattern.flags).test(this.rest);
  }

  /** Where the next character stands. */
  get at(): Point {
    return this.#cell.pointAt(this.#position);
  }

  get rest(): string {
    return this.#cell.text.slice(this.#position, this.#end).trimEnd();
  }

  get done(): boolean {
    return this.rest === '';
  }

  /** The rest for a message; what is missing at the end. */
  get next(): string {
    return this.done ? 'nothing more' : `\`${this.rest}\``;
  }

  /** What is left, divided at `separator` outside of quotes and parentheses. */
  split(separator: RegExp): Scanner[] {
    const parts: Scanner[] = [];
    let start = this.#position;
    let depth = 0;
    let quoted = false;
    for (let index = start; index < this.#end; index++) {
      const character = this.#cell.text[index] ?? '';
      if (/["“”]/.test(character)) quoted = !quoted;
      if (quoted) continue;
      if (character === '(') depth++;
      if (character === ')') depth--;
      if (depth > 0) continue;
      const match = new RegExp(`^(?:${separator.source})`).exec(this.#cell.text.slice(index, this.#end));
      if (!match) continue;
      parts.push(new Scanner(this.#cell, start, index));
      start = index + match[0].length;
      index = start - 1;
    }
    return [...parts, new Scanner(this.#cell, start, this.#end)];
  }

  #skipSpace(): void {
    while (this.#position < this.#end && /\s/.test(this.#cell.text[this.#position] ?? '')) this.#position++;
  }
}
