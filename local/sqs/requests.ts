import { z } from 'zod';
import { AwsError } from '../aws/service.ts';

// The members of the requests that are read; the SDK's other members change nothing here.
const queueUrl = { QueueUrl: z.string() };
const names = z.array(z.string()).default([]);

const attribute = z.object({
  DataType: z.string(),
  StringValue: z.string().optional(),
  BinaryValue: z.string().optional(),
});

const message = z.object({
  MessageBody: z.string(),
  DelaySeconds: z.number().optional(),
  MessageAttributes: z.record(z.string(), attribute).default({}),
  MessageSystemAttributes: z.strictObject({ AWSTraceHeader: attribute.optional() }).default({}),
  MessageGroupId: z.string().optional(),
  MessageDeduplicationId: z.string().optional(),
});

const id = z.object({ Id: z.string() });
const receipt = z.object({ ReceiptHandle: z.string() });
const visibility = receipt.extend({ VisibilityTimeout: z.number() });

export const requests = {
  SendMessage: message.extend(queueUrl),
  SendMessageBatch: z.object({ ...queueUrl, Entries: z.array(message.extend(id.shape)) }),
  ReceiveMessage: z.object({
    ...queueUrl,
    AttributeNames: names,
    MessageSystemAttributeNames: names,
    MessageAttributeNames: names,
    MaxNumberOfMessages: z.number().int().min(1).max(10).default(1),
    VisibilityTimeout: z.number().int().min(0).max(43_200).optional(),
    WaitTimeSeconds: z.number().int().min(0).max(20).optional(),
  }),
  DeleteMessage: receipt.extend(queueUrl),
  DeleteMessageBatch: z.object({ ...queueUrl, Entries: z.array(receipt.extend(id.shape)) }),
  ChangeMessageVisibility: visibility.extend(queueUrl),
  ChangeMessageVisibilityBatch: z.object({ ...queueUrl, Entries: z.array(visibility.extend(id.shape)) }),
  GetQueueUrl: z.object({ QueueName: z.string() }),
  GetQueueAttributes: z.object({ ...queueUrl, AttributeNames: names }),
  PurgeQueue: z.object(queueUrl),
  ListQueues: z.object({
    QueueNamePrefix: z.string().default(''),
    MaxResults: z.number().int().min(1).max(1000).optional(),
    NextToken: z.string().optional(),
  }),
};

export type ActionName = keyof typeof requests;
export type Request<Name extends ActionName> = z.infer<(typeof requests)[Name]>;
export type MessageEntry = z.infer<typeof message>;

export const isActionName = (name: string): name is ActionName => Object.hasOwn(requests, name);

/** @throws AwsError `MissingParameter`, `InvalidParameterValue` or `SerializationException` */
export function parseRequest<Name extends ActionName>(name: Name, body: Buffer): Request<Name> {
  let json: unknown;
  try {
    json = JSON.parse(body.toString() || '{}');
  } catch {
    throw new AwsError('SerializationException', 'The request body is not JSON.');
  }
  const result = requests[name].safeParse(json);
  if (result.success) return result.data as Request<Name>;
  const issue = result.error.issues[0] as z.core.$ZodIssue;
  const parameter = issue.path.join('.');
  if (issue.message.endsWith('received undefined'))
    throw new AwsError('MissingParameter', `The request must contain the parameter ${parameter}.`);
  throw new AwsError('InvalidParameterValue', `Value for parameter ${parameter} is invalid. Reason: ${issue.message}.`);
}
