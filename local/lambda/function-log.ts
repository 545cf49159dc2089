import { createWriteStream, type WriteStream } from 'node:fs';
import { z } from 'zod';
import type { Log } from '../aws/service.ts';

/** Levels of a function's log that are worth a line in the terminal, and what they are there. */
const noteworthy: ReadonlyMap<string, 'warn' | 'error'> = new Map([
  ['WARN', 'warn'],
  ['ERROR', 'error'],
  ['CRITICAL', 'error'],
  ['FATAL', 'error'],
]);

const structuredLine = z.looseObject({ level: z.string().toUpperCase(), message: z.string().catch('') });

/** What an execution environment writes to one of its streams. */
export interface Output {
  write(text: string): void;
  /** Takes what was written since the last end of a line as a line. */
  end(): void;
}

/** The log of one function: every line goes to its file, warnings and errors to the terminal too. */
export class FunctionLog {
  readonly #name: string;
  readonly #log: Log;
  readonly #file: WriteStream;
  readonly #onLine: (line: string) => void;

  /** @param onLine takes each line that the function wrote, as a subscriber of its log group would */
  constructor(name: string, path: string, log: Log, onLine: (line: string) => void = () => {}) {
    this.#name = name;
    this.#log = log;
    this.#onLine = onLine;
    this.#file = createWriteStream(path, { flags: 'a' });
    this.#file.on('error', error => log('error', name, 'the log file cannot be written', { error: error.message }));
  }

  /** A stream of an execution environment; `level` is that of its lines which do not tell theirs. */
  output(level: 'info' | 'warn'): Output {
    let rest = '';
    return {
      write: text => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) this.#take(line, level);
      },
      end: () => {
        if (rest !== '') this.#take(rest, level);
        rest = '';
      },
    };
  }

  /** A line of Lambda's own. */
  write(level: 'WARN' | 'ERROR', message: string, fields: object): void {
    this.#file.write(`${JSON.stringify({ level, message, timestamp: new Date().toISOString(), ...fields })}\n`);
    this.#show(level, message, fields);
  }

  /** Closes the file once all is written. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#file.end(() => resolve());
    });
  }

  #take(line: string, level: 'info' | 'warn'): void {
    this.#file.write(`${line}\n`);
    this.#onLine(line);
    const entry = structured(line);
    if (entry) {
      const { level: given, message, timestamp: _, service: __, ...fields } = entry;
      this.#show(given, message, fields);
    } else if (level === 'warn' && line.trim() !== '') this.#show('WARN', line, {});
  }

  #show(level: string, message: string, fields: object): void {
    const shown = noteworthy.get(level);
    if (shown) this.#log(shown, this.#name, message, { ...fields });
  }
}

function structured(line: string): z.infer<typeof structuredLine> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return structuredLine.safeParse(JSON.parse(line)).data;
  } catch {
    // Text that only begins like JSON.
    return undefined;
  }
}
