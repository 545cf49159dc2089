import { randomUUID } from 'node:crypto';
import type { Resource } from '../assembly/resource.ts';
import {
  type Authorization,
  type AwsCall,
  AwsError,
  type AwsReply,
  type AwsService,
  type FunctionInvoker,
  type Log,
  type Principal,
} from '../aws/service.ts';
import type { MetricSink } from '../cloudwatch/metric.ts';
import type { Keys } from '../kms/keys.ts';
import type { MessageAttributes } from '../sqs/message.ts';
import type { Sqs } from '../sqs/service.ts';
import { matches, type TopicMessageAttributes } from './filter-policy.ts';
import { errorReply, messageAttributes, publishReply } from './query-protocol.ts';
import { readTopics, type Subscription, type Topic } from './topics.ts';

export interface SnsOptions {
  /** All resources of the template; those of other types are left alone. */
  readonly resources: readonly Resource[];
  readonly sqs: Pick<Sqs, 'deliver'>;
  readonly invoker: FunctionInvoker;
  readonly authorization: Authorization;
  readonly log: Log;
  /** For topics that are encrypted with a key of the template. */
  readonly keys?: Keys;
  readonly metrics?: MetricSink;
}

export interface Publication {
  readonly message: string;
  readonly subject?: string | undefined;
  readonly attributes?: TopicMessageAttributes;
}

export interface Sns extends AwsService {
  /**
   * Publishes for a service of AWS or a caller of the API. Deliveries go on after the answer; one that is denied or
   * fails is an error in the log and is not tried again.
   * @throws AwsError `NotFound`, `AccessDeniedException`, `InvalidParameter`
   */
  publish(topicArn: string, publication: Publication, principal: Principal): Promise<{ readonly messageId: string }>;
  /** Waits for the deliveries under way. */
  close(): Promise<void>;
}

// "Publish" in the SNS API reference.
const maxMessageBytes = 262_144;
const maxSubjectLength = 100;

/** Starts the topics of the template. @throws TemplateError that names what the template declares and cannot be run. */
export async function startSns(options: SnsOptions): Promise<Sns> {
  return new SnsService(readTopics(options.resources), options);
}

interface Notification extends Required<Omit<Publication, 'subject'>> {
  readonly messageId: string;
  readonly topicArn: string;
  readonly subject: string | undefined;
  readonly timestamp: string;
}

class SnsService implements Sns {
  readonly #topics: ReadonlyMap<string, Topic>;
  readonly #options: SnsOptions;
  readonly #deliveries = new Set<Promise<void>>();

  constructor(topics: ReadonlyMap<string, Topic>, options: SnsOptions) {
    this.#topics = topics;
    this.#options = options;
  }

  async handle({ body, principal }: AwsCall): Promise<AwsReply> {
    const form = new URLSearchParams(body.toString());
    try {
      const action = form.get('Action');
      if (action !== 'Publish')
        throw new AwsError('InvalidAction', `The local environment does not run the SNS action ${action}.`);
      const topicArn = form.get('TopicArn');
      if (topicArn === null)
        throw new AwsError('InvalidParameter', 'Invalid parameter: TopicArn or TargetArn is required');
      if (form.get('MessageStructure') !== null)
        throw new AwsError('InvalidParameter', 'The local environment does not run MessageStructure');
      const publication = {
        message: form.get('Message') ?? '',
        subject: form.get('Subject') ?? undefined,
        attributes: messageAttributes(form),
      };
      return publishReply((await this.publish(topicArn, publication, principal)).messageId);
    } catch (error) {
      if (error instanceof AwsError) return errorReply(error);
      throw error;
    }
  }

  async publish(topicArn: string, publication: Publication, principal: Principal): Promise<{ messageId: string }> {
    const parts = topicArn.split(':').length;
    if (parts < 6)
      throw new AwsError(
        'InvalidParameter',
        `Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not ${parts}`,
      );
    const topic = this.#topics.get(topicArn);
    if (!topic || !isAllowedByDefault(topic, principal))
      await this.#options.authorization.authorize({
        principal,
        action: 'sns:Publish',
        resource: topicArn,
        ...(topic?.policy ? { resourcePolicy: topic.policy } : {}),
      });
    if (!topic) throw new AwsError('NotFound', 'Topic does not exist', 404);
    // "Encrypting data: configuring AWS KMS permissions": who publishes needs both, also where a service does.
    if (topic.key !== undefined && this.#options.keys)
      for (const action of ['kms:GenerateDataKey', 'kms:Decrypt'])
        await this.#options.keys.authorize(principal, action, topic.key);
    const { message, subject, attributes = {} } = publication;
    if (message.length === 0) throw new AwsError('InvalidParameter', 'Invalid parameter: Empty message');
    if (Buffer.byteLength(message) > maxMessageBytes)
      throw new AwsError('InvalidParameter', 'Invalid parameter: Message too long');
    if (subject !== undefined && (subject.length === 0 || subject.length > maxSubjectLength))
      throw new AwsError('InvalidParameter', 'Invalid parameter: Subject');
    const notification = {
      messageId: randomUUID(),
      topicArn,
      message,
      subject,
      attributes,
      timestamp: new Date().toISOString(),
    };
    for (const subscription of topic.subscriptions)
      if (!subscription.filter || matches(subscription.filter, attributes)) this.#start(subscription, notification);
    return { messageId: notification.messageId };
  }

  async close(): Promise<void> {
    while (this.#deliveries.size > 0) await Promise.all(this.#deliveries);
  }

  #start(subscription: Subscription, notification: Notification): void {
    const { topicArn, messageId } = notification;
    const { protocol, endpoint } = subscription;
    const delivery = this.#deliver(subscription, notification)
      .catch((error: unknown) => {
        const fields = {
          topic: topicArn,
          messageId,
          protocol,
          endpoint,
          error: error instanceof Error ? error.message : String(error),
        };
        this.#options.log('error', 'sns', 'a notification could not be delivered', fields);
        const TopicName = topicArn.slice(topicArn.lastIndexOf(':') + 1);
        this.#options.metrics?.put('AWS/SNS', 'NumberOfNotificationsFailed', { TopicName }, 1, 'Count');
      })
      .finally(() => this.#deliveries.delete(delivery));
    this.#deliveries.add(delivery);
  }

  async #deliver(subscription: Subscription, notification: Notification): Promise<void> {
    const { protocol, endpoint, raw } = subscription;
    const { topicArn, messageId } = notification;
    const principal: Principal = { kind: 'service', service: 'sns.amazonaws.com', sourceArn: topicArn };
    if (protocol === 'sqs') {
      const message = raw
        ? { body: notification.message, attributes: queueAttributes(notification.attributes) }
        : { body: JSON.stringify(envelope(notification)) };
      await this.#options.sqs.deliver(endpoint, message, principal);
    } else if (protocol === 'lambda') {
      const result = await this.#options.invoker.invoke(endpoint, lambdaEvent(subscription, notification), principal);
      if (!result.ok) throw new Error(`the function failed: ${result.errorType}`);
    } else
      this.#options.log('info', 'sns', `a notification would go out by ${protocol}`, {
        topic: topicArn,
        messageId,
        endpoint,
        ...(notification.subject !== undefined && { subject: notification.subject }),
      });
  }
}

/**
 * A topic without a policy has SNS's default one, which lets its own account in, and CloudWatch's alarms with it
 * ("Notify users on alarm changes"). One of the template's own replaces it and must say so itself.
 */
const isAllowedByDefault = ({ arn, policy }: Topic, principal: Principal): boolean =>
  !policy &&
  principal.kind === 'service' &&
  principal.service === 'cloudwatch.amazonaws.com' &&
  principal.sourceArn?.split(':')[4] === arn.split(':')[4];

/** What a queue gets without raw message delivery: "Fanout Amazon SNS notifications to Amazon SQS queues". */
function envelope({ messageId, topicArn, subject, message, timestamp, attributes }: Notification) {
  return {
    Type: 'Notification',
    MessageId: messageId,
    TopicArn: topicArn,
    ...(subject === undefined ? {} : { Subject: subject }),
    Message: message,
    Timestamp: timestamp,
    ...(Object.keys(attributes).length === 0 ? {} : { MessageAttributes: attributes }),
  };
}

/** "Invoking Lambda functions with Amazon SNS notifications". */
function lambdaEvent({ arn }: Subscription, notification: Notification) {
  const { messageId, topicArn, subject, message, timestamp, attributes } = notification;
  return {
    Records: [
      {
        EventSource: 'aws:sns',
        EventVersion: '1.0',
        EventSubscriptionArn: arn,
        Sns: {
          Type: 'Notification',
          MessageId: messageId,
          TopicArn: topicArn,
          Subject: subject ?? null,
          Message: message,
          Timestamp: timestamp,
          MessageAttributes: attributes,
        },
      },
    ],
  };
}

const queueAttributes = (attributes: TopicMessageAttributes): MessageAttributes =>
  Object.fromEntries(
    Object.entries(attributes).map(([name, { Type, Value }]) => [name, { DataType: Type, StringValue: Value }]),
  );
