import { createHash } from 'node:crypto';
import { generatedName } from '../assembly/generated-name.ts';
import type { Declaration, Identities, Identity, Place } from '../assembly/resource.ts';

/** IAM quotas ("IAM and AWS STS quotas"): role names have up to 64 characters, policy names up to 128. */
const maxRoleNameLength = 64;
const maxPolicyNameLength = 128;

function digest({ stack, logicalId }: Declaration): string {
  return createHash('sha256').update(`${stack}/${logicalId}`).digest('hex').toUpperCase();
}

function nameOf(declaration: Declaration, property: string, maxLength: number): string {
  const name = declaration.property(property);
  return typeof name === 'string' ? name : generatedName(declaration.stack, declaration.logicalId, maxLength);
}

function pathOf(declaration: Declaration): string {
  const path = declaration.property('Path');
  return typeof path === 'string' ? path : '/';
}

function role(declaration: Declaration, { partition, account }: Place): Identity {
  const name = nameOf(declaration, 'RoleName', maxRoleNameLength);
  return {
    physicalId: name,
    attributes: {
      Arn: `arn:${partition}:iam::${account}:role${pathOf(declaration)}${name}`,
      RoleId: `AROA${digest(declaration).slice(0, 17)}`,
    },
  };
}

function inlinePolicy(declaration: Declaration): Identity {
  const id = generatedName(declaration.stack, declaration.logicalId, maxPolicyNameLength);
  return { physicalId: id, attributes: { Id: id } };
}

function managedPolicy(declaration: Declaration, { partition, account }: Place): Identity {
  const name = nameOf(declaration, 'ManagedPolicyName', maxPolicyNameLength);
  const arn = `arn:${partition}:iam::${account}:policy${pathOf(declaration)}${name}`;
  return { physicalId: arn, attributes: { PolicyArn: arn, PolicyId: `ANPA${digest(declaration).slice(0, 17)}` } };
}

/** Names the IAM resources as CloudFormation does. */
export const identities: Identities = {
  'AWS::IAM::Role': role,
  'AWS::IAM::Policy': inlinePolicy,
  'AWS::IAM::ManagedPolicy': managedPolicy,
};
