import { z } from 'zod';

const statements = z.union([
  z.array(z.record(z.string(), z.unknown())),
  z.record(z.string(), z.unknown()).transform(statement => [statement]),
]);

const policyDocument = z.strictObject({
  Version: z.string().exactOptional(),
  Id: z.string().exactOptional(),
  Statement: statements,
});

// The properties that are honoured, and those without an effect on this machine (Description, Tags, …).

export const roleProperties = z.strictObject({
  AssumeRolePolicyDocument: policyDocument,
  Policies: z.array(z.strictObject({ PolicyName: z.string(), PolicyDocument: policyDocument })).default([]),
  ManagedPolicyArns: z.array(z.string()).default([]),
  PermissionsBoundary: z.string().optional(),
  RoleName: z.string().optional(),
  Path: z.string().optional(),
  Description: z.unknown().optional(),
  MaxSessionDuration: z.unknown().optional(),
  Tags: z.unknown().optional(),
});

export const policyProperties = z.strictObject({
  PolicyName: z.string(),
  PolicyDocument: policyDocument,
  Roles: z.array(z.string()).min(1),
});

export const managedPolicyProperties = z.strictObject({
  PolicyDocument: policyDocument,
  Roles: z.array(z.string()).default([]),
  ManagedPolicyName: z.string().optional(),
  Path: z.string().optional(),
  Description: z.unknown().optional(),
});
