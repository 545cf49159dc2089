import { readFileSync } from 'node:fs';
import { join } from 'node:path';

// A reading of runbooks of the tests' own: nothing here is shared with the code that is tested.

export type Row = Readonly<Record<string, string>>;

export interface Condition {
  readonly statistic: string | undefined;
  readonly periodMinutes: number;
  readonly comparison: string;
  /** As it stands there, and its unit. */
  readonly figure: number;
  readonly unit: string | undefined;
  readonly perMinute: boolean;
  /** Undefined where nothing is said. */
  readonly minutes: number | undefined;
  readonly breachingMinutes: number | undefined;
  readonly sample: { readonly signal: string; readonly comparison: string; readonly figure: number } | undefined;
}

const condition =
  /^(?:(?<statistic>sum|average|maximum|minimum|p\d+) )?(?:over (?<over>\d+) min )?(?:(?<comparison>[<>]=?) (?<figure>[\d.]+)(?: (?<unit>ms|s|min|%|d))?(?<rate> ?\/min)?|(?<outside>outside) (?<band>\d+) band)(?: for (?:(?<some>\d+) of )?(?<minutes>\d+) min)?(?: when (?<sample>\w+) (?<sampleComparison>[<>]=?) (?<sampleFigure>\d+))?$/;

export function readCondition(text: string): Condition {
  const found = condition.exec(text)?.groups;
  if (!found) throw new Error(`the tests cannot read \`${text}\``);
  const { statistic, over, comparison, figure, unit, rate, outside, band, some, minutes } = found;
  const { sample, sampleComparison, sampleFigure } = found;
  return {
    statistic,
    periodMinutes: Number(over ?? 1),
    comparison: outside ?? (comparison as string),
    figure: Number(band ?? figure),
    unit,
    perMinute: rate !== undefined,
    minutes: minutes === undefined ? undefined : Number(minutes),
    breachingMinutes: (some ?? minutes) === undefined ? undefined : Number(some ?? minutes),
    sample:
      sample === undefined
        ? undefined
        : { signal: sample, comparison: sampleComparison as string, figure: Number(sampleFigure) },
  };
}

export interface RunbookText {
  readonly text: string;
  /** The anchors of all headings, as GitHub makes them. */
  readonly anchors: readonly string[];
  readonly table: (heading: string) => readonly Row[];
}

export function readRunbookText(service: string, directory: string): RunbookText {
  const text = readFileSync(join(directory, `${service}.md`), 'utf8');
  return { text, anchors: anchorsOf(text), table: heading => tableUnder(heading, text) };
}

function anchorsOf(text: string): string[] {
  const counts = new Map<string, number>();
  const headings = text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6} (.+)$/gm);
  return [...headings].map(([, heading = '']) => {
    const slug = heading
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
}

function tableUnder(heading: string, text: string): Row[] {
  const below = text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const [names = [], , ...rows] = below
    .split('\n')
    .filter(line => line.startsWith('|'))
    .map(line =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map(cell => cell.trim()),
    );
  return rows.map(row => Object.fromEntries(names.map((name, index) => [name, row[index] ?? ''])));
}
