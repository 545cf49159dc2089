import { z } from 'zod';
import type { Effect, Point, RequestEffect, RequestSubject, Subject } from './points.ts';

/** One kind of fault. Parameters named `function`, `table` and `queue` are names of the template's resources. */
export interface FaultDefinition<P extends Point = Point, Parameters extends z.ZodObject = z.ZodObject> {
  readonly point: P;
  /** What it does, in one sentence. */
  readonly summary: string;
  /** An example for the command, without the name. */
  readonly example: string;
  readonly parameters: Parameters;
  /** @param injectedAt epoch milliseconds */
  readonly applies: (subject: Subject<P>, parameters: z.output<Parameters>, injectedAt: number) => boolean;
  readonly effect: (parameters: z.output<Parameters>) => Effect<P>;
  /** Whose share is drawn once and stays; without it each subject's is drawn anew. */
  readonly each?: (subject: Subject<P>, parameters: z.output<Parameters>) => string | undefined;
  /**
   * Happens to all that is there when it is injected. `only`: and to nothing that comes later; `too`: and to what does;
   * `once`: and is over then.
   */
  readonly swept?: 'only' | 'too' | 'once';
  /** Milliseconds after which it sweeps again. */
  readonly everyMs?: (parameters: z.output<Parameters>) => number;
}

const define = <P extends Point, Parameters extends z.ZodObject>(definition: FaultDefinition<P, Parameters>) =>
  definition;

const within = (min: number, max: number, unit: string) => {
  const error = `a number of ${unit} from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
};
const hourMs = 3_600_000;
const durationMs = (about: string) => within(1, hourMs, 'milliseconds').describe(about);
const name = (about: string) => z.string({ error: about }).min(1, { error: about }).max(256, { error: about });
const optionalName = (about: string) => name(about).describe(about).optional();
/** A parameter that is left out limits nothing. */
const matches = (limit: string | undefined, value: string): boolean => limit === undefined || limit === value;

const ofFunction = {
  function: optionalName('function, e.g. fan-out; all without it'),
  version: optionalName('version of the function, e.g. 2 or $LATEST; all without it'),
};
const appliesToFunction = (
  subject: Subject<'invocation'>,
  {
    function: functionName,
    version,
  }: { readonly function?: string | undefined; readonly version?: string | undefined },
): boolean => matches(functionName, subject.functionName) && matches(version, subject.version);

const answer = z
  .enum(['error', 'cut', 'silence'])
  .default('error')
  .describe('error: status 500; cut: the connection is closed; silence: no answer');

/** Names of SQS's single operation stand for the batch too. */
const isOperation = (limit: string | undefined, operation: string): boolean =>
  limit === undefined || limit === operation || `${limit}Batch` === operation;

interface RequestLimits {
  readonly operation?: string | undefined;
  readonly table?: string | undefined;
  readonly queue?: string | undefined;
}

const appliesToRequest =
  (service: string) =>
  (subject: RequestSubject, { operation, table, queue }: RequestLimits): boolean => {
    const resource = table ?? queue;
    return (
      subject.service === service &&
      isOperation(operation, subject.operation) &&
      (resource === undefined || subject.resources.includes(resource))
    );
  };

const outage = (kind: 'error' | 'cut' | 'silence', code: string): RequestEffect => ({
  answer: kind === 'error' ? { code, message: 'Internal server error', status: 500 } : kind,
});

const ofTable = {
  table: optionalName('table, e.g. connections; all without it'),
  operation: optionalName('operation, e.g. PutItem; all without it'),
};
const ofQueue = { queue: optionalName('queue, e.g. publications; all without it') };
const queueOperation = name('operation, e.g. SendMessage')
  .default('SendMessage')
  .describe('operation; the batch of the same name too');
const ofService = {
  service: name('signing name of a service, e.g. sns or states').describe('signing name of a service, e.g. sns'),
  operation: optionalName('operation, e.g. Publish; all without it'),
};

const ofHost = {
  service: name('signing name of a service, e.g. dynamodb or execute-api').describe(
    'signing name of a service; execute-api for posts',
  ),
  function: optionalName('function that holds the connections, e.g. census; every caller without it'),
};
const appliesToHost = (
  subject: Subject<'host'>,
  { service, function: functionName }: { readonly service: string; readonly function?: string | undefined },
): boolean => subject.service === service && (functionName === undefined || functionName === subject.functionName);

const callbacks = {
  method: z.enum(['POST', 'DELETE', 'GET']).default('POST').describe('method of @connections'),
  of: z
    .enum(['calls', 'connections', 'present'])
    .default('calls')
    .describe(
      'whose share: of the calls; of the connections, the same ones all the time; present: of those that were open when it began',
    ),
};
type Callbacks = z.output<z.ZodObject<typeof callbacks>>;
const appliesToCallback = (subject: Subject<'callback'>, { method, of }: Callbacks, injectedAt: number): boolean =>
  subject.method === method &&
  (of !== 'present' || (subject.connectedAt !== undefined && subject.connectedAt <= injectedAt));
const ofConnections = ({ connectionId }: Subject<'callback'>, { of }: Callbacks): string | undefined =>
  of === 'calls' ? undefined : connectionId;

const ofEvents = {
  source: optionalName('source of the events, e.g. aws.cloudwatch; all without it'),
  detailType: optionalName('detail-type of the events; all without it'),
};
const appliesToEvent = (
  subject: Subject<'event'>,
  { source, detailType }: { readonly source?: string | undefined; readonly detailType?: string | undefined },
): boolean => matches(source, subject.source) && matches(detailType, subject.detailType);

/** Messages of @connections' refusals are not documented: only the status is relied on. */
const callbackRefusals: Readonly<Record<number, readonly [code: string, message: string]>> = {
  403: ['ForbiddenException', 'Forbidden'],
  410: ['GoneException', 'Gone'],
  429: ['LimitExceededException', 'Too Many Requests'],
};

/** Every fault that the local environment knows. Adding one is an entry here, at a point where a service asks. */
export const catalogue = {
  'function-error': define({
    point: 'invocation',
    summary: 'Invocations fail with an error of the function, which does no work',
    example: '--function fan-out --share 0.2 --for 60',
    parameters: z.strictObject({
      ...ofFunction,
      errorType: name('the name of an error').default('Error').describe('name of the error'),
      errorMessage: name('a message').default('a fault was injected').describe('its message'),
    }),
    applies: appliesToFunction,
    effect: ({ errorType, errorMessage }) => ({ error: { errorType, errorMessage } }),
  }),
  'function-latency': define({
    point: 'invocation',
    summary: "Invocations begin their work late; the delay counts towards the function's timeout",
    example: '--function message --delay-ms 1500',
    parameters: z.strictObject({ ...ofFunction, delayMs: durationMs('delay, milliseconds') }),
    applies: appliesToFunction,
    effect: ({ delayMs }) => ({ delayMs }),
  }),
  'function-crash': define({
    point: 'invocation',
    summary: 'The environment of an invocation dies once some of its calls to AWS were answered, or at once',
    example: '--function fan-out --after-calls 3 --times 1',
    parameters: z.strictObject({
      ...ofFunction,
      afterCalls: within(0, 10_000, 'answered calls').int().default(0).describe('answered calls; 0: at once'),
    }),
    applies: appliesToFunction,
    effect: ({ afterCalls }) => ({ crashAfterCalls: afterCalls }),
  }),
  'function-cold': define({
    point: 'invocation',
    summary: 'Invocations find no idle environment and start a new one, whose caches are empty',
    example: '--function authorizer',
    parameters: z.strictObject(ofFunction),
    applies: appliesToFunction,
    effect: () => ({ cold: true }),
  }),
  'store-throttle': define({
    point: 'request',
    summary: 'DynamoDB refuses requests as one that is over its throughput does, so that the SDK tries again',
    example: '--table messages --operation PutItem --share 0.5 --for 30',
    parameters: z.strictObject({
      ...ofTable,
      code: z
        .enum(['ProvisionedThroughputExceededException', 'ThrottlingException', 'RequestLimitExceeded'])
        .default('ProvisionedThroughputExceededException')
        .describe("the error's name"),
    }),
    applies: appliesToRequest('dynamodb'),
    // "Error handling with DynamoDB": status 400 for all three.
    effect: ({ code }) => ({ answer: { code, message: 'Throughput exceeds the current capacity.', status: 400 } }),
  }),
  'store-outage': define({
    point: 'request',
    summary: 'DynamoDB answers InternalServerError, cuts connections or is silent',
    example: '--answer cut --for 10',
    parameters: z.strictObject({ ...ofTable, answer }),
    applies: appliesToRequest('dynamodb'),
    effect: parameters => outage(parameters.answer, 'InternalServerError'),
  }),
  'store-latency': define({
    point: 'request',
    summary: 'DynamoDB takes longer',
    example: '--table connections --delay-ms 200 --share 0.1',
    parameters: z.strictObject({ ...ofTable, delayMs: durationMs('delay, milliseconds') }),
    applies: appliesToRequest('dynamodb'),
    effect: ({ delayMs }) => ({ delayMs }),
  }),
  'stale-reads': define({
    point: 'replication',
    summary: 'Eventually consistent reads, scans and indexes show writes late',
    example: '--table connections --lag-ms 5000',
    parameters: z.strictObject({ table: ofTable.table, lagMs: durationMs('lag, milliseconds') }),
    applies: (subject, { table }) => matches(table, subject.table),
    effect: ({ lagMs }) => ({ lagMs }),
  }),
  'queue-outage': define({
    point: 'request',
    summary: 'SQS answers InternalFailure, cuts connections or is silent',
    example: '--queue publications --answer silence --for 20',
    parameters: z.strictObject({ ...ofQueue, operation: queueOperation, answer }),
    applies: appliesToRequest('sqs'),
    // "Common error types" in the SQS API reference.
    effect: parameters => outage(parameters.answer, 'InternalFailure'),
  }),
  'queue-latency': define({
    point: 'request',
    summary: 'SQS takes longer',
    example: '--queue publications --delay-ms 300',
    parameters: z.strictObject({
      ...ofQueue,
      operation: queueOperation,
      delayMs: durationMs('delay, milliseconds'),
    }),
    applies: appliesToRequest('sqs'),
    effect: ({ delayMs }) => ({ delayMs }),
  }),
  'queue-redelivery': define({
    point: 'visibility',
    summary: 'Messages are received again while an earlier receive is still in flight: their visibility ends early',
    example: '--queue publications --hidden-ms 50 --share 0.3 --for 30',
    parameters: z.strictObject({
      ...ofQueue,
      hiddenMs: within(0, hourMs, 'milliseconds').describe('how long a message is hidden, milliseconds'),
    }),
    applies: (subject, { queue }) => matches(queue, subject.queue),
    effect: ({ hiddenMs }) => ({ hiddenMs }),
  }),
  'queue-receive-delay': define({
    point: 'receive',
    summary: 'Receives begin late, so messages lie in the queue',
    example: '--queue publications --delay-ms 2000',
    parameters: z.strictObject({ ...ofQueue, delayMs: durationMs('delay, milliseconds') }),
    applies: (subject, { queue }) => matches(queue, subject.queue),
    effect: ({ delayMs }) => ({ delayMs }),
  }),
  'aws-outage': define({
    point: 'request',
    summary: "Any of AWS's services answers InternalFailure, cuts connections or is silent",
    example: '--service sns --for 60',
    parameters: z.strictObject({ ...ofService, answer }),
    applies: (subject, { service, operation }) =>
      subject.service === service && isOperation(operation, subject.operation),
    effect: parameters => outage(parameters.answer, 'InternalFailure'),
  }),
  'aws-latency': define({
    point: 'request',
    summary: "Any of AWS's services takes longer",
    example: '--service states --delay-ms 2000',
    parameters: z.strictObject({ ...ofService, delayMs: durationMs('delay, milliseconds') }),
    applies: (subject, { service, operation }) =>
      subject.service === service && isOperation(operation, subject.operation),
    effect: ({ delayMs }) => ({ delayMs }),
  }),
  'host-outage': define({
    point: 'host',
    summary:
      "Connections that are kept open to one of AWS's APIs end at a host that fails, until their holder makes new ones",
    example: '--service dynamodb --function message',
    parameters: z.strictObject(ofHost),
    applies: appliesToHost,
    swept: 'only',
    effect: () => outage('error', 'InternalFailure'),
  }),
  'host-latency': define({
    point: 'host',
    summary:
      "Connections that are kept open to one of AWS's APIs end at a host that is slow, until their holder makes new ones",
    example: '--service execute-api --function fan-out --delay-ms 1500',
    parameters: z.strictObject({ ...ofHost, delayMs: durationMs('delay, milliseconds') }),
    applies: appliesToHost,
    swept: 'only',
    effect: ({ delayMs }) => ({ delayMs }),
  }),
  'post-loss': define({
    point: 'callback',
    summary: '@connections answers 200 to posts that are not sent (204 to closes that are not made)',
    example: '--share 0.1 --for 60',
    parameters: z.strictObject(callbacks),
    applies: appliesToCallback,
    each: ofConnections,
    effect: () => ({ lost: true }),
  }),
  'post-delay': define({
    point: 'callback',
    summary: '@connections takes longer, and what is posted arrives as late',
    example: '--delay-ms 800 --share 0.2 --of connections',
    parameters: z.strictObject({ ...callbacks, delayMs: durationMs('delay, milliseconds') }),
    applies: appliesToCallback,
    each: ofConnections,
    effect: ({ delayMs }) => ({ delayMs }),
  }),
  'post-refusal': define({
    point: 'callback',
    summary: '@connections refuses with a status, as a slow client, the quota or a failing service does',
    example: '--status 429 --share 0.3 --for 30',
    parameters: z.strictObject({
      ...callbacks,
      status: z
        .union(
          [403, 410, 429, 500, 502, 503, 504].map(status => z.literal(status)),
          { error: 'one of 403, 410, 429, 500, 502, 503, 504' },
        )
        .describe('403, 410, 429, 500, 502, 503 or 504'),
    }),
    applies: appliesToCallback,
    each: ofConnections,
    effect: ({ status }) => {
      const [code, message] = callbackRefusals[status] ?? ['InternalServerErrorException', 'Internal server error'];
      return { answer: { code, message, status } };
    },
  }),
  'post-timeout': define({
    point: 'callback',
    summary: '@connections does not answer',
    example: '--share 0.05 --of connections --for 30',
    parameters: z.strictObject(callbacks),
    applies: appliesToCallback,
    each: ofConnections,
    effect: () => ({ answer: 'silence' }),
  }),
  'socket-kill': define({
    point: 'socket',
    summary: 'Connections that are open now are closed without a close frame (1006)',
    example: '--share 0.5',
    parameters: z.strictObject({}),
    applies: () => true,
    swept: 'once',
    effect: () => ({ killed: true }),
  }),
  'socket-churn': define({
    point: 'socket',
    summary: 'Every so often, connections that are open then are closed without a close frame (1006)',
    example: '--every-ms 1000 --share 0.066 --for 120',
    parameters: z.strictObject({ everyMs: within(100, hourMs, 'milliseconds').describe('interval, milliseconds') }),
    applies: () => true,
    swept: 'only',
    everyMs: ({ everyMs }) => everyMs,
    effect: () => ({ killed: true }),
  }),
  'socket-half-open': define({
    point: 'socket',
    summary: 'Nothing gets through to and from connections that are open now; neither side is told',
    example: '--share 0.2 --for 120',
    parameters: z.strictObject({}),
    applies: () => true,
    swept: 'only',
    effect: () => ({ halfOpen: true }),
  }),
  'socket-slow': define({
    point: 'socket',
    summary: 'Clients take what was sent to them only every so often; posts to a full buffer are refused',
    example: '--every-ms 5000 --share 0.1',
    parameters: z.strictObject({ everyMs: durationMs('how often a client reads, milliseconds') }),
    applies: () => true,
    swept: 'too',
    effect: ({ everyMs }) => ({ readsEveryMs: everyMs }),
  }),
  'disconnect-loss': define({
    point: 'disconnect',
    summary: '$disconnect is not delivered, which API Gateway does not guarantee',
    example: '--share 0.5 --for 300',
    parameters: z.strictObject({}),
    applies: () => true,
    effect: () => ({ lost: true }),
  }),
  'keys-outage': define({
    point: 'keys',
    summary: "The token issuer's keys (JWKS) are not to be had; environments that have them still use them",
    example: '--answer cut --for 60',
    parameters: z.strictObject({ answer }),
    applies: () => true,
    effect: parameters => outage(parameters.answer, 'InternalFailure'),
  }),
  'keys-other': define({
    point: 'keys',
    summary: 'The token issuer answers other keys than it signs with; environments that have the right ones use them',
    example: '--for 60',
    parameters: z.strictObject({}),
    applies: () => true,
    effect: () => ({ otherKeys: true }),
  }),
  'event-loss': define({
    point: 'event',
    summary: 'Events of the bus are not delivered',
    example: '--source aws.cloudwatch --share 0.5',
    parameters: z.strictObject(ofEvents),
    applies: appliesToEvent,
    effect: () => ({ lost: true }),
  }),
  'event-duplicate': define({
    point: 'event',
    summary: 'Events of the bus are delivered twice',
    example: '--for 300',
    parameters: z.strictObject(ofEvents),
    applies: appliesToEvent,
    effect: () => ({ twice: true }),
  }),
  'event-delay': define({
    point: 'event',
    summary: 'Events of the bus are delivered late, by monitoring time',
    example: '--delay-ms 30000',
    parameters: z.strictObject({ ...ofEvents, delayMs: durationMs('delay, milliseconds') }),
    applies: appliesToEvent,
    effect: ({ delayMs }) => ({ delayMs }),
  }),
};

export type FaultName = keyof typeof catalogue;

/** What every fault can be given. */
export const commonParameters = z.strictObject({
  share: z
    .number({ error: 'a number over 0 and up to 1' })
    .gt(0, { error: 'a number over 0 and up to 1' })
    .max(1, { error: 'a number over 0 and up to 1' })
    .default(1)
    .describe('share of what it applies to, from 0 to 1'),
  seed: z
    .union([z.number().int(), z.string().max(64)], { error: 'a whole number or up to 64 characters' })
    .optional()
    .describe('makes the share fall the same way every time'),
  forSeconds: within(0.001, 86_400, 'seconds').optional().describe('ends by itself after this time, seconds'),
  times: within(1, 1e9, 'times')
    .int({ error: 'a whole number of times' })
    .optional()
    .describe('it happens so often and no more'),
});

/** A fault with its parameters, as it is injected. */
export type FaultSpec = {
  [Name in FaultName]: { readonly fault: Name } & ParametersOf<(typeof catalogue)[Name]['parameters']> &
    z.input<typeof commonParameters>;
}[FaultName];

/** Of a schema without any, zod says that there can be no property at all, common ones included. */
type ParametersOf<Schema extends z.ZodObject> = keyof Schema['shape'] extends never ? unknown : z.input<Schema>;
