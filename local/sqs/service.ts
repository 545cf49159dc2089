import type { Place, Resource } from '../assembly/resource.ts';
import { declarationError, propertyError } from '../assembly/resource-properties.ts';
import {
  type Authorization,
  type AwsCall,
  AwsError,
  type AwsReply,
  type AwsService,
  type Log,
  type PolicyDocument,
  type Principal,
} from '../aws/service.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type FaultSource, noFaults } from '../faults/points.ts';
import { checkBatch, eachEntry } from './batch.ts';
import { queueDoesNotExist } from './errors.ts';
import { md5OfAttributes, messageBytes } from './message.ts';
import type { SendRequest } from './message-rules.ts';
import { MessageStore } from './message-store.ts';
import { readQueuePolicy, readQueueProperties } from './properties.ts';
import { Queue, type QueueMetrics, type ReceivedMessage, type SendResult } from './queue.ts';
import { queueAttributes } from './queue-attributes.ts';
import { type ActionName, isActionName, type MessageEntry, parseRequest, type Request } from './requests.ts';
import { highThroughputCallsPerSecond } from './throughput.ts';

export interface SqsOptions {
  /** All resources of the template; those of other types are left alone. */
  readonly resources: readonly Resource[];
  readonly place: Place;
  /** Where messages are kept; created if absent. */
  readonly stateDirectory: string;
  readonly authorization: Authorization;
  readonly log: Log;
  readonly clock?: Clock;
  readonly faults?: FaultSource;
}

/** SQS behind the local endpoint, and as the services in this process use it. */
export interface Sqs extends AwsService {
  /** @throws AwsError `QueueDoesNotExist` */
  queue(arn: string): Queue;
  /** Sends as AWS services do, with the queue's policy deciding. @throws AwsError as SendMessage. */
  deliver(queueArn: string, message: Omit<SendRequest, 'senderId'>, principal: Principal): Promise<SendResult>;
  /** Authorizes an action on a queue, its policy included. @throws AwsError `AccessDeniedException` */
  authorize(principal: Principal, action: string, queueArn: string): Promise<void>;
  /** By queue name. */
  metrics(): Readonly<Record<string, QueueMetrics>>;
  /** Answers waiting receives and closes the files. */
  close(): Promise<void>;
}

interface HostedQueue {
  readonly name: string;
  readonly url: string;
  readonly queue: Queue;
  readonly policy: PolicyDocument | undefined;
}

// "SendMessageBatch" in the API reference: 1 MiB for the sum of a batch.
const maxBatchBytes = 1_048_576;

/**
 * Starts the queues of the template with the messages of the last run.
 * @throws TemplateError that names stack, logical id and property where the template declares what is wrong or cannot be run.
 */
export async function startSqs(options: SqsOptions): Promise<Sqs> {
  const hosted = hostQueues(options);
  return new SqsService(hosted.queues, hosted.store, options);
}

function hostQueues({ resources, place, stateDirectory, log, clock = systemClock, faults = noFaults }: SqsOptions) {
  const declared = resources
    .filter(resource => resource.type === 'AWS::SQS::Queue')
    .map(resource => ({ resource, properties: readQueueProperties(resource), arn: attribute(resource, 'Arn') }));
  const policies = queuePolicies(resources);
  for (const [url, { resource }] of policies)
    if (!declared.some(queue => queue.resource.physicalId === url))
      throw propertyError(resource, 'Queues', `${url} is not a queue of the template`);
  for (const { resource, properties } of declared) checkRedrive(resource, properties.RedrivePolicy, declared);

  const store = new MessageStore(stateDirectory);
  const arns = new Set(declared.map(({ arn }) => arn));
  for (const arn of store.queues())
    if (!arns.has(arn)) log('warn', 'sqs', 'messages of a queue that left the template are kept', { queue: arn });

  const queues = new Map<string, HostedQueue>();
  for (const { resource, properties, arn } of declared) {
    const settings = {
      arn,
      fifo: properties.FifoQueue,
      contentBasedDeduplication: properties.ContentBasedDeduplication,
      deduplicationScope: properties.DeduplicationScope,
      highThroughputCallsPerSecond:
        properties.FifoThroughputLimit === 'perMessageGroupId' ? highThroughputCallsPerSecond(place.region) : undefined,
      delaySeconds: properties.DelaySeconds,
      maxMessageBytes: properties.MaximumMessageSize,
      retentionSeconds: properties.MessageRetentionPeriod,
      receiveWaitSeconds: properties.ReceiveMessageWaitTimeSeconds,
      visibilityTimeoutSeconds: properties.VisibilityTimeout,
    };
    queues.set(arn, {
      name: attribute(resource, 'QueueName'),
      url: resource.physicalId,
      queue: new Queue(settings, store, clock, faults),
      policy: policies.get(resource.physicalId)?.policy,
    });
  }
  for (const { arn, properties } of declared) {
    const policy = properties.RedrivePolicy;
    const source = queues.get(arn);
    const target = policy && queues.get(policy.deadLetterTargetArn);
    if (source && target) source.queue.redrive = { target: target.queue, maxReceiveCount: policy.maxReceiveCount };
  }
  return { queues, store };
}

function queuePolicies(resources: readonly Resource[]) {
  const policies = new Map<string, { resource: Resource; policy: PolicyDocument }>();
  for (const resource of resources.filter(({ type }) => type === 'AWS::SQS::QueuePolicy')) {
    const { queueUrls, policy } = readQueuePolicy(resource);
    for (const url of queueUrls) {
      const other = policies.get(url)?.resource;
      if (other)
        throw propertyError(
          resource,
          'Queues',
          `${other.logicalId} is a policy of ${url} too; one would replace the other`,
        );
      policies.set(url, { resource, policy });
    }
  }
  return policies;
}

type DeclaredQueue = { resource: Resource; properties: ReturnType<typeof readQueueProperties>; arn: string };

function checkRedrive(
  resource: Resource,
  policy: { deadLetterTargetArn: string } | undefined,
  declared: readonly DeclaredQueue[],
): void {
  if (!policy) return;
  const target = declared.find(({ arn }) => arn === policy.deadLetterTargetArn);
  if (!target)
    throw propertyError(resource, 'RedrivePolicy', `${policy.deadLetterTargetArn} is not a queue of the template`);
  // "Using dead-letter queues in Amazon SQS": of the same type as the source.
  if (
    target.properties.FifoQueue !== (resource.properties.FifoQueue === true || resource.properties.FifoQueue === 'true')
  )
    throw propertyError(resource, 'RedrivePolicy', `${target.resource.logicalId} is not of the same type of queue`);
  const allow = target.properties.RedriveAllowPolicy;
  const sourceArn = attribute(resource, 'Arn');
  if (
    allow?.redrivePermission === 'denyAll' ||
    (allow?.redrivePermission === 'byQueue' && !allow.sourceQueueArns.includes(sourceArn))
  )
    throw propertyError(
      resource,
      'RedrivePolicy',
      `RedriveAllowPolicy of ${target.resource.logicalId} does not allow it`,
    );
}

function attribute(resource: Resource, name: string): string {
  const value = resource.attributes[name];
  if (value === undefined) throw declarationError(resource, `has no attribute ${name}`);
  return value;
}

/** IAM has no action of its own for a batch: "Amazon SQS API permissions: actions and resource reference". */
const iamAction = (action: ActionName): string => `sqs:${action.replace(/Batch$/, '')}`;

class SqsService implements Sqs {
  readonly #queues: ReadonlyMap<string, HostedQueue>;
  readonly #store: MessageStore;
  readonly #place: Place;
  readonly #authorization: Authorization;

  constructor(queues: ReadonlyMap<string, HostedQueue>, store: MessageStore, { place, authorization }: SqsOptions) {
    this.#queues = queues;
    this.#store = store;
    this.#place = place;
    this.#authorization = authorization;
  }

  queue(arn: string): Queue {
    return this.#byArn(arn).queue;
  }

  async authorize(principal: Principal, action: string, queueArn: string): Promise<void> {
    const policy = this.#queues.get(queueArn)?.policy;
    await this.#authorization.authorize({
      principal,
      action,
      resource: queueArn,
      ...(policy ? { resourcePolicy: policy } : {}),
    });
  }

  async deliver(queueArn: string, message: Omit<SendRequest, 'senderId'>, principal: Principal): Promise<SendResult> {
    const { queue } = this.#byArn(queueArn);
    await this.authorize(principal, 'sqs:SendMessage', queueArn);
    queue.admit('SendMessage', message.groupId === undefined ? [] : [message.groupId]);
    return queue.send({ ...message, senderId: senderId(principal) });
  }

  metrics(): Readonly<Record<string, QueueMetrics>> {
    return Object.fromEntries([...this.#queues.values()].map(({ name, queue }) => [name, queue.metrics()]));
  }

  async close(): Promise<void> {
    for (const { queue } of this.#queues.values()) queue.close();
    this.#store.close();
  }

  async handle(call: AwsCall): Promise<AwsReply> {
    const target = String(call.headers['x-amz-target'] ?? '');
    const name = target.startsWith('AmazonSQS.') ? target.slice('AmazonSQS.'.length) : target;
    if (!isActionName(name))
      throw new AwsError(
        'UnknownOperationException',
        `The local environment does not run the SQS action ${name || 'of a call without x-amz-target'}.`,
      );
    const reply = await this.#dispatch(name, call);
    return {
      status: 200,
      headers: { 'content-type': 'application/x-amz-json-1.0' },
      body: reply === undefined ? '' : JSON.stringify(reply),
    };
  }

  #dispatch(name: ActionName, { body, principal }: AwsCall): Promise<unknown> {
    switch (name) {
      case 'SendMessage':
        return this.#sendMessage(parseRequest(name, body), principal);
      case 'SendMessageBatch':
        return this.#sendMessageBatch(parseRequest(name, body), principal);
      case 'ReceiveMessage':
        return this.#receiveMessage(parseRequest(name, body), principal);
      case 'DeleteMessage':
        return this.#deleteMessage(parseRequest(name, body), principal);
      case 'DeleteMessageBatch':
        return this.#deleteMessageBatch(parseRequest(name, body), principal);
      case 'ChangeMessageVisibility':
        return this.#changeVisibility(parseRequest(name, body), principal);
      case 'ChangeMessageVisibilityBatch':
        return this.#changeVisibilityBatch(parseRequest(name, body), principal);
      case 'GetQueueUrl':
        return this.#getQueueUrl(parseRequest(name, body), principal);
      case 'GetQueueAttributes':
        return this.#getQueueAttributes(parseRequest(name, body), principal);
      case 'PurgeQueue':
        return this.#purgeQueue(parseRequest(name, body), principal);
      case 'ListQueues':
        return this.#listQueues(parseRequest(name, body), principal);
    }
  }

  async #sendMessage(request: Request<'SendMessage'>, principal: Principal) {
    const { queue } = await this.#allowed('SendMessage', request.QueueUrl, principal);
    queue.admit('SendMessage', groups([request.MessageGroupId]));
    return sendReply(queue.send(sendRequest(request, principal)), request);
  }

  async #sendMessageBatch({ QueueUrl, Entries }: Request<'SendMessageBatch'>, principal: Principal) {
    const { queue } = await this.#allowed('SendMessageBatch', QueueUrl, principal);
    checkBatch(Entries);
    const bytes = Entries.reduce((sum, entry) => sum + messageBytes(entry.MessageBody, entry.MessageAttributes), 0);
    if (bytes > maxBatchBytes)
      throw new AwsError(
        'BatchRequestTooLong',
        `Batch requests cannot be longer than ${maxBatchBytes} bytes. You have sent ${bytes} bytes.`,
      );
    queue.admit('SendMessage', groups(Entries.map(entry => entry.MessageGroupId)));
    const results = queue.sendAll(Entries.map(entry => sendRequest(entry, principal)));
    return eachEntry(Entries, (entry, index) => ({
      Id: entry.Id,
      ...sendReply((results[index] as () => SendResult)(), entry),
    }));
  }

  async #receiveMessage(request: Request<'ReceiveMessage'>, principal: Principal) {
    const { queue } = await this.#allowed('ReceiveMessage', request.QueueUrl, principal);
    queue.admit('ReceiveMessage');
    const messages = await queue.receive({
      max: request.MaxNumberOfMessages,
      visibilityTimeoutSeconds: request.VisibilityTimeout,
      waitSeconds: request.WaitTimeSeconds,
    });
    return messages.length === 0 ? {} : { Messages: messages.map(message => receivedReply(message, request)) };
  }

  async #deleteMessage({ QueueUrl, ReceiptHandle }: Request<'DeleteMessage'>, principal: Principal) {
    const { queue } = await this.#allowed('DeleteMessage', QueueUrl, principal);
    queue.admit('DeleteMessage', groups([queue.groupOf(ReceiptHandle)]));
    queue.delete(ReceiptHandle);
  }

  async #deleteMessageBatch({ QueueUrl, Entries }: Request<'DeleteMessageBatch'>, principal: Principal) {
    const { queue } = await this.#allowed('DeleteMessageBatch', QueueUrl, principal);
    checkBatch(Entries);
    queue.admit('DeleteMessage', groups(Entries.map(entry => queue.groupOf(entry.ReceiptHandle))));
    return eachEntry(Entries, ({ Id, ReceiptHandle }) => {
      queue.delete(ReceiptHandle);
      return { Id };
    });
  }

  async #changeVisibility(request: Request<'ChangeMessageVisibility'>, principal: Principal) {
    const { queue } = await this.#allowed('ChangeMessageVisibility', request.QueueUrl, principal);
    queue.admit('ChangeMessageVisibility', groups([queue.groupOf(request.ReceiptHandle)]));
    queue.changeVisibility(request.ReceiptHandle, request.VisibilityTimeout);
  }

  async #changeVisibilityBatch({ QueueUrl, Entries }: Request<'ChangeMessageVisibilityBatch'>, principal: Principal) {
    const { queue } = await this.#allowed('ChangeMessageVisibilityBatch', QueueUrl, principal);
    checkBatch(Entries);
    queue.admit('ChangeMessageVisibility', groups(Entries.map(entry => queue.groupOf(entry.ReceiptHandle))));
    return eachEntry(Entries, ({ Id, ReceiptHandle, VisibilityTimeout }) => {
      queue.changeVisibility(ReceiptHandle, VisibilityTimeout);
      return { Id };
    });
  }

  async #getQueueUrl({ QueueName }: Request<'GetQueueUrl'>, principal: Principal) {
    const { url } = await this.#allowed('GetQueueUrl', `/${this.#place.account}/${QueueName}`, principal);
    return { QueueUrl: url };
  }

  async #getQueueAttributes({ QueueUrl, AttributeNames }: Request<'GetQueueAttributes'>, principal: Principal) {
    const { queue, policy } = await this.#allowed('GetQueueAttributes', QueueUrl, principal);
    return { Attributes: queueAttributes(queue, policy, AttributeNames) };
  }

  async #purgeQueue({ QueueUrl }: Request<'PurgeQueue'>, principal: Principal) {
    const { queue } = await this.#allowed('PurgeQueue', QueueUrl, principal);
    queue.purge();
  }

  async #listQueues({ QueueNamePrefix, MaxResults, NextToken }: Request<'ListQueues'>, principal: Principal) {
    await this.#authorization.authorize({ principal, action: 'sqs:ListQueues', resource: '*' });
    const found = [...this.#queues.values()]
      .filter(({ name }) => name.startsWith(QueueNamePrefix) && name > (NextToken ?? ''))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const page = found.slice(0, MaxResults ?? 1000);
    return {
      QueueUrls: page.map(({ url }) => url),
      ...(MaxResults !== undefined && page.length < found.length ? { NextToken: page.at(-1)?.name } : {}),
    };
  }

  /** The queue of a URL, whatever its host, after its policies allowed the action. */
  async #allowed(action: ActionName, url: string, principal: Principal): Promise<HostedQueue> {
    const [account, name] = url.split('/').slice(-2);
    const arn = `arn:${this.#place.partition}:sqs:${this.#place.region}:${account}:${name}`;
    await this.authorize(principal, iamAction(action), arn);
    return this.#byArn(arn);
  }

  #byArn(arn: string): HostedQueue {
    const hosted = this.#queues.get(arn);
    if (!hosted) throw queueDoesNotExist();
    return hosted;
  }
}

const groups = (ids: readonly (string | undefined)[]): string[] => ids.filter(id => id !== undefined);

const senderId = (principal: Principal): string =>
  principal.kind === 'service' ? principal.service : (principal.arn.split('/').at(-1) ?? principal.arn);

const sendRequest = (entry: MessageEntry, principal: Principal): SendRequest => ({
  body: entry.MessageBody,
  attributes: entry.MessageAttributes,
  groupId: entry.MessageGroupId,
  deduplicationId: entry.MessageDeduplicationId,
  delaySeconds: entry.DelaySeconds,
  traceHeader: entry.MessageSystemAttributes.AWSTraceHeader?.StringValue,
  senderId: senderId(principal),
});

function sendReply(result: SendResult, { MessageSystemAttributes }: MessageEntry) {
  const { AWSTraceHeader } = MessageSystemAttributes;
  return {
    MessageId: result.messageId,
    MD5OfMessageBody: result.md5OfBody,
    MD5OfMessageAttributes: result.md5OfAttributes,
    MD5OfMessageSystemAttributes: AWSTraceHeader && md5OfAttributes({ AWSTraceHeader }),
    SequenceNumber: result.sequenceNumber,
  };
}

function receivedReply(message: ReceivedMessage, request: Request<'ReceiveMessage'>) {
  const systemNames = [...request.AttributeNames, ...request.MessageSystemAttributeNames];
  const attributes = Object.entries(message.attributes).filter(
    ([name]) => systemNames.includes('All') || systemNames.includes(name),
  );
  const messageAttributes = Object.fromEntries(
    Object.entries(message.messageAttributes).filter(([name]) => isWanted(name, request.MessageAttributeNames)),
  );
  return {
    MessageId: message.messageId,
    ReceiptHandle: message.receiptHandle,
    MD5OfBody: message.md5OfBody,
    Body: message.body,
    Attributes: attributes.length === 0 ? undefined : Object.fromEntries(attributes),
    MD5OfMessageAttributes: md5OfAttributes(messageAttributes),
    MessageAttributes: Object.keys(messageAttributes).length === 0 ? undefined : messageAttributes,
  };
}

/** `All`, `.*`, a name, or `prefix.*`: "ReceiveMessage" in the API reference. */
const isWanted = (name: string, wanted: readonly string[]): boolean =>
  wanted.some(
    pattern =>
      pattern === 'All' || pattern === name || (pattern.endsWith('.*') && name.startsWith(pattern.slice(0, -2))),
  );
