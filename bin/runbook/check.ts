import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { missingAddresses } from '../../lib/config/contacts.ts';
import { effectiveSettings } from '../../lib/config/effective-settings.ts';
import type { Environment } from '../../lib/config/environment.ts';
import { EnvironmentErrors } from '../../lib/config/environment-errors.ts';
import { described } from '../../lib/runbook/problem.ts';
import { share } from '../../lib/runbook/quantity.ts';
import { checkRunbook, listServices } from '../../lib/runbook/reader.ts';
import type { Runbook } from '../../lib/runbook/runbook.ts';

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
  const errors = readings.flatMap(({ path, problems, runbook }) => [
    ...problems.errors().problems.map(described),
    ...(runbook ? environments.flatMap(environment => deployable(runbook, environment)) : []).map(
      problem => `${path}: ${problem}`,
    ),
  ]);
  const warnings = readings.flatMap(({ problems }) => problems.warnings().map(described));
  const runbooks = readings.flatMap(({ runbook, path }) =>
    runbook && basename(path) !== 'template.md' ? [runbook] : [],
  );
  const shares = sharesOf(runbooks);
  const lines = [...errors, ...warnings.map(warning => `warning: ${warning}`), ...shares.lines];
  return { lines, passed: errors.length === 0 && shares.total <= 1 };
}

/** What keeps a runbook from being deployed in an environment. */
function deployable(runbook: Runbook, environment: Environment): string[] {
  const problems = missingAddresses(runbook, environment);
  try {
    effectiveSettings(runbook, environment);
  } catch (error) {
    if (!(error instanceof EnvironmentErrors)) throw error;
    problems.push(...error.problems.map(problem => `in ${environment.name}: ${problem}`));
  }
  return problems;
}

/** Each service's part of the account's request quota, and all together. */
function sharesOf(runbooks: readonly Runbook[]): { readonly lines: readonly string[]; readonly total: number } {
  // Hundredths of a percent, so that shares which add up to the whole do so in binary too.
  const total = Math.round(runbooks.reduce((sum, { settings }) => sum + settings.requestQuotaShare, 0) * 1e4) / 1e4;
  const lines = runbooks.map(({ service, settings }) => `${service}: ${share.format(settings.requestQuotaShare)}`);
  if (lines.length === 0) return { lines, total };
  const heading = 'Share of the account’s request quota:';
  const sum =
    total > 1
      ? `error: ${share.format(total)} in all; expected at most 100 %, since services in one account and Region divide it`
      : `${share.format(total)} in all`;
  return { lines: ['', heading, ...lines.map(line => `  ${line}`), `  ${sum}`], total };
}
