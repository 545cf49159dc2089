import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import type { PolicyDocument } from '../aws/service.ts';
import { type FilterPolicy, filterPolicy } from './filter-policy.ts';

const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')]);
const protocol = z.enum(['sqs', 'lambda', 'email', 'email-json', 'sms', 'http', 'https']);

const topicProperties = z.strictObject({
  TopicName: z.string().optional(),
  Subscription: z.array(z.strictObject({ Protocol: protocol, Endpoint: z.string() })).default([]),
  FifoTopic: z.literal([false, 'false'], 'FIFO topics are not run').optional(),
  /** Id, ARN or alias of the key that encrypts messages. */
  KmsMasterKeyId: z.string().optional(),
  // No local effect.
  DisplayName: z.unknown().optional(),
  Tags: z.unknown().optional(),
  TracingConfig: z.unknown().optional(),
});
const topicPolicyProperties = z.strictObject({
  Topics: z.array(z.string()).min(1),
  PolicyDocument: z.looseObject({ Version: z.string().optional(), Statement: z.array(z.unknown()) }),
});
const subscriptionProperties = z.strictObject({
  TopicArn: z.string(),
  Protocol: protocol,
  Endpoint: z.string(),
  RawMessageDelivery: flag.default(false),
  FilterPolicy: filterPolicy.optional(),
  FilterPolicyScope: z.literal('MessageAttributes', 'only MessageAttributes is run').optional(),
});

export interface Subscription {
  readonly arn: string;
  readonly protocol: z.infer<typeof protocol>;
  readonly endpoint: string;
  readonly raw: boolean;
  readonly filter: FilterPolicy | undefined;
}

export interface Topic {
  readonly arn: string;
  readonly policy: PolicyDocument | undefined;
  readonly key: string | undefined;
  readonly subscriptions: readonly Subscription[];
}

/**
 * The topics of a template with their policies and subscriptions, by ARN.
 * @throws TemplateError that names stack, logical id and the property that is wrong or cannot be run.
 */
export function readTopics(resources: readonly Resource[]): ReadonlyMap<string, Topic> {
  const topics = new Map(
    declared(resources, 'AWS::SNS::Topic', topicProperties).map(({ resource, properties }) => {
      const subscriptions = properties.Subscription.map(({ Protocol, Endpoint }, index) => ({
        arn: `${resource.physicalId}:${resource.logicalId}-${index}`,
        protocol: Protocol,
        endpoint: Endpoint,
        raw: false,
        filter: undefined,
      }));
      const topic = { arn: resource.physicalId, policy: undefined, key: properties.KmsMasterKeyId, subscriptions };
      return [resource.physicalId, topic as { -readonly [Key in keyof Topic]: Topic[Key] }];
    }),
  );
  const topicOf = (resource: Resource, property: string, arn: string) => {
    const topic = topics.get(arn);
    if (!topic) throw propertyError(resource, property, `${arn} is not a topic of the template`);
    return topic;
  };
  for (const { resource, properties } of declared(resources, 'AWS::SNS::TopicPolicy', topicPolicyProperties)) {
    const { Topics, PolicyDocument } = properties;
    for (const arn of Topics) {
      const topic = topicOf(resource, 'Topics', arn);
      if (topic.policy)
        throw propertyError(resource, 'Topics', `${arn} has another policy already; one would replace the other`);
      topic.policy = {
        Statement: PolicyDocument.Statement,
        ...(PolicyDocument.Version ? { Version: PolicyDocument.Version } : {}),
      };
    }
  }
  for (const { resource, properties } of declared(resources, 'AWS::SNS::Subscription', subscriptionProperties)) {
    const topic = topicOf(resource, 'TopicArn', properties.TopicArn);
    const subscription = {
      arn: resource.physicalId,
      protocol: properties.Protocol,
      endpoint: properties.Endpoint,
      raw: properties.RawMessageDelivery,
      filter: properties.FilterPolicy,
    };
    const same = topic.subscriptions.find(
      ({ protocol, endpoint }) => protocol === subscription.protocol && endpoint === subscription.endpoint,
    );
    // "Subscribe" in the SNS API reference: one of the same endpoint is the one there is, if it has the same attributes.
    if (!same) topic.subscriptions = [...topic.subscriptions, subscription];
    else if (!isDeepStrictEqual({ ...same, arn: '' }, { ...subscription, arn: '' }))
      throw propertyError(resource, 'Endpoint', 'Subscription already exists with different attributes');
  }
  return topics;
}
