import { z } from 'zod';
import { AwsError } from '../aws/service.ts';

const arn = z.string().min(1).max(256);
const token = z.string().min(1).max(2048);
const page = { maxResults: z.number().int().min(0).max(1000).default(0), nextToken: z.string().optional() };
const status = z.enum(['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED', 'PENDING_REDRIVE']);

// "AWS Step Functions API Reference", the actions of the same names.
export const requests = {
  StartExecution: z.strictObject({
    stateMachineArn: arn,
    name: z.string().optional(),
    input: z.string().default('{}'),
    traceHeader: z.unknown().optional(),
  }),
  DescribeExecution: z.strictObject({ executionArn: arn, includedData: z.literal('ALL_DATA').optional() }),
  ListExecutions: z.strictObject({ stateMachineArn: arn, statusFilter: status.optional(), ...page }),
  StopExecution: z.strictObject({
    executionArn: arn,
    error: z.string().max(256).optional(),
    cause: z.string().max(32_768).optional(),
  }),
  GetExecutionHistory: z.strictObject({
    executionArn: arn,
    reverseOrder: z.boolean().default(false),
    includeExecutionData: z.literal(true).optional(),
    ...page,
  }),
  SendTaskSuccess: z.strictObject({ taskToken: token, output: z.string() }),
  SendTaskFailure: z.strictObject({
    taskToken: token,
    error: z.string().max(256).optional(),
    cause: z.string().max(32_768).optional(),
  }),
  SendTaskHeartbeat: z.strictObject({ taskToken: token }),
  DescribeStateMachine: z.strictObject({ stateMachineArn: arn, includedData: z.literal('ALL_DATA').optional() }),
  UpdateStateMachine: z.strictObject({ stateMachineArn: arn, definition: z.string().min(1) }),
  ListStateMachines: z.strictObject(page),
};

export type ActionName = keyof typeof requests;
export type Request<Name extends ActionName> = z.output<(typeof requests)[Name]>;

/** @throws AwsError `ValidationException`, `SerializationException` */
export function parseRequest<Name extends ActionName>(name: Name, body: Buffer): Request<Name> {
  let json: unknown;
  try {
    json = JSON.parse(body.toString() || '{}');
  } catch {
    throw new AwsError('SerializationException', 'The request body is not JSON.');
  }
  const result = requests[name].safeParse(json);
  if (result.success) return result.data as Request<Name>;
  const reasons = result.error.issues.map(issue => `'${issue.path.join('.')}' ${issue.message}`);
  throw new AwsError('ValidationException', `${reasons.length} validation error detected: ${reasons.join('; ')}`);
}
