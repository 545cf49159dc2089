import { z } from 'zod';
import type { Resource } from '../assembly/resource.ts';

const statements = z.union([
  z.array(z.record(z.string(), z.unknown())),
  z.record(z.string(), z.unknown()).transform(statement => [statement]),
]);

const policyDocument = z.strictObject({
  Version: z.string().exactOptional(),
  Id: z.string().exactOptional(),
  Statement: statements,
});

/** The properties that are honoured, and those without an effect on this machine (Description, Tags, …). */
const schemas = {
  'AWS::IAM::Role': z.strictObject({
    AssumeRolePolicyDocument: policyDocument,
    Policies: z.array(z.strictObject({ PolicyName: z.string(), PolicyDocument: policyDocument })).default([]),
    ManagedPolicyArns: z.array(z.string()).default([]),
    PermissionsBoundary: z.string().optional(),
    RoleName: z.string().optional(),
    Path: z.string().optional(),
    Description: z.unknown().optional(),
    MaxSessionDuration: z.unknown().optional(),
    Tags: z.unknown().optional(),
  }),
  'AWS::IAM::Policy': z.strictObject({
    PolicyName: z.string(),
    PolicyDocument: policyDocument,
    Roles: z.array(z.string()).min(1),
  }),
  'AWS::IAM::ManagedPolicy': z.strictObject({
    PolicyDocument: policyDocument,
    Roles: z.array(z.string()).default([]),
    ManagedPolicyName: z.string().optional(),
    Path: z.string().optional(),
    Description: z.unknown().optional(),
  }),
};

type Schemas = typeof schemas;

/**
 * The resources of one IAM type with their validated properties.
 * @throws Error that names stack, logical id and property where one is neither honoured nor without a local effect.
 */
export function declared<T extends keyof Schemas>(
  resources: readonly Resource[],
  type: T,
): { resource: Resource; properties: z.output<Schemas[T]> }[] {
  return resources
    .filter(resource => resource.type === type)
    .map(resource => {
      const parsed = schemas[type].safeParse(resource.properties);
      if (!parsed.success) {
        throw new Error(`${resource.stack}/${resource.logicalId} (${type}): ${z.prettifyError(parsed.error)}`);
      }
      return { resource, properties: parsed.data as z.output<Schemas[T]> };
    });
}
