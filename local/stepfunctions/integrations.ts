import { AwsError, type Principal } from '../aws/service.ts';
import type { KeyPair } from '../iam/credentials.ts';
import type { Lambda } from '../lambda/lambda.ts';
import type { Sns } from '../sns/service.ts';
import type { EventBus } from './event-bus.ts';
import type { SdkCalls } from './sdk-calls.ts';
import { runtimeError, StateError } from './state-error.ts';

/** Who makes the calls of an execution. */
export interface Caller {
  /** A session of the state machine's role. */
  readonly principal: Principal;
  readonly keys: KeyPair;
}

/** What a Task state's `Resource` names. */
export interface Integration {
  /** `lambda`, `aws-sdk:dynamodb` and `invoke`, `query.waitForTaskToken` as the history tells them. */
  readonly service: string;
  readonly action: string;
  /** What ends the task: the answer of the call, the end of the execution that it starts, or a callback. */
  readonly pattern: 'requestResponse' | 'sync' | 'waitForTaskToken';
  /** @throws StateError */
  call(parameters: unknown, caller: Caller, signal: AbortSignal): Promise<unknown>;
}

/** An execution that another one started. */
export interface StartedExecution {
  readonly executionArn: string;
  /** Epoch milliseconds. */
  readonly startDate: number;
}

/** Executions as another execution deals with them. */
export interface Executions {
  start(
    stateMachineArn: string,
    input: string,
    name: string | undefined,
    principal: Principal,
  ): Promise<StartedExecution>;
  /** Resolves with DescribeExecution's answer once the execution has ended; stops it where the signal is aborted. */
  ended(executionArn: string, principal: Principal, signal: AbortSignal): Promise<EndedExecution>;
}

export interface EndedExecution {
  readonly status: string;
  readonly output?: string | undefined;
  readonly [member: string]: unknown;
}

export interface IntegrationOptions {
  readonly lambda: Pick<Lambda, 'invoke' | 'invokeAsync'>;
  readonly sns: Pick<Sns, 'publish'>;
  readonly events: EventBus;
  readonly executions: Executions;
  readonly sdk: SdkCalls;
}

type Parameters = Readonly<Record<string, unknown>>;
/** @param suffix what follows the action in the resource: `sync:2`, or empty */
type Call = (parameters: Parameters, caller: Caller, signal: AbortSignal, suffix: string) => Promise<unknown>;

interface Optimized {
  readonly patterns: readonly string[];
  /** What a name of an error begins with, and what an error without a name of its own is called. */
  readonly errors: readonly [prefix: string, other: string];
  /** Parameters that are honoured; undefined where the SDK's command decides. */
  readonly parameters?: readonly string[];
  readonly call: Call;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** `arn:aws:states:::lambda:invoke`, `…:states:startExecution.sync:2`, `…:aws-sdk:dynamodb:query` */
const resourcePattern = /^arn:aws:states:::((?:aws-sdk:)?[a-z0-9]+):([a-zA-Z]+)(?:\.(sync:2|sync|waitForTaskToken))?$/;

/** The integrations that definitions can name. */
export class Integrations {
  readonly #options: IntegrationOptions;
  readonly #optimized: Readonly<Record<string, Optimized>>;
  readonly #resolved = new Map<string, Integration>();

  constructor(options: IntegrationOptions) {
    this.#options = options;
    this.#optimized = optimizedIntegrations(options);
  }

  /** One that `prepare` has found. */
  readonly get = (resource: string): Integration => {
    const integration = this.#resolved.get(resource);
    if (!integration) throw runtimeError(`${resource} was not prepared`);
    return integration;
  };

  /** @throws Error where the resource, or one of the parameters, is not run here */
  async prepare(resource: string, parameters: unknown): Promise<void> {
    const integration = this.#resolved.get(resource) ?? (await this.#find(resource));
    const known = this.#optimized[integrationKey(resource)]?.parameters;
    for (const key of Object.keys((parameters ?? {}) as object))
      if (known && !known.includes(key.replace(/\.\$$/, '')))
        throw new Error(`the local environment does not run the parameter ${key} of ${resource}`);
    this.#resolved.set(resource, integration);
  }

  async #find(resource: string): Promise<Integration> {
    const { lambda } = this.#options;
    if (/^arn:aws:lambda:[^:]+:\d+:function:/.test(resource))
      return {
        service: 'lambda',
        action: 'invoke',
        pattern: 'requestResponse',
        call: (input, { principal }) =>
          named(['Lambda', 'AWSLambdaException'], () => invoke(lambda, resource, input, principal)),
      };
    const [, service = '', action = '', suffix = ''] = resourcePattern.exec(resource) ?? [];
    const pattern = suffix === 'waitForTaskToken' ? suffix : suffix === '' ? 'requestResponse' : 'sync';
    const ending = suffix === '' ? '' : `.${suffix}`;
    const optimized = this.#optimized[integrationKey(resource)];
    if (optimized?.patterns.includes(suffix)) {
      const call: Integration['call'] = (parameters, caller, signal) =>
        named(optimized.errors, () => optimized.call(parametersOf(parameters), caller, signal, suffix));
      return { service, action: `${action}${ending}`, pattern, call };
    }
    // "Using AWS SDK service integrations": a request, or one that waits for its callback.
    if (service.startsWith('aws-sdk:') && pattern !== 'sync') {
      const command = await this.#options.sdk.command(service.slice('aws-sdk:'.length), action);
      return {
        service,
        action: `${action}${ending}`,
        pattern,
        call: (parameters, { keys }) => command(parametersOf(parameters), keys),
      };
    }
    const known = Object.entries(this.#optimized).flatMap(([key, { patterns }]) =>
      patterns.map(each => `${key}${each && `.${each}`}`),
    );
    throw new Error(
      `${resource} cannot be run on this machine. Can be run: functions' ARNs, arn:aws:states:::{${known.join(', ')}} ` +
        `and aws-sdk:{${this.#options.sdk.services.join(', ')}}`,
    );
  }
}

const integrationKey = (resource: string): string => {
  const [, service = '', action = ''] = resourcePattern.exec(resource) ?? [];
  return `${service}:${action}`;
};

function parametersOf(value: unknown): Parameters {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw runtimeError(`The parameters of a service integration must be an object, not ${JSON.stringify(value)}`);
  return value as Parameters;
}

/** Names the errors of AWS as Step Functions does: service and name, or the service's own for those without. */
async function named<Result>([prefix, other]: readonly [string, string], call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    const name = error.code === 'AccessDeniedException' ? other : javaException(error.code);
    throw new StateError(
      `${prefix}.${name}`,
      `${error.message} (Service: ${prefix}; Status Code: ${error.status}; Error Code: ${error.code})`,
    );
  }
}

/** Step Functions calls errors as the AWS SDK for Java does: `ResourceNotFound` is its `ResourceNotFoundException`. */
export function javaException(code: string): string {
  return code.endsWith('Exception') ? code : `${code.replace(/Fault$/, '')}Exception`;
}

/** @throws StateError named by the function's error, with what the function told as its cause */
async function invoke(
  lambda: IntegrationOptions['lambda'],
  functionArn: string,
  payload: unknown,
  principal: Principal,
): Promise<unknown> {
  const result = await lambda.invoke(functionArn, payload, principal);
  if (result.ok) return result.payload;
  const { errorType, errorMessage } = result;
  throw new StateError(errorType, JSON.stringify({ errorMessage, errorType }));
}

function optimizedIntegrations({
  lambda,
  sns,
  events,
  executions,
  sdk,
}: IntegrationOptions): Readonly<Record<string, Optimized>> {
  const dynamodb = (action: string): Optimized => ({
    patterns: [''],
    errors: ['DynamoDB', 'AmazonDynamoDBException'],
    call: async (parameters, { keys }) =>
      (await sdk.command('dynamodb', action, ['DynamoDB', 'AmazonDynamoDBException']))(parameters, keys),
  });
  return {
    'lambda:invoke': {
      patterns: ['', 'waitForTaskToken'],
      errors: ['Lambda', 'AWSLambdaException'],
      parameters: ['FunctionName', 'Payload', 'Qualifier', 'InvocationType'],
      call: async ({ FunctionName, Payload, Qualifier, InvocationType = 'RequestResponse' }, { principal }) => {
        const reference = `${FunctionName}${Qualifier === undefined ? '' : `:${Qualifier}`}`;
        if (InvocationType === 'Event') {
          await lambda.invokeAsync(reference, Payload ?? {}, principal);
          return { StatusCode: 202 };
        }
        const payload = await invoke(lambda, reference, Payload ?? {}, principal);
        return { ExecutedVersion: '$LATEST', Payload: payload, StatusCode: 200 };
      },
    },
    'dynamodb:getItem': dynamodb('getItem'),
    'dynamodb:putItem': dynamodb('putItem'),
    'dynamodb:updateItem': dynamodb('updateItem'),
    'dynamodb:deleteItem': dynamodb('deleteItem'),
    'sqs:sendMessage': {
      patterns: ['', 'waitForTaskToken'],
      errors: ['SQS', 'AmazonSQSException'],
      call: async ({ MessageBody, ...parameters }, { keys }) =>
        (await sdk.command('sqs', 'sendMessage', ['SQS', 'AmazonSQSException']))(
          { ...parameters, MessageBody: text(MessageBody) },
          keys,
        ),
    },
    'sns:publish': {
      patterns: ['', 'waitForTaskToken'],
      errors: ['SNS', 'AmazonSNSException'],
      parameters: ['TopicArn', 'Message', 'Subject', 'MessageAttributes'],
      call: async ({ TopicArn, Message, Subject, MessageAttributes = {} }, { principal }) => {
        const given = Object.entries(MessageAttributes as Record<string, { DataType: string; StringValue: string }>);
        const attributes = Object.fromEntries(
          given.map(([name, { DataType, StringValue }]) => [name, { Type: DataType, Value: StringValue }]),
        );
        const subject = Subject === undefined ? undefined : String(Subject);
        const { messageId } = await sns.publish(
          String(TopicArn),
          { message: text(Message), subject, attributes },
          principal,
        );
        return { MessageId: messageId };
      },
    },
    'events:putEvents': {
      patterns: ['', 'waitForTaskToken'],
      errors: ['EventBridge', 'EventBridgeException'],
      parameters: ['Entries'],
      call: async ({ Entries }, { principal }) => {
        const entries = (Entries as Parameters[]).map(({ Detail, ...entry }) => ({ ...entry, Detail: text(Detail) }));
        const answer = await events.putEvents(entries, principal);
        // "Add EventBridge events with Step Functions": a failed entry fails the task.
        if (answer.FailedEntryCount > 0) throw new StateError('EventBridge.FailedEntry', JSON.stringify(answer));
        return answer;
      },
    },
    'states:startExecution': {
      patterns: ['', 'sync', 'sync:2', 'waitForTaskToken'],
      errors: ['StepFunctions', 'AWSStepFunctionsException'],
      parameters: ['StateMachineArn', 'Input', 'Name'],
      call: async ({ StateMachineArn, Input = {}, Name }, { principal }, signal, suffix) => {
        const name = Name === undefined ? undefined : String(Name);
        const { executionArn, startDate } = await executions.start(
          String(StateMachineArn),
          text(Input),
          name,
          principal,
        );
        if (!suffix.startsWith('sync')) return { ExecutionArn: executionArn, StartDate: startDate / 1000 };
        const ended = await executions.ended(executionArn, principal, signal);
        const description = Object.fromEntries(
          Object.entries(ended).map(([key, value]) => [`${key.charAt(0).toUpperCase()}${key.slice(1)}`, value]),
        );
        if (ended.status !== 'SUCCEEDED') throw new StateError('States.TaskFailed', JSON.stringify(description));
        // "Start a new execution from a running execution": .sync gives the output as a string, .sync:2 as JSON.
        if (suffix === 'sync:2' && ended.output !== undefined) description.Output = JSON.parse(ended.output);
        return description;
      },
    },
  };
}
