import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseDocument } from './document.ts';
import { readFrontMatter } from './front-matter.ts';
import { nearestName } from './nearest-name.ts';
import { Problems } from './problem.ts';
import type { Runbook } from './runbook.ts';
import { readSettings } from './settings-section.ts';

/**
 * Reads a runbook.
 * @param path of the file, for the messages; its base name is the service's
 * @throws RunbookErrors with all mistakes of the file
 */
export function readRunbook(path: string, text: string): Runbook {
  const problems = new Problems(path);
  const document = parseDocument(text.replace(/^\uFEFF/, ''));
  const frontMatter = readFrontMatter(document, basename(path, '.md'), problems);
  const settings = readSettings(document, problems);
  if (!frontMatter || !problems.none) throw problems.errors();
  // Nothing was reported, so every setting was read or has its default.
  return { ...frontMatter, settings: settings as Runbook['settings'] };
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
 * @throws RunbookNotFound that lists the services there are
 * @throws RunbookErrors with all mistakes of the file
 */
export function loadRunbook(service: string, directory: string): Runbook {
  const services = listServices(directory);
  if (!services.includes(service)) {
    const nearest = nearestName(service, services);
    const listed =
      services.length > 0 ? `one of ${services.join(', ')}` : 'a file <service>.md there, and there is none';
    const suggestion = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
    throw new RunbookNotFound(`no runbook for \`${service}\` in ${directory}; expected ${listed}${suggestion}`);
  }
  const path = join(directory, `${service}.md`);
  return readRunbook(path, readFileSync(path, 'utf8'));
}
