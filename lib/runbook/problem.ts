/** A place in a file: line and column count from 1, a column is one UTF-16 code unit. */
export interface Point {
  readonly line: number;
  readonly column: number;
}

/** One mistake in a file. */
export interface Problem extends Point {
  readonly file: string;
  /** What was read; what was expected. */
  readonly message: string;
}

/** `file:line:column: message`, as compilers write it. */
export function described({ file, line, column, message }: Problem): string {
  return `${file}:${line}:${column}: ${message}`;
}

/** All the mistakes of one runbook, one a line as `file:line:column: message`, in the order of the file. */
export class RunbookErrors extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(described).join('\n'));
    this.name = 'RunbookErrors';
    this.problems = problems;
  }
}

/** Collects the mistakes of one file while it is read on. */
export class Problems {
  readonly #file: string;
  readonly #found: Problem[] = [];
  readonly #warnings: Problem[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * @param read what stands there, or that something does not
   * @param expected what should stand there instead
   * @param suggestion the right name that comes nearest to the one read
   */
  report(at: Point, read: string, expected: string, suggestion?: string): void {
    this.#found.push(this.#at(at, read, expected, suggestion));
  }

  /** What can stand and is most likely not meant. Parameters as for `report`. */
  warn(at: Point, read: string, expected: string, suggestion?: string): void {
    this.#warnings.push(this.#at(at, read, expected, suggestion));
  }

  get none(): boolean {
    return this.#found.length === 0;
  }

  get count(): number {
    return this.#found.length;
  }

  errors(): RunbookErrors {
    return new RunbookErrors(inOrder(this.#found));
  }

  warnings(): readonly Problem[] {
    return inOrder(this.#warnings);
  }

  #at({ line, column }: Point, read: string, expected: string, suggestion: string | undefined): Problem {
    const message = `${read}; expected ${expected}${suggestion === undefined ? '' : ` (did you mean ${suggestion}?)`}`;
    return { file: this.#file, line, column, message };
  }
}

function inOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}
