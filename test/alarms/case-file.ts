import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isScalar, LineCounter, type Node, parseDocument, type Range } from 'yaml';
import { z } from 'zod';
import { parseSeries, SeriesError, type Values } from './series.ts';

/** Everything that is wrong in a file, a line `file:line:column: …` for each mistake. */
export class CaseFileErrors extends Error {
  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'));
    this.name = 'CaseFileErrors';
  }
}

const text = z.string({ error: 'expected a text in quotes' }).min(1, 'expected a text');

const values = text.transform((written, context): Values => {
  try {
    return parseSeries(written);
  } catch (error) {
    if (!(error instanceof SeriesError)) throw error;
    context.addIssue({ code: 'custom', message: error.message, params: { column: error.column } });
    return z.NEVER;
  }
});

const expectation = z.strictObject({
  at: z.int('expected a whole number of minutes').min(1, 'expected a minute from 1'),
  alarm: text,
  state: z.enum(['OK', 'ALARM', 'INSUFFICIENT_DATA'], { error: 'expected OK, ALARM or INSUFFICIENT_DATA' }),
});
export type Expectation = z.infer<typeof expectation>;

const alarmCase = z.strictObject({
  name: text,
  series: z.record(z.string(), values),
  expect: z.array(expectation).min(1, 'expected at least one state'),
});
export type AlarmCase = z.infer<typeof alarmCase>;

const caseFile = z.strictObject({
  /** A service that has a runbook, or `every`. */
  service: text,
  environment: text,
  cases: z.array(alarmCase).min(1, 'expected at least one case'),
});
export type CaseFile = z.infer<typeof caseFile>;

export interface NamedCaseFile extends CaseFile {
  readonly name: string;
}

/**
 * Reads all files of alarm tests in a directory.
 * @throws CaseFileErrors with the mistakes of the first file that has any
 */
export function readCaseFiles(directory: string): NamedCaseFile[] {
  return readdirSync(directory)
    .filter(name => name.endsWith('.test.yaml'))
    .map(name => ({ name, ...parseCaseFile(readFileSync(join(directory, name), 'utf8'), join(directory, name)) }));
}

/** The files that are about a service, with those about every one. */
export const filesAbout = (service: string, files: readonly NamedCaseFile[]): NamedCaseFile[] =>
  files.filter(file => file.service === service || file.service === 'every');

/**
 * Reads a file of alarm tests; `path` is for the messages.
 * @throws CaseFileErrors with all mistakes and their places
 */
export function parseCaseFile(content: string, path: string): CaseFile {
  const lines = new LineCounter();
  const document = parseDocument(content, { lineCounter: lines });
  const at = (offset: number, message: string): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}: ${message}`;
  };
  if (document.errors.length > 0)
    throw new CaseFileErrors(document.errors.map(({ pos, message }) => at(pos[0], message.split('\n')[0] ?? '')));

  const read = caseFile.safeParse(document.toJS());
  if (read.success) return read.data;

  /** The node of a path, or the nearest around it. */
  function offsetOf(keys: readonly PropertyKey[], isKey = false): number {
    for (let length = keys.length; length > 0; length -= 1) {
      const parent = length === 1 ? document.contents : document.getIn(keys.slice(0, length - 1), true);
      const key = keys[length - 1];
      const items = (parent as { items?: readonly { key?: unknown }[] } | undefined)?.items ?? [];
      const pair = items.find(each => isScalar(each.key) && each.key.value === key);
      const node =
        isKey && pair ? (pair.key as Node) : (document.getIn(keys.slice(0, length), true) as Node | undefined);
      const range: Range | null | undefined = node?.range;
      if (range) return range[0];
    }
    return 0;
  }
  /** Where the text of a quoted scalar begins. */
  const quoteLength = (offset: number): number => (/['"]/.test(content[offset] ?? '') ? 1 : 0);

  const mistakes = read.error.issues.flatMap(issue => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map(key => ({
        offset: offsetOf([...issue.path, key], true),
        message: `unknown \`${key}\``,
      }));
    const offset = offsetOf(issue.path);
    const column = issue.code === 'custom' ? Number(issue.params?.column) : undefined;
    const inside = column === undefined ? 0 : quoteLength(offset) + column - 1;
    const where = issue.path.at(-1);
    return [{ offset: offset + inside, message: `${typeof where === 'string' ? `${where}: ` : ''}${issue.message}` }];
  });
  throw new CaseFileErrors(
    mistakes.sort((a, b) => a.offset - b.offset).map(({ offset, message }) => at(offset, message)),
  );
}
