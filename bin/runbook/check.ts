import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { reportUnreachable } from '../../lib/config/contacts.ts';
import type { Environment } from '../../lib/config/environment.ts';
import { described } from '../../lib/runbook/problem.ts';
import { share } from '../../lib/runbook/quantity.ts';
import { checkRunbook, listServices } from '../../lib/runbook/reader.ts';
import type { Settings } from '../../lib/runbook/settings.ts';
import { conflicts } from '../../lib/runbook/settings-rules.ts';

export interface CheckOptions {
  /** Files; every service of the directory where there are none. */
  readonly files: readonly string[];
  /** Directory of the runbooks. */
  readonly directory: string;
  readonly environments: readonly Environment[];
  /** ISO date. */
  readonly today: string;
}

export interface CheckResult {
  /** What is wrong, then what is doubtful, then the shares, a line each. */
  readonly lines: readonly string[];
  readonly passed: boolean;
}

/**
 * Checks runbooks as a synth does, for every environment, and what concerns several: services share an account.
 * @throws what the file system throws where a file cannot be read
 */
export function checkRunbooks({ files, directory, environments, today }: CheckOptions): CheckResult {
  const paths = files.length > 0 ? files : listServices(directory).map(service => join(directory, `${service}.md`));
  const readings = paths.map(path => ({ path, ...checkRunbook(path, readFileSync(path, 'utf8'), today) }));
  const errors = readings.flatMap(({ path, ...reading }) => {
    for (const environment of environments) reportUnreachable(reading, environment);
    return [
      ...reading.problems.errors().problems.map(described),
      ...environments.flatMap(environment => conflictsOf(path, reading.settings, environment)),
    ];
  });
  const warnings = readings.flatMap(({ problems }) => problems.warnings().map(described));
  const shares = sharesOf(
    readings.flatMap(({ path, settings: { requestQuotaShare } }) => {
      const service = basename(path, '.md');
      return service === 'template' || requestQuotaShare === undefined ? [] : [{ service, requestQuotaShare }];
    }),
  );
  const lines = [...errors, ...warnings.map(warning => `warning: ${warning}`), ...shares.lines];
  return { lines, passed: errors.length === 0 && shares.total <= 1 };
}

/** What in an environment's limits does not go together with the settings, as far as these are known. */
function conflictsOf(path: string, settings: Partial<Settings>, { name, limits }: Environment): string[] {
  const worded = (found: Partial<Settings>) =>
    conflicts(found).map(({ field, read, expected }) => `${field}: ${read}; expected ${expected}`);
  const inRunbook = worded(settings);
  return worded({ ...settings, ...limits })
    .filter(conflict => !inRunbook.includes(conflict))
    .map(conflict => `${path}: in ${name}: ${conflict}`);
}

/** Each service's part of the account's request quota, and all together. */
function sharesOf(services: readonly { readonly service: string; readonly requestQuotaShare: number }[]): {
  readonly lines: readonly string[];
  readonly total: number;
} {
  // Hundredths of a percent, so that shares which add up to the whole do so in binary too.
  const total = Math.round(services.reduce((sum, { requestQuotaShare }) => sum + requestQuotaShare, 0) * 1e4) / 1e4;
  const lines = services.map(({ service, requestQuotaShare }) => `${service}: ${share.format(requestQuotaShare)}`);
  if (lines.length === 0) return { lines, total };
  const heading = 'Share of the account’s request quota:';
  const sum =
    total > 1
      ? `error: ${share.format(total)} in all; expected at most 100 %, since services in one account and Region divide it`
      : `${share.format(total)} in all`;
  return { lines: ['', heading, ...lines.map(line => `  ${line}`), `  ${sum}`], total };
}
