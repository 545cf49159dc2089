import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse as parseYaml } from 'yaml';
import { nearestName } from '../runbook/nearest-name.ts';
import type { Environment } from './environment.ts';
import { EnvironmentErrors } from './environment-errors.ts';
import { parseEnvironments } from './environment-schema.ts';
import environments from './environments.ts';

/** What messages call the project's own. */
const builtIn = 'environments';

/**
 * Loads all environments, the project's own or those of a user's file.
 * @param file as for `loadEnvironment`
 * @throws EnvironmentErrors that lists all that is wrong in the file
 */
export async function loadEnvironments(file?: string): Promise<Environment[]> {
  return parseEnvironments(file ?? builtIn, file === undefined ? environments : await readEnvironments(file));
}

/**
 * Loads an environment, of the project's own or of a user's file.
 * @param file a module (`.ts`, `.js`, `.mjs`) whose default export is a list of environments, or the same as JSON or YAML; a
 *   relative path is taken from the working directory
 * @throws EnvironmentErrors that lists all that is wrong in the file, or the names there are
 */
export async function loadEnvironment(name: string, file?: string): Promise<Environment> {
  const source = file ?? builtIn;
  const known = await loadEnvironments(file);
  const found = known.find(environment => environment.name === name);
  if (found) return found;
  const names = known.map(environment => environment.name);
  const nearest = nearestName(name, names);
  const suggestion = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
  throw new EnvironmentErrors(source, [`no environment \`${name}\`; expected one of ${names.join(', ')}${suggestion}`]);
}

async function readEnvironments(file: string): Promise<unknown> {
  const path = resolve(file);
  try {
    // JSON is YAML too.
    if (['.json', '.yaml', '.yml'].includes(extname(path))) return parseYaml(await readFile(path, 'utf8'));
    // As a URL's path, so that a directory with `#` or a space in its name is found, and a Windows drive is not a scheme.
    const module: { default?: unknown } = await import(pathToFileURL(path).pathname);
    return module.default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EnvironmentErrors(file, [`cannot be loaded: ${reason}`], { cause });
  }
}
