import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serviceNamePattern } from '../../lib/runbook/front-matter.ts';
import { isoDate } from '../../lib/runbook/reader.ts';

/** A runbook that cannot be begun; the message says why. */
export class NewRunbookError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NewRunbookError';
  }
}

/**
 * Begins a runbook from the template, updated today and to be reviewed in three months.
 * @returns the path of the file
 * @throws NewRunbookError for a name that no service can have, and where the file is there already
 */
export function newRunbook(service: string, directory: string, template: string, now: Date): string {
  if (!serviceNamePattern.test(service) || service === 'template') {
    const expected =
      'at most 32 lower-case letters, digits and single hyphens, beginning with a letter, not `template`';
    throw new NewRunbookError(`service \`${service}\`; expected ${expected}`);
  }
  const review = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 3, Math.min(now.getUTCDate(), 28)));
  const text = readFileSync(template, 'utf8')
    .replace(/^service: .*$/m, `service: ${service}`)
    .replace(/^updated: .*$/m, `updated: ${isoDate(now)}`)
    .replace(/^review: .*$/m, `review: ${isoDate(review)}`);
  const path = join(directory, `${service}.md`);
  try {
    writeFileSync(path, text, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new NewRunbookError(`${path} is there already; expected the name of a new service`);
  }
  return path;
}
