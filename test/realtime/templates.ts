import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import cdkJson from '../../cdk.json' with { type: 'json' };
import { serviceApp } from '../../lib/service-app.ts';

export const services = ['archon', 'chat-backend', 'dojopool', 'matchbook', 'vitalstream'];
export const environments = ['dev', 'staging', 'prod'];

export interface TemplateOptions {
  readonly anonymous?: boolean;
  readonly runbooks?: string;
  readonly environments?: string;
}

const synthesized = new Map<string, Promise<Template>>();

/** The Realtime template of a service, synthesized once for all tests of a file, with the feature flags of cdk.json and without building the functions' bundles. */
export function realtimeTemplate(service: string, env: string, options: TemplateOptions = {}): Promise<Template> {
  const key = JSON.stringify([service, env, options]);
  const kept = synthesized.get(key) ?? synthesize(service, env, options);
  synthesized.set(key, kept);
  return kept;
}

async function synthesize(service: string, env: string, options: TemplateOptions): Promise<Template> {
  const app = new App({ context: { ...cdkJson.context, 'aws:cdk:bundling-stacks': [] }, analyticsReporting: false });
  await serviceApp(app, {
    service,
    env,
    runbooks: options.runbooks ?? join(import.meta.dirname, '..', '..', 'runbooks'),
    environments: options.environments,
    anonymous: options.anonymous ?? false,
  });
  const stack = app.node.tryFindChild(`${service}-${env}-Realtime`);
  if (!stack) throw new Error('the app has no Realtime stack');
  return Template.fromStack(stack as Parameters<typeof Template.fromStack>[0]);
}

/** Asset hashes change with every change of a function, and with them the names of its versions; the snapshot is about the rest. */
export const withoutAssetHashes = (template: Template): unknown =>
  JSON.parse(
    JSON.stringify(template.toJSON())
      .replaceAll(/[0-9a-f]{64}\.zip/g, '<asset>.zip')
      .replaceAll(/(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}/g, '$1<version>'),
  );
