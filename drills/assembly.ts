import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadRunbook } from '../lib/runbook/reader.ts';
import type { Runbook } from '../lib/runbook/runbook.ts';
import { synthesize } from '../local/synthesize.ts';
import { type Change, type DrillCopy, drillCopy } from './copy.ts';
import { type DrillEnvironment, drillEnvironment, environmentName } from './environment.ts';

/** A service's drill copy, synthesized. */
export interface DrillAssembly extends Pick<DrillEnvironment, 'told'> {
  readonly runbook: Runbook;
  readonly assembly: string;
  /** How the copy differs from the runbook, in words. */
  readonly changed: readonly string[];
}

/** Synthesizes drill copies, each once. */
export class Assemblies {
  readonly #made = new Map<string, Promise<DrillAssembly>>();
  readonly #directories: string[] = [];
  readonly #runbooks: string;

  /** @param runbooks directory */
  constructor(runbooks: string) {
    this.#runbooks = runbooks;
  }

  /** @throws SynthError, RunbookErrors */
  async of(service: string, changes: readonly Change[]): Promise<DrillAssembly> {
    const copy = drillCopy(await readFile(join(this.#runbooks, `${service}.md`), 'utf8'), changes);
    const key = `${service}\n${copy.markdown}`;
    const made = this.#made.get(key) ?? this.#make(service, copy);
    this.#made.set(key, made);
    return made;
  }

  async #make(service: string, { markdown, changed }: DrillCopy): Promise<DrillAssembly> {
    const directory = await mkdtemp(join(tmpdir(), 'steadysocket-drill-copy-'));
    this.#directories.push(directory);
    await writeFile(join(directory, `${service}.md`), markdown);
    const runbook = loadRunbook(service, directory);
    const { environment, told } = drillEnvironment(runbook);
    const environments = join(directory, 'environments.json');
    await writeFile(environments, JSON.stringify([environment]));
    const assembly = join(directory, 'cdk.out');
    const selection = { service, env: environmentName, runbooks: directory, environments };
    await synthesize({ ...selection, anonymous: false, output: assembly });
    return { runbook, assembly, told, changed };
  }

  async remove(): Promise<void> {
    for (const directory of this.#directories.splice(0)) await rm(directory, { recursive: true, force: true });
  }
}
