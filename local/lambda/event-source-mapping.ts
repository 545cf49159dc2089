import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Declaration, Identities, Resource } from '../assembly/resource.ts';
import { type Declared, declared, propertyError } from '../assembly/resource-properties.ts';
import { AwsError, type FunctionInvoker, type InvocationResult, type Log } from '../aws/service.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Queue, ReceivedMessage } from '../sqs/queue.ts';
import type { Sqs } from '../sqs/service.ts';

export interface EventSourceMappingOptions {
  /** All resources of the template; those of other types are left alone. */
  readonly resources: readonly Resource[];
  readonly sqs: Pick<Sqs, 'queue' | 'authorize'>;
  readonly invoker: FunctionInvoker;
  /** ARN of a function's execution role. */
  readonly roleOf: (functionArn: string) => string;
  readonly functionTimeoutSeconds: (functionArn: string) => number;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface EventSourceMappings {
  /**
   * Stops polling and waits for the invocations in flight, for the visibility timeout of their queue at most: after
   * that their messages are the next start's anyway.
   */
  close(): Promise<void>;
}

// Limits: "Lambda parameters for Amazon SQS event source mappings" and "CreateEventSourceMapping".
const mappingProperties = z.strictObject({
  EventSourceArn: z.string(),
  FunctionName: z.string(),
  BatchSize: z.coerce
    .number()
    .int()
    .min(1)
    .max(10, 'more than 10 needs a batching window, which is not run')
    .default(10),
  MaximumBatchingWindowInSeconds: z.literal(0, 'the local environment does not run a batching window').optional(),
  Enabled: z.union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')]).default(true),
  FunctionResponseTypes: z.array(z.literal('ReportBatchItemFailures')).max(1).default([]),
  ScalingConfig: z
    .strictObject({ MaximumConcurrency: z.coerce.number().int().min(2).max(1000).optional() })
    .default({}),
  // No local effect.
  Tags: z.unknown().optional(),
});

// "Configuring scaling behavior for SQS event source mappings": at most 1,000 batches at a time; a standard queue
// starts with 5 and gets 300 more a minute, a FIFO queue has as many as it has groups.
const maxConcurrency = 1_000;
const standardStart = 5;
const standardGrowthPerMs = 300 / 60_000;
const pollSeconds = 20;
// Lambda keeps a batch within the 6 MB of an invocation's payload; JSON at most doubles ordinary text.
const maxBatchBodyBytes = 3 * 1024 * 1024;
const shortestBackOffMs = 100;
const longestBackOffMs = 5_000;
const requiredActions = ['ReceiveMessage', 'DeleteMessage', 'GetQueueAttributes'];

function mappingId({ stack, logicalId }: Pick<Declaration, 'stack' | 'logicalId'>): string {
  const hex = createHash('sha256').update(`${stack}/${logicalId}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

/** The resource type of `startEventSourceMappings`. */
export const identities: Identities = {
  'AWS::Lambda::EventSourceMapping': (declaration, place) => {
    const id = mappingId(declaration);
    const arn = `arn:${place.partition}:lambda:${place.region}:${place.account}:event-source-mapping:${id}`;
    return { physicalId: id, attributes: { Id: id, EventSourceMappingArn: arn } };
  },
};

/**
 * Starts polling for every enabled mapping of the template.
 * @throws TemplateError that names stack, logical id and property where AWS would refuse the mapping: a property that cannot
 * be run, a queue whose visibility timeout is shorter than the function's, a role that may not read the queue.
 */
export async function startEventSourceMappings(options: EventSourceMappingOptions): Promise<EventSourceMappings> {
  const declarations = declared(options.resources, 'AWS::Lambda::EventSourceMapping', mappingProperties);
  const mappings = await Promise.all(declarations.map(declaration => readMapping(declaration, options)));
  const running = mappings.filter(({ enabled }) => enabled).map(mapping => new SqsPoller(mapping, options));
  for (const poller of running) poller.start();
  return {
    close: async () => {
      await Promise.all(running.map(poller => poller.close()));
    },
  };
}

interface Mapping {
  readonly arn: string;
  readonly enabled: boolean;
  readonly functionArn: string;
  readonly queue: Queue;
  readonly batchSize: number;
  readonly maximumConcurrency: number | undefined;
  readonly reportsItemFailures: boolean;
}

async function readMapping(
  { resource, properties: read }: Declared<z.output<typeof mappingProperties>>,
  options: EventSourceMappingOptions,
): Promise<Mapping> {
  const { sqs, roleOf, functionTimeoutSeconds } = options;
  const [, partition, service, region, account] = read.EventSourceArn.split(':');
  if (service !== 'sqs')
    throw propertyError(resource, 'EventSourceArn', `only queues are run as a source, not ${read.EventSourceArn}`);
  const queue = found(resource, 'EventSourceArn', () => sqs.queue(read.EventSourceArn));
  if (queue.settings.fifo && resource.properties.MaximumBatchingWindowInSeconds !== undefined)
    throw propertyError(resource, 'MaximumBatchingWindowInSeconds', 'is not supported for FIFO queues');
  const functionArn = read.FunctionName.startsWith('arn:')
    ? read.FunctionName
    : `arn:${partition}:lambda:${region}:${account}:function:${read.FunctionName}`;
  const timeout = found(resource, 'FunctionName', () => functionTimeoutSeconds(functionArn));
  const visibility = queue.settings.visibilityTimeoutSeconds;
  if (visibility < timeout)
    throw propertyError(
      resource,
      'EventSourceArn',
      `Queue visibility timeout: ${visibility} seconds is less than Function timeout: ${timeout} seconds`,
    );
  const role = roleOf(functionArn);
  for (const action of requiredActions)
    await sqs.authorize({ kind: 'role', arn: role }, `sqs:${action}`, queue.arn).catch(error => {
      throw propertyError(
        resource,
        'FunctionName',
        `The function execution role does not have permissions to call ${action} on SQS: ${error.message}`,
      );
    });
  return {
    arn: resource.attributes.EventSourceMappingArn ?? resource.physicalId,
    enabled: read.Enabled,
    functionArn,
    queue,
    batchSize: read.BatchSize,
    maximumConcurrency: read.ScalingConfig.MaximumConcurrency,
    reportsItemFailures: read.FunctionResponseTypes.includes('ReportBatchItemFailures'),
  };
}

/** What a property refers to. @throws TemplateError that names the property where it is not found */
function found<Target>(resource: Resource, property: string, find: () => Target): Target {
  try {
    return find();
  } catch (error) {
    if (error instanceof AwsError) throw propertyError(resource, property, error.message);
    throw error;
  }
}

/** The pollers of one mapping: receives one batch after the other, and invokes for several at a time. */
class SqsPoller {
  readonly #mapping: Mapping;
  readonly #invoker: FunctionInvoker;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #inFlight = new Set<Promise<void>>();
  #polling: Promise<void> = Promise.resolve();
  /** Wakes the poll loop from a wait of its own. */
  #wake = () => {};
  #backOffMs = 0;
  #busySince: number | undefined;
  /** The queues may be gone: `close` waited long enough. */
  #abandoned = false;

  constructor(mapping: Mapping, { invoker, log, clock = systemClock }: EventSourceMappingOptions) {
    this.#mapping = mapping;
    this.#invoker = invoker;
    this.#log = log;
    this.#clock = clock;
  }

  start(): void {
    this.#polling = this.#poll();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#polling;
    if (this.#inFlight.size === 0) return;
    const boundMs = this.#mapping.queue.settings.visibilityTimeoutSeconds * 1000;
    let cancel = () => {};
    const bound = new Promise<void>(resolve => {
      cancel = this.#clock.schedule(boundMs, resolve);
    });
    await Promise.race([Promise.allSettled(this.#inFlight), bound]);
    cancel();
    this.#abandoned = this.#inFlight.size > 0;
  }

  async #poll(): Promise<void> {
    const { queue, batchSize } = this.#mapping;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (this.#inFlight.size >= this.#concurrency()) {
        await new Promise<void>(resolve => {
          this.#wake = resolve;
        });
        continue;
      }
      if (this.#backOffMs > 0) await this.#rest(this.#backOffMs);
      if (signal.aborted) return;
      let messages: ReceivedMessage[];
      try {
        queue.admit('ReceiveMessage');
        messages = await queue.receive({
          max: batchSize,
          waitSeconds: pollSeconds,
          maxBytes: maxBatchBodyBytes,
          signal,
        });
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        this.#log('warn', 'lambda', 'polling a queue was refused, trying again', {
          queue: queue.arn,
          error: error.code,
        });
        await this.#rest(shortestBackOffMs);
        continue;
      }
      if (messages.length === 0) continue;
      const batch = this.#process(messages).finally(() => {
        this.#inFlight.delete(batch);
        this.#wake();
      });
      this.#inFlight.add(batch);
    }
  }

  /** How many batches may be in flight at present. */
  #concurrency(): number {
    const { maximumConcurrency, queue } = this.#mapping;
    if (maximumConcurrency !== undefined) return maximumConcurrency;
    if (queue.settings.fifo) return maxConcurrency;
    if (this.#inFlight.size < standardStart) this.#busySince = undefined;
    else this.#busySince ??= this.#clock.now();
    const busyMs = this.#busySince === undefined ? 0 : this.#clock.now() - this.#busySince;
    return Math.min(maxConcurrency, standardStart + Math.floor(busyMs * standardGrowthPerMs));
  }

  async #process(messages: readonly ReceivedMessage[]): Promise<void> {
    const { queue, functionArn, arn } = this.#mapping;
    const event = { Records: messages.map(message => sqsRecord(message, queue.arn)) };
    let result: InvocationResult;
    try {
      result = await this.#invoker.invoke(functionArn, event, {
        kind: 'service',
        service: 'lambda.amazonaws.com',
        sourceArn: arn,
      });
    } catch (error) {
      this.#refused(error, messages.length);
      return;
    }
    if (this.#abandoned) return;
    this.#backOffMs = 0;
    const succeeded = this.#succeeded(messages, result);
    if (succeeded.length > 0) await this.#delete(succeeded);
  }

  /** The messages are visible again after their timeout, whatever the reason. */
  #refused(error: unknown, messages: number): void {
    const { functionArn, queue } = this.#mapping;
    const fields = { function: functionArn, queue: queue.arn, messages };
    if (error instanceof AwsError && error.code === 'TooManyRequestsException') {
      this.#backOffMs = Math.min(longestBackOffMs, Math.max(shortestBackOffMs, this.#backOffMs * 2));
      this.#log('warn', 'lambda', 'a batch was throttled and returns to its queue', {
        ...fields,
        backOffMs: this.#backOffMs,
      });
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    this.#log('error', 'lambda', 'a batch could not be handed to its function and returns to its queue', {
      ...fields,
      error: message,
    });
  }

  #succeeded(messages: readonly ReceivedMessage[], result: InvocationResult): readonly ReceivedMessage[] {
    const { functionArn, queue, reportsItemFailures } = this.#mapping;
    const fields = { function: functionArn, queue: queue.arn, messages: messages.length };
    if (!result.ok) {
      this.#log('warn', 'lambda', 'a function failed, its batch returns to its queue', {
        ...fields,
        errorType: result.errorType,
      });
      return [];
    }
    if (!reportsItemFailures) return messages;
    const failed = failedItems(result.payload, messages);
    if (failed === 'all') {
      this.#log('warn', 'lambda', 'batchItemFailures is malformed, the whole batch returns to its queue', fields);
      return [];
    }
    if (failed.size > 0)
      this.#log('info', 'lambda', 'messages of a batch failed and return to their queue', {
        ...fields,
        failed: failed.size,
      });
    return messages.filter(({ messageId }) => !failed.has(messageId));
  }

  async #delete(messages: readonly ReceivedMessage[]): Promise<void> {
    const { queue } = this.#mapping;
    const groups = messages.map(({ attributes }) => attributes.MessageGroupId ?? '');
    while (!this.#admitsDelete(groups)) await this.#pause(shortestBackOffMs);
    for (const { receiptHandle, messageId } of messages) {
      try {
        queue.delete(receiptHandle);
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        // The function outlived the visibility timeout: the message will be, or is being, handled again.
        this.#log('warn', 'lambda', 'a handled message could not be deleted and comes again', {
          queue: queue.arn,
          messageId,
          error: error.code,
        });
      }
    }
  }

  #admitsDelete(groups: readonly string[]): boolean {
    try {
      this.#mapping.queue.admit('DeleteMessage', groups);
      return true;
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      return false;
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise(resolve => {
      this.#clock.schedule(delayMs, resolve);
    });
  }

  /** A pause of the poll loop, which `close` ends. */
  #rest(delayMs: number): Promise<void> {
    return new Promise(resolve => {
      const cancel = this.#clock.schedule(delayMs, resolve);
      this.#wake = () => {
        if (!this.#stop.signal.aborted) return;
        cancel();
        resolve();
      };
    });
  }
}

const partialResponse = z
  .object({ batchItemFailures: z.array(z.object({ itemIdentifier: z.string().min(1) })).nullish() })
  .nullish();

/**
 * Which messages a function reports as failed: "Handling errors for an SQS event source in Lambda", success and failure
 * conditions. Nothing, null or an empty list is success; an identifier that is empty, of another key or of no message of
 * the batch fails all.
 */
function failedItems(payload: unknown, messages: readonly ReceivedMessage[]): ReadonlySet<string> | 'all' {
  const response = partialResponse.safeParse(payload === '' ? null : payload);
  if (!response.success) return 'all';
  const ids = response.data?.batchItemFailures?.map(({ itemIdentifier }) => itemIdentifier) ?? [];
  const known = new Set(messages.map(({ messageId }) => messageId));
  return ids.every(id => known.has(id)) ? new Set(ids) : 'all';
}

/** A record of the event that Lambda builds from a message: "Using Lambda with Amazon SQS". */
function sqsRecord(message: ReceivedMessage, queueArn: string) {
  const { messageId, receiptHandle, body, md5OfBody, md5OfMessageAttributes, attributes } = message;
  const messageAttributes = Object.entries(message.messageAttributes).map(([name, attribute]) => [
    name,
    {
      ...(attribute.StringValue === undefined ? {} : { stringValue: attribute.StringValue }),
      ...(attribute.BinaryValue === undefined ? {} : { binaryValue: attribute.BinaryValue }),
      stringListValues: [],
      binaryListValues: [],
      dataType: attribute.DataType,
    },
  ]);
  return {
    messageId,
    receiptHandle,
    body,
    attributes,
    messageAttributes: Object.fromEntries(messageAttributes),
    ...(md5OfMessageAttributes === undefined ? {} : { md5OfMessageAttributes }),
    md5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: queueArn.split(':')[3],
  };
}
