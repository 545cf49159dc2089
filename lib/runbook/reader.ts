import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readAlarms } from './alarms-section.ts';
import { type Document, parseDocument } from './document.ts';
import { readEscalation, type StepReading } from './escalation-section.ts';
import { readFrontMatter } from './front-matter.ts';
import { nearestName } from './nearest-name.ts';
import { type Problem, Problems } from './problem.ts';
import { readRecovery } from './recovery-section.ts';
import { warnOfRepeatedFigures } from './repeated-figures.ts';
import type { Runbook } from './runbook.ts';
import { readSettings } from './settings-section.ts';

/** What a file says, what is wrong in it, and what is most likely not meant. */
export interface Reading {
  /** Only where nothing was wrong. */
  readonly runbook?: Runbook;
  /** What could be read of the settings, and of each step of the escalation. */
  readonly settings: Partial<Runbook['settings']>;
  readonly escalation: readonly StepReading[];
  /** Others may add what is wrong for a reason that is not in the file, such as a contact that nobody has. */
  readonly problems: Problems;
}

/**
 * Reads a runbook with all mistakes and warnings, those about its prose as well.
 * @param path of the file, for the messages; its base name is the service's
 * @param today ISO date by which a review is overdue
 */
export function checkRunbook(path: string, text: string, today: string): Reading {
  const problems = new Problems(path);
  const document = parseDocument(text.replace(/^\uFEFF/, ''));
  const { tables, ...reading } = readDocument(document, path, today, problems);
  warnOfRepeatedFigures(document, tables, problems);
  return reading;
}

/**
 * Reads a runbook.
 * @param path of the file, for the messages; its base name is the service's
 * @param warn told of a review that is overdue, and of severities that reach nobody
 * @param examine may report at `problems` what is wrong beside
 * @throws RunbookErrors with all mistakes of the file
 */
export function readRunbook(
  path: string,
  text: string,
  warn?: (warning: Problem) => void,
  examine?: (reading: Reading) => void,
): Runbook {
  const problems = new Problems(path);
  const reading = readDocument(parseDocument(text.replace(/^\uFEFF/, '')), path, isoDate(new Date()), problems);
  examine?.(reading);
  for (const warning of problems.warnings()) warn?.(warning);
  if (!reading.runbook || !problems.none) throw problems.errors();
  return reading.runbook;
}

/** The day in UTC. */
export function isoDate(time: Date): string {
  return time.toISOString().slice(0, 10);
}

function readDocument(
  document: Document,
  path: string,
  today: string,
  problems: Problems,
): Reading & { readonly tables: Parameters<typeof warnOfRepeatedFigures>[1] } {
  const frontMatter = readFrontMatter(document, basename(path, '.md'), today, problems);
  const settings = readSettings(document, problems);
  const alarms = readAlarms(document, problems);
  const recovery = readRecovery(document, problems);
  const escalation = readEscalation(document, alarms, problems);
  const reading = { settings, escalation, problems, tables: { alarms, recovery } };
  if (!frontMatter || !problems.none) return reading;
  // Nothing was reported, so everything was read or has its default.
  const whole = { settings, alarms, recovery, escalation: escalation.map(({ step }) => step) };
  return { ...reading, runbook: { ...frontMatter, ...whole } as Runbook };
}

/** A directory of runbooks that cannot be read or does not hold the one that was asked for. */
export class RunbookNotFound extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RunbookNotFound';
  }
}

/**
 * The services that have a runbook in `directory`, sorted; `template.md` is not one.
 * @throws RunbookNotFound if the directory cannot be read
 */
export function listServices(directory: string): string[] {
  let files: string[];
  try {
    files = readdirSync(directory);
  } catch (cause) {
    throw new RunbookNotFound(`runbooks \`${directory}\`: cannot be read; expected a directory of <service>.md`, {
      cause,
    });
  }
  return files
    .filter(file => file.endsWith('.md') && file !== 'template.md')
    .map(file => basename(file, '.md'))
    .toSorted();
}

/**
 * Reads `<directory>/<service>.md`.
 * @param warn and `examine` as for `readRunbook`
 * @throws RunbookNotFound that lists the services there are
 * @throws RunbookErrors with all mistakes of the file
 */
export function loadRunbook(
  service: string,
  directory: string,
  warn?: (warning: Problem) => void,
  examine?: (reading: Reading) => void,
): Runbook {
  const services = listServices(directory);
  if (!services.includes(service)) {
    const nearest = nearestName(service, services);
    const listed =
      services.length > 0 ? `one of ${services.join(', ')}` : 'a file <service>.md there, and there is none';
    const suggestion = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
    throw new RunbookNotFound(`no runbook for \`${service}\` in ${directory}; expected ${listed}${suggestion}`);
  }
  const path = join(directory, `${service}.md`);
  return readRunbook(path, readFileSync(path, 'utf8'), warn, examine);
}
