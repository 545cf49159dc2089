import type { Resource } from '../assembly/resource.ts';
import { declared } from '../assembly/resource-properties.ts';
import type { PolicyDocument } from '../aws/service.ts';
import { permissionProperties } from './declarations.ts';

/**
 * The ARN of a function, version or alias that a resource names by name or ARN.
 * @throws TemplateError that names the property, `FunctionName` by default, where the template has no such function
 */
export type FunctionReference = (resource: Resource, reference: string, property?: string) => string;

/**
 * The resource policies that the template's permissions make up, by the functions' ARNs.
 * @throws TemplateError where a permission cannot be run, or is for a function that is not there
 */
export function readFunctionPolicies(
  resources: readonly Resource[],
  arnOf: FunctionReference,
): ReadonlyMap<string, PolicyDocument> {
  const statements = new Map<string, unknown[]>();
  for (const { resource, properties } of declared(resources, 'AWS::Lambda::Permission', permissionProperties)) {
    const { Action, FunctionName, Principal, SourceArn, SourceAccount } = properties;
    const arn = arnOf(resource, FunctionName);
    const condition = {
      ...(SourceArn !== undefined && { ArnLike: { 'aws:SourceArn': SourceArn } }),
      ...(SourceAccount !== undefined && { StringEquals: { 'aws:SourceAccount': SourceAccount } }),
    };
    const statement = {
      Sid: resource.logicalId,
      Effect: 'Allow',
      Principal: Principal.endsWith('.amazonaws.com') ? { Service: Principal } : { AWS: Principal },
      Action,
      Resource: arn,
      ...(Object.keys(condition).length > 0 && { Condition: condition }),
    };
    statements.set(arn, [...(statements.get(arn) ?? []), statement]);
  }
  return new Map([...statements].map(([arn, Statement]) => [arn, { Version: '2012-10-17', Statement }]));
}
