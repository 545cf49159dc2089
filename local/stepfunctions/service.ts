import { randomUUID } from 'node:crypto';
import type { Place, Resource } from '../assembly/resource.ts';
import {
  type Authorization,
  type AwsCall,
  AwsError,
  type AwsReply,
  type AwsService,
  type Log,
  type Principal,
} from '../aws/service.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Credentials } from '../iam/credentials.ts';
import type { Lambda } from '../lambda/lambda.ts';
import type { MonitoringClock } from '../monitoring-clock.ts';
import type { Sns } from '../sns/service.ts';
import type { EventBus } from './event-bus.ts';
import { Execution } from './execution.ts';
import { type EndedExecution, Integrations, type StartedExecution } from './integrations.ts';
import { maxPayloadBytes } from './payload.ts';
import { type ActionName, parseRequest, type Request, requests } from './requests.ts';
import { createSdkCalls, type SdkCalls } from './sdk-calls.ts';
import { preparedDefinition, readStateMachines, type StateMachine } from './state-machines.ts';
import { TaskTokens } from './task-tokens.ts';

export interface StepFunctionsOptions {
  /** All resources of the template; those of other types are left alone. */
  readonly resources: readonly Resource[];
  readonly place: Place;
  readonly authorization: Authorization;
  /** Keys of a state machine's role, for its calls. */
  readonly forRole: Credentials['forRole'];
  /** Where AWS's APIs are served. Read at the first call. */
  readonly endpoint: () => string;
  readonly lambda: Pick<Lambda, 'invoke' | 'invokeAsync'>;
  readonly sns: Pick<Sns, 'publish'>;
  readonly events: EventBus;
  /** Waits, retries, and timeouts of what waits. */
  readonly clock: MonitoringClock;
  readonly realClock?: Clock;
  readonly log: Log;
  /** For tests. */
  readonly maxHistoryEvents?: number;
}

export interface StepFunctions extends AwsService {
  /**
   * Starts an execution as the API does; a name that is in use with the same input gives the running one.
   * @param input JSON text
   * @throws AwsError `StateMachineDoesNotExist`, `AccessDeniedException`, `InvalidName`, `InvalidExecutionInput`,
   * `ExecutionAlreadyExists`
   */
  startExecution(
    stateMachineArn: string,
    input: string,
    name: string | undefined,
    principal: Principal,
  ): Promise<StartedExecution>;
  /** Stops every execution; they are not taken up again at the next start, which the log tells. */
  close(): Promise<void>;
}

/** Executions that have ended are kept for 90 days on AWS; here the newest, as long as the environment runs. */
const maxKeptExecutions = 5_000;
/** "StartExecution": what a name must not hold. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
const forbiddenInNames = /[\s<>{}[\]?*"#%\\^|~`$&,;:/\u0000-\u001f\u007f-\u009f\ufffe\uffff]/;
const maxNameLength = 80;
const defaultPageSize = 100;

/**
 * Starts the state machines of the template.
 * @throws TemplateError that names stack, logical id, state and resource of what cannot be run here
 */
export async function startStepFunctions(options: StepFunctionsOptions): Promise<StepFunctions> {
  const sdk = createSdkCalls({ endpoint: options.endpoint, region: options.place.region });
  const service = new StepFunctionsService(options, sdk);
  await service.read();
  return service;
}

class StepFunctionsService implements StepFunctions {
  readonly #options: StepFunctionsOptions;
  readonly #sdk: SdkCalls;
  readonly #integrations: Integrations;
  readonly #tokens = new TaskTokens();
  /** By ARN, the oldest first. */
  readonly #executions = new Map<string, Execution>();
  #machines = new Map<string, StateMachine>();
  #isClosed = false;

  constructor(options: StepFunctionsOptions, sdk: SdkCalls) {
    this.#options = options;
    this.#sdk = sdk;
    this.#integrations = new Integrations({
      lambda: options.lambda,
      sns: options.sns,
      events: options.events,
      sdk,
      executions: {
        start: (machine, input, name, principal) => this.startExecution(machine, input, name, principal),
        ended: (arn, principal, signal) => this.#ended(arn, principal, signal),
      },
    });
  }

  async read(): Promise<void> {
    const { resources, place, authorization } = this.#options;
    this.#machines = new Map(
      await readStateMachines(resources, { place, authorization, integrations: this.#integrations }),
    );
  }

  async handle({ principal, headers, body }: AwsCall): Promise<AwsReply> {
    const [, action = ''] = String(headers['x-amz-target'] ?? '').split('.');
    if (!Object.hasOwn(requests, action))
      throw new AwsError(
        'UnknownOperationException',
        `The local environment does not run the Step Functions action ${action}.`,
      );
    const answer = await this.#dispatch(action as ActionName, body, principal);
    return {
      status: 200,
      headers: { 'content-type': 'application/x-amz-json-1.0' },
      body: JSON.stringify(answer),
    };
  }

  async startExecution(
    stateMachineArn: string,
    input: string,
    name: string | undefined,
    principal: Principal,
  ): Promise<StartedExecution> {
    await this.#authorize(principal, 'StartExecution', stateMachineArn);
    const machine = this.#machine(stateMachineArn);
    if (this.#isClosed) throw new AwsError('InternalFailure', 'the local environment is closed', 500);
    if (name !== undefined && (name.length === 0 || name.length > maxNameLength || forbiddenInNames.test(name)))
      throw new AwsError('InvalidName', `Invalid Name: '${name}'`);
    checkInput(input);
    const { place, clock, realClock = systemClock, forRole, log, maxHistoryEvents } = this.#options;
    const executionName = name ?? randomUUID();
    const arn = `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${executionName}`;
    const earlier = this.#executions.get(arn);
    if (earlier) {
      // "StartExecution is idempotent for STANDARD workflows": the same name and input of one that runs.
      if (earlier.status === 'RUNNING' && earlier.input === input) return started(earlier);
      throw new AwsError('ExecutionAlreadyExists', `Execution Already Exists: '${arn}'`);
    }
    const keys = forRole(machine.roleArn, machine.name);
    const execution = new Execution({
      machine,
      arn,
      name: executionName,
      input,
      clock,
      realClock,
      tokens: this.#tokens,
      integration: this.#integrations.get,
      caller: { principal: { kind: 'role', arn: sessionArn(machine) }, keys },
      region: place.region,
      log,
      onStatus: each => this.#tell(each),
      ...(maxHistoryEvents !== undefined && { maxHistoryEvents }),
    });
    this.#executions.set(arn, execution);
    this.#forget();
    return started(execution);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const running = [...this.#executions.values()].filter(({ status }) => status === 'RUNNING');
    if (running.length > 0)
      this.#options.log('warn', 'states', 'executions end with the local environment and are not taken up again', {
        executions: running.map(({ machine, name }) => `${machine.name}:${name}`),
      });
    for (const execution of running) execution.stop('States.Local', 'the local environment was closed');
    await Promise.all(running.map(({ done }) => done));
    this.#sdk.close();
  }

  async #dispatch(action: ActionName, body: Buffer, principal: Principal): Promise<object> {
    switch (action) {
      case 'StartExecution': {
        const { stateMachineArn, input, name } = parseRequest(action, body);
        const { executionArn, startDate } = await this.startExecution(stateMachineArn, input, name, principal);
        return { executionArn, startDate: startDate / 1000 };
      }
      case 'DescribeExecution':
        return description(await this.#execution(principal, action, parseRequest(action, body).executionArn));
      case 'ListExecutions':
        return this.#list(parseRequest(action, body), principal);
      case 'StopExecution': {
        const { executionArn, error, cause } = parseRequest(action, body);
        const execution = await this.#execution(principal, action, executionArn);
        execution.stop(error, cause);
        await execution.done;
        return { stopDate: (execution.stopDate ?? 0) / 1000 };
      }
      case 'GetExecutionHistory':
        return this.#history(parseRequest(action, body), principal);
      // "Actions, resources, and condition keys for AWS Step Functions": callbacks have no resource but all.
      case 'SendTaskSuccess': {
        const { taskToken, output } = parseRequest(action, body);
        await this.#authorize(principal, action, '*');
        this.#tokens.succeed(taskToken, output);
        return {};
      }
      case 'SendTaskFailure': {
        const { taskToken, error, cause } = parseRequest(action, body);
        await this.#authorize(principal, action, '*');
        this.#tokens.fail(taskToken, error, cause);
        return {};
      }
      case 'SendTaskHeartbeat': {
        const { taskToken } = parseRequest(action, body);
        await this.#authorize(principal, action, '*');
        this.#tokens.heartbeat(taskToken);
        return {};
      }
      case 'DescribeStateMachine': {
        const { stateMachineArn } = parseRequest(action, body);
        await this.#authorize(principal, action, stateMachineArn);
        const { text, roleArn, ...machine } = this.#machine(stateMachineArn);
        return { ...summary(machine), status: 'ACTIVE', definition: text, roleArn };
      }
      case 'UpdateStateMachine': {
        const { stateMachineArn, definition: text } = parseRequest(action, body);
        await this.#authorize(principal, action, stateMachineArn);
        const machine = this.#machine(stateMachineArn);
        const definition = await preparedDefinition(text, this.#integrations).catch((error: Error) => {
          throw new AwsError('InvalidDefinition', `Invalid State Machine Definition: ${error.message}`);
        });
        // "Running executions will continue to use the previous definition": they hold the machine as it was.
        this.#machines.set(stateMachineArn, { ...machine, text, definition });
        return { updateDate: this.#options.clock.now() / 1000 };
      }
      case 'ListStateMachines': {
        await this.#authorize(principal, action, '*');
        const { items, nextToken } = pageOf([...this.#machines.values()], parseRequest(action, body));
        return { stateMachines: items.map(summary), nextToken };
      }
    }
  }

  async #list(
    { stateMachineArn, statusFilter, ...page }: Request<'ListExecutions'>,
    principal: Principal,
  ): Promise<object> {
    await this.#authorize(principal, 'ListExecutions', stateMachineArn);
    this.#machine(stateMachineArn);
    // "sorted by time, with the most recent execution first"
    const executions = [...this.#executions.values()]
      .filter(({ machine, status }) => machine.arn === stateMachineArn && (statusFilter ?? status) === status)
      .reverse();
    const { items, nextToken } = pageOf(executions, page);
    return {
      executions: items.map(({ arn, name, machine, status, startDate, stopDate }) => ({
        executionArn: arn,
        name,
        stateMachineArn: machine.arn,
        status,
        startDate: startDate / 1000,
        ...(stopDate !== undefined && { stopDate: stopDate / 1000 }),
      })),
      nextToken,
    };
  }

  async #history(
    { executionArn, reverseOrder, ...page }: Request<'GetExecutionHistory'>,
    principal: Principal,
  ): Promise<object> {
    const { history } = await this.#execution(principal, 'GetExecutionHistory', executionArn);
    const { items, nextToken } = pageOf(reverseOrder ? history.events.toReversed() : history.events, page);
    return {
      events: items.map(({ details, timestamp, ...event }) => ({ ...event, timestamp: timestamp / 1000, ...details })),
      nextToken,
    };
  }

  /** Waits for an execution that another one started. */
  async #ended(executionArn: string, principal: Principal, signal: AbortSignal): Promise<EndedExecution> {
    const execution = await this.#execution(principal, 'DescribeExecution', executionArn);
    const stop = () => {
      // "a best-effort attempt to cancel the task": with the role's permission.
      this.#authorize(principal, 'StopExecution', executionArn).then(
        () => execution.stop('States.Parent', 'the execution that started it has ended'),
        error => this.#options.log('warn', 'states', error.message, { execution: executionArn }),
      );
    };
    signal.addEventListener('abort', stop, { once: true });
    await execution.done;
    signal.removeEventListener('abort', stop);
    return description(execution);
  }

  #machine(arn: string): StateMachine {
    const machine = this.#machines.get(arn);
    if (!machine) throw new AwsError('StateMachineDoesNotExist', `State Machine Does Not Exist: '${arn}'`);
    return machine;
  }

  async #execution(principal: Principal, action: string, arn: string): Promise<Execution> {
    await this.#authorize(principal, action, arn);
    const execution = this.#executions.get(arn);
    if (!execution) throw new AwsError('ExecutionDoesNotExist', `Execution Does Not Exist: '${arn}'`);
    return execution;
  }

  #authorize(principal: Principal, action: string, resource: string): Promise<void> {
    return this.#options.authorization.authorize({ principal, action: `states:${action}`, resource });
  }

  /** "Automating event delivery": Step Functions Execution Status Change. */
  #tell(execution: Execution): void {
    const { arn, machine, name, status, input, output, startDate, stopDate, error, errorCause } = execution;
    this.#options.events.putEvent({
      source: 'aws.states',
      'detail-type': 'Step Functions Execution Status Change',
      resources: [arn],
      time: stopDate ?? startDate,
      detail: {
        executionArn: arn,
        stateMachineArn: machine.arn,
        name,
        status,
        startDate,
        stopDate: stopDate ?? null,
        input,
        inputDetails: { included: true },
        output: output ?? null,
        outputDetails: output === undefined ? null : { included: true },
        error: error ?? null,
        cause: errorCause ?? null,
      },
    });
  }

  #forget(): void {
    if (this.#executions.size <= maxKeptExecutions) return;
    for (const [arn, { status }] of this.#executions) {
      if (status === 'RUNNING') continue;
      this.#executions.delete(arn);
      return;
    }
  }
}

const started = ({ arn, startDate }: Execution): StartedExecution => ({ executionArn: arn, startDate });

/** The session of the role that an execution's calls are made in. */
function sessionArn({ roleArn, name }: StateMachine): string {
  const [arn, partition, , , account] = roleArn.split(':');
  return `${arn}:${partition}:sts::${account}:assumed-role/${roleArn.slice(roleArn.lastIndexOf('/') + 1)}/${name}`;
}

function checkInput(input: string): void {
  if (Buffer.byteLength(input) > maxPayloadBytes)
    throw new AwsError('InvalidExecutionInput', `The input is longer than ${maxPayloadBytes} bytes`);
  try {
    JSON.parse(input);
  } catch {
    throw new AwsError('InvalidExecutionInput', 'Invalid State Machine Execution Input: it is not JSON');
  }
}

function description(execution: Execution): EndedExecution {
  const { arn, machine, name, status, input, output, startDate, stopDate, error, errorCause } = execution;
  return {
    executionArn: arn,
    stateMachineArn: machine.arn,
    name,
    status,
    startDate: startDate / 1000,
    ...(stopDate !== undefined && { stopDate: stopDate / 1000 }),
    input,
    inputDetails: { included: true },
    ...(output !== undefined && { output, outputDetails: { included: true } }),
    ...(error !== undefined && { error }),
    ...(errorCause !== undefined && { cause: errorCause }),
  };
}

const summary = ({ arn, name }: Pick<StateMachine, 'arn' | 'name'>) => ({
  stateMachineArn: arn,
  name,
  type: 'STANDARD',
  // The template's machines are as old as the environment; nothing asks for more.
  creationDate: 0,
});

function pageOf<Item>(
  items: readonly Item[],
  { maxResults, nextToken }: { maxResults: number; nextToken?: string | undefined },
): { items: readonly Item[]; nextToken: string | undefined } {
  const from = nextToken === undefined ? 0 : Number(nextToken);
  if (!Number.isInteger(from)) throw new AwsError('InvalidToken', `Invalid Token: '${nextToken}'`);
  const to = from + (maxResults || defaultPageSize);
  return { items: items.slice(from, to), nextToken: to < items.length ? String(to) : undefined };
}
