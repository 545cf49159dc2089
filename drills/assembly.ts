import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadRunbook } from '../lib/runbook/reader.ts';
import type { Runbook } from '../lib/runbook/runbook.ts';
import { synthesize } from '../local/synthesize.ts';
import { type Change, drillCopy } from './copy.ts';
import { type DrillEnvironment, drillEnvironment, environmentName } from './environment.ts';

/** A service's drill copy, synthesized. */
export interface DrillAssembly extends Pick<DrillEnvironment, 'told'> {
  readonly runbook: Runbook;
  readonly assembly: string;
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
    const text = drillCopy(await readFile(join(this.#runbooks, `${service}.md`), 'utf8'), changes);
    const key = `${service}\n${text}`;
    const made = this.#made.get(key) ?? this.#make(service, text);
    this.#made.set(key, made);
    return made;
  }

  async #make(service: string, text: string): Promise<DrillAssembly> {
    const directory = await mkdtemp(join(tmpdir(), 'steadysocket-drill-copy-'));
    this.#directories.push(directory);
    await writeFile(join(directory, `${service}.md`), text);
    const runbook = loadRunbook(service, directory);
    const { environment, told } = drillEnvironment(runbook);
    const environments = join(directory, 'environments.json');
    await writeFile(environments, JSON.stringify([environment]));
    const assembly = join(directory, 'cdk.out');
    const selection = { service, env: environmentName, runbooks: directory, environments };
    await synthesize({ ...selection, anonymous: false, output: assembly });
    return { runbook, assembly, told };
  }

  async remove(): Promise<void> {
    for (const directory of this.#directories.splice(0)) await rm(directory, { recursive: true, force: true });
  }
}
