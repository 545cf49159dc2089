import { join } from 'node:path';
import { AssetManifestArtifact, CloudAssembly } from 'aws-cdk-lib/cx-api';
import { resolve, type Scope } from './intrinsics.ts';
import type { Declaration, Identities, Identity, Place, Resource } from './resource.ts';
import { TemplateError } from './template-error.ts';

/** The account that the local environment plays. */
export const localAccount = '000000000000';

/** Declared by CDK for its own statistics; nothing runs. */
const withoutEffect = new Set(['AWS::CDK::Metadata']);

interface Template {
  readonly Resources?: Readonly<
    Record<
      string,
      { readonly Type: string; readonly Condition?: string; readonly Properties?: Record<string, unknown> }
    >
  >;
  readonly Outputs?: Readonly<
    Record<
      string,
      { readonly Value: unknown; readonly Condition?: string; readonly Export?: { readonly Name: unknown } }
    >
  >;
}

/** A synthesized cloud assembly with every intrinsic function resolved. */
export interface Deployment {
  readonly place: Place;
  readonly resources: readonly Resource[];
  /** Outputs of all stacks by name. */
  readonly outputs: Readonly<Record<string, string>>;
  /** Directory of a file asset, by the object key that a template gives it. */
  readonly asset: (objectKey: string) => string;
}

/**
 * Reads a cloud assembly as `cdk synth` wrote it.
 * @param identities of every resource type that can be run here
 * @throws TemplateError that names every resource whose type or condition cannot be run, or an intrinsic function that is
 * not known
 */
export function readAssembly(directory: string, identities: Identities): Deployment {
  const assembly = new CloudAssembly(directory);
  const stacks = assembly.stacksRecursively.map(stack => ({
    name: stack.stackName,
    region: stack.environment.region,
    template: stack.template as Template,
  }));
  const [first] = stacks;
  if (!first) throw new TemplateError(`${directory} holds no stack`);
  const place: Place = { partition: 'aws', account: localAccount, region: first.region };

  const impossible = stacks.flatMap(({ name, template }) => {
    const resources = Object.entries(template.Resources ?? {}).filter(([, { Type }]) => !withoutEffect.has(Type));
    const unknown = resources.filter(([, { Type }]) => !Object.hasOwn(identities, Type));
    const conditional = [...resources, ...Object.entries(template.Outputs ?? {})].filter(([, each]) => each.Condition);
    return [
      ...unknown.map(([logicalId, { Type }]) => `${name}.${logicalId} is of type ${Type}`),
      ...conditional.map(([logicalId, { Condition }]) => `${name}.${logicalId} has the condition ${Condition}`),
    ];
  });
  if (impossible.length > 0) throw new TemplateError(`cannot be run on this machine: ${impossible.join('; ')}`);

  const scopes = new Map<string, Scope>();
  const exported = (exportName: string): unknown => {
    for (const { name, template } of stacks) {
      const scope = scopes.get(name);
      for (const output of Object.values(template.Outputs ?? {})) {
        if (scope && output.Export && resolve(output.Export.Name, scope) === exportName)
          return resolve(output.Value, scope);
      }
    }
    throw new TemplateError(`no stack exports ${exportName}`);
  };
  for (const { name, template } of stacks) {
    const known = new Map<string, Identity>();
    const scope: Scope = {
      stack: name,
      place,
      exported,
      identity(logicalId) {
        const kept = known.get(logicalId);
        if (kept) return kept;
        const declared = template.Resources?.[logicalId];
        const identify = declared && identities[declared.Type];
        if (!identify) throw new TemplateError(`${name} refers to ${logicalId}, which it does not declare`);
        const declaration: Declaration = {
          stack: name,
          logicalId,
          property: property => resolve(declared.Properties?.[property], scope),
        };
        const identity = identify(declaration, place);
        known.set(logicalId, identity);
        return identity;
      },
    };
    scopes.set(name, scope);
  }

  const resources: Resource[] = [];
  const outputs: Record<string, string> = {};
  for (const { name, template } of stacks) {
    const scope = scopes.get(name) as Scope;
    for (const [logicalId, { Type, Properties = {} }] of Object.entries(template.Resources ?? {})) {
      if (withoutEffect.has(Type)) continue;
      const properties = resolve(Properties, scope) as Record<string, unknown>;
      resources.push({ stack: name, logicalId, type: Type, properties, ...scope.identity(logicalId) });
    }
    for (const [output, { Value }] of Object.entries(template.Outputs ?? {}))
      outputs[output] = String(resolve(Value, scope));
  }

  const assets = new Map<string, string>();
  for (const artifact of assembly.artifacts) {
    if (!(artifact instanceof AssetManifestArtifact)) continue;
    for (const { source, destinations } of Object.values(artifact.contents.files ?? {})) {
      for (const { objectKey } of Object.values(destinations)) {
        if (source.path) assets.set(objectKey, join(directory, source.path));
      }
    }
  }
  return {
    place,
    resources,
    outputs,
    asset(objectKey) {
      const path = assets.get(objectKey);
      if (path === undefined) throw new TemplateError(`the assembly has no asset ${objectKey}`);
      return path;
    },
  };
}
