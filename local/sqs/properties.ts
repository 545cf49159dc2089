import { z } from 'zod';
import type { Resource } from '../assembly/resource.ts';
import { propertyError, readProperties } from '../assembly/resource-properties.ts';
import type { PolicyDocument } from '../aws/service.ts';

// CloudFormation carries numbers and booleans as strings too.
const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')]);
const jsonOr = <T extends z.ZodType>(schema: T) =>
  z.preprocess(value => (typeof value === 'string' ? JSON.parse(value) : value), schema);

/** Encryption, tags: AWS acts on them, nothing on this machine could show a difference. */
const withoutLocalEffect = {
  KmsMasterKeyId: z.unknown().optional(),
  KmsDataKeyReusePeriodSeconds: z.unknown().optional(),
  SqsManagedSseEnabled: z.unknown().optional(),
  Tags: z.unknown().optional(),
};

// Limits and defaults: "AWS::SQS::Queue" in the CloudFormation reference, "SetQueueAttributes" in the SQS API reference.
const queueProperties = z.strictObject({
  QueueName: z
    .string()
    .min(1)
    .max(80)
    .regex(/^[\w-]+(\.fifo)?$/)
    .optional(),
  FifoQueue: flag.default(false),
  ContentBasedDeduplication: flag.default(false),
  DeduplicationScope: z.enum(['queue', 'messageGroup']).default('queue'),
  FifoThroughputLimit: z.enum(['perQueue', 'perMessageGroupId']).default('perQueue'),
  DelaySeconds: integer(0, 900).default(0),
  MaximumMessageSize: integer(1024, 1_048_576).default(1_048_576),
  MessageRetentionPeriod: integer(60, 1_209_600).default(345_600),
  ReceiveMessageWaitTimeSeconds: integer(0, 20).default(0),
  VisibilityTimeout: integer(0, 43_200).default(30),
  RedrivePolicy: jsonOr(
    z.strictObject({ deadLetterTargetArn: z.string(), maxReceiveCount: integer(1, 1000) }),
  ).optional(),
  RedriveAllowPolicy: jsonOr(
    z.strictObject({
      redrivePermission: z.enum(['allowAll', 'denyAll', 'byQueue']).default('allowAll'),
      sourceQueueArns: z.array(z.string()).max(10).default([]),
    }),
  ).optional(),
  ...withoutLocalEffect,
});

export type QueueProperties = z.infer<typeof queueProperties>;

const queuePolicyProperties = z.strictObject({
  Queues: z.array(z.string()).min(1),
  PolicyDocument: z.looseObject({ Version: z.string().optional(), Statement: z.array(z.unknown()) }),
});

/** @throws TemplateError as `readProperties`, and for combinations that AWS refuses. */
export function readQueueProperties(resource: Resource): QueueProperties {
  const properties = readProperties(resource, queueProperties);
  const name = properties.QueueName;
  if (name !== undefined && name.endsWith('.fifo') !== properties.FifoQueue)
    throw propertyError(resource, 'QueueName', 'ends in .fifo exactly if FifoQueue is true');
  if (!properties.FifoQueue)
    for (const property of ['ContentBasedDeduplication', 'DeduplicationScope', 'FifoThroughputLimit'])
      if (resource.properties[property] !== undefined && resource.properties[property] !== false)
        throw propertyError(resource, property, 'needs FifoQueue');
  // "High throughput for FIFO queues" in the SQS developer guide.
  if (properties.FifoThroughputLimit === 'perMessageGroupId' && properties.DeduplicationScope !== 'messageGroup')
    throw propertyError(resource, 'FifoThroughputLimit', 'perMessageGroupId needs DeduplicationScope messageGroup');
  return properties;
}

/** The URLs of the queues that a policy belongs to, and the policy. @throws TemplateError as `readProperties`. */
export function readQueuePolicy(resource: Resource): { readonly queueUrls: string[]; readonly policy: PolicyDocument } {
  const { Queues, PolicyDocument } = readProperties(resource, queuePolicyProperties);
  const { Version, Statement } = PolicyDocument;
  return { queueUrls: Queues, policy: { Statement, ...(Version === undefined ? {} : { Version }) } };
}
