import type { Resource } from '../assembly/resource.ts';
import { declared } from '../assembly/resource-properties.ts';
import { roleProperties } from './declarations.ts';

/**
 * Whether a role of the template lets a service assume it, e.g. `states.amazonaws.com`. Undefined where the template has
 * no such role: it has no permissions either.
 */
export function isTrusted(resources: readonly Resource[], roleArn: string, service: string): boolean | undefined {
  const role = resources.find(({ type, attributes }) => type === 'AWS::IAM::Role' && attributes.Arn === roleArn);
  if (!role) return undefined;
  const statements =
    declared([role], role.type, roleProperties)[0]?.properties.AssumeRolePolicyDocument.Statement ?? [];
  return statements.some(({ Effect, Action, Principal }) => {
    const services = [(Principal as { Service?: unknown } | undefined)?.Service].flat();
    return Effect === 'Allow' && [Action].flat().includes('sts:AssumeRole') && services.includes(service);
  });
}
