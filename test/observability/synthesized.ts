import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import cdkJson from '../../cdk.json' with { type: 'json' };
import { listServices } from '../../lib/runbook/reader.ts';
import { serviceApp } from '../../lib/service-app.ts';

export const runbooks = join(import.meta.dirname, '..', '..', 'runbooks');

/** Every service that has a runbook. */
export const services = listServices(runbooks);

export interface TemplateResource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

export interface SynthesizedTemplate {
  readonly Resources: Readonly<Record<string, TemplateResource>>;
}

export interface Synthesized {
  /** The cloud assembly, as `cdk synth` writes it. */
  readonly directory: string;
  readonly observability: SynthesizedTemplate;
}

// CloudFormation's rules are checked by every `cdk synth`; here they would take longer than all the rest, and they are not what
// is tested.
process.env.CDK_VALIDATION = 'false';

const directories: string[] = [];
const kept = new Map<string, Promise<Synthesized>>();

/** Synthesizes a service, once for all tests of a file, with the feature flags of cdk.json and without the functions' bundles. */
export function synthesized(service: string, env: string, from = runbooks): Promise<Synthesized> {
  const key = JSON.stringify([service, env, from]);
  const found = kept.get(key) ?? synthesize(service, env, from);
  kept.set(key, found);
  return found;
}

async function synthesize(service: string, env: string, from: string): Promise<Synthesized> {
  const directory = mkdtempSync(join(tmpdir(), 'steadysocket-cdk-'));
  directories.push(directory);
  const app = new App({
    outdir: directory,
    context: { ...cdkJson.context, 'aws:cdk:bundling-stacks': [] },
    analyticsReporting: false,
  });
  await serviceApp(app, { service, env, runbooks: from, environments: undefined, anonymous: false });
  const assembly = app.synth();
  return { directory, observability: assembly.getStackByName(`${service}-${env}-Observability`).template };
}

/** Removes what was synthesized; for `afterAll`. */
export function removeSynthesized(): void {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  kept.clear();
}
