import type { PolicyDocument } from '../aws/service.ts';

function allow(...actions: string[]): PolicyDocument {
  return { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] };
}

/**
 * What the AWS managed policies that the stacks use contain, by the part of their ARN after `policy/`
 * (AWS Managed Policy Reference Guide, pages of the same names).
 */
export const awsManagedPolicies: Readonly<Record<string, PolicyDocument>> = {
  AdministratorAccess: allow('*'),
  'service-role/AWSLambdaBasicExecutionRole': allow('logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'),
  AWSXRayDaemonWriteAccess: allow(
    'xray:PutTraceSegments',
    'xray:PutTelemetryRecords',
    'xray:GetSamplingRules',
    'xray:GetSamplingTargets',
    'xray:GetSamplingStatisticSummaries',
  ),
};
