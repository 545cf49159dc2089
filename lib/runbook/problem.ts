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

/** All the mistakes of one runbook, one a line as `file:line:column: message`, in the order of the file. */
export class RunbookErrors extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`).join('\n'));
    this.name = 'RunbookErrors';
    this.problems = problems;
  }
}

/** Collects the mistakes of one file while it is read on. */
export class Problems {
  readonly #file: string;
  readonly #found: Problem[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * @param read what stands there, or that something does not
   * @param expected what should stand there instead
   * @param suggestion the right name that comes nearest to the one read
   */
  report(at: Point, read: string, expected: string, suggestion?: string): void {
    const message = `${read}; expected ${expected}${suggestion === undefined ? '' : ` (did you mean ${suggestion}?)`}`;
    this.#found.push({ file: this.#file, line: at.line, column: at.column, message });
  }

  get none(): boolean {
    return this.#found.length === 0;
  }

  errors(): RunbookErrors {
    return new RunbookErrors(this.#found.toSorted((a, b) => a.line - b.line || a.column - b.column));
  }
}
