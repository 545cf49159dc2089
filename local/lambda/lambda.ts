import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Place, Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import { type Authorization, AwsError, type FunctionInvoker, type Log, type Principal } from '../aws/service.ts';
import { type Clock, systemClock } from '../clock.ts';
import { AsynchronousInvocations, type EventInvokeConfig } from './asynchronous-invocations.ts';
import { functionProperties, invokeConfigProperties } from './declarations.ts';
import { FunctionLog } from './function-log.ts';
import { type FunctionReference, readFunctionPolicies } from './function-policies.ts';
import { functionArn } from './identities.ts';
import { LocalFunction } from './local-function.ts';

export interface LambdaOptions {
  readonly resources: readonly Resource[];
  readonly place: Place;
  /** Directory of an asset by its object key. */
  readonly asset: (objectKey: string) => string;
  /** Environment variables that Lambda adds: region and credentials of the role; also where AWS's endpoints are. */
  readonly runtimeVariables: (roleArn: string, functionName: string) => Readonly<Record<string, string>>;
  /** Replaces public addresses by those on this machine. */
  readonly localAddresses: (text: string) => string;
  readonly authorization: Authorization;
  /** The functions' logs go there, a file each. */
  readonly logDirectory: string;
  /** Environments of one function at once; AWS has as many as there are invocations. */
  readonly maxEnvironments: number;
  readonly log: Log;
  /** For the retries of asynchronous invocations; timeouts are real. */
  readonly clock?: Clock;
}

export interface Lambda extends FunctionInvoker {
  /**
   * Invokes without waiting for the answer, with Lambda's retries for asynchronous invocations.
   * @throws AwsError as `invoke` where the event is not accepted; `RequestTooLargeException` over 1 MB
   */
  invokeAsync(functionArn: string, event: unknown, caller: Principal): Promise<void>;
  /** ARN of the execution role. @throws AwsError `ResourceNotFoundException` */
  roleOf(functionArn: string): string;
  /** @throws AwsError `ResourceNotFoundException` */
  timeoutSeconds(functionArn: string): number;
  /**
   * Waits for the invocations under way, and those that they cause, as long as their timeouts let them run; then ends
   * every environment. Events that wait for a retry are given up.
   */
  close(): Promise<void>;
}

interface DeployedFunction {
  readonly local: LocalFunction;
  readonly log: FunctionLog;
  readonly role: string;
  readonly timeoutSeconds: number;
}

/** "Invoke" in the Lambda API reference: 1 MB for an asynchronous invocation. */
const maxAsynchronousPayloadBytes = 1024 * 1024;

/**
 * Runs the functions of the template from the bundles of the cloud assembly.
 * @throws TemplateError that names stack, logical id and property of what cannot run here
 */
export function startLambda(options: LambdaOptions): Lambda {
  const { resources, place, authorization, log, clock = systemClock } = options;
  /** The ARN without `$LATEST`, which is the only version that is run. */
  const unqualified = (reference: string) =>
    (reference.startsWith('arn:') ? reference : functionArn(reference, place)).replace(/:\$LATEST$/, '');
  const declarations = declared(resources, 'AWS::Lambda::Function', functionProperties);
  const arns = new Set(declarations.map(({ resource }) => functionArn(resource.physicalId, place)));
  const arnOf: FunctionReference = (resource, reference) => {
    const arn = unqualified(reference);
    if (arns.has(arn)) return arn;
    throw propertyError(resource, 'FunctionName', `${reference} is not a function of the template`);
  };
  const policies = readFunctionPolicies(resources, arnOf);
  const configs = readInvokeConfigs(resources, arnOf);

  mkdirSync(options.logDirectory, { recursive: true });
  const functions = new Map(
    declarations.map(({ resource, properties }): [string, DeployedFunction] => {
      const { Code, Handler, Role, Timeout, MemorySize, Environment, ReservedConcurrentExecutions } = properties;
      const name = resource.physicalId;
      const arn = functionArn(name, place);
      const dot = Handler.lastIndexOf('.');
      const variables = Object.entries(Environment?.Variables ?? {});
      const functionLog = new FunctionLog(name, join(options.logDirectory, `${name}.log`), log);
      const definition = {
        name,
        arn,
        path: join(options.asset(Code.S3Key), `${Handler.slice(0, dot)}.js`),
        exportName: Handler.slice(dot + 1),
        memoryMegabytes: MemorySize,
        timeoutSeconds: Timeout,
        reservedConcurrency: ReservedConcurrentExecutions,
        variables: () => ({
          ...Object.fromEntries(variables.map(([key, value]) => [key, options.localAddresses(value)])),
          ...options.runtimeVariables(Role, name),
          AWS_LAMBDA_FUNCTION_NAME: name,
          AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(MemorySize),
          AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
        }),
        log: functionLog,
      };
      const local = new LocalFunction(definition, options.maxEnvironments);
      return [arn, { local, log: functionLog, role: Role, timeoutSeconds: Timeout }];
    }),
  );

  const find = (arn: string): DeployedFunction => {
    const found = functions.get(unqualified(arn));
    if (!found) throw new AwsError('ResourceNotFoundException', `Function not found: ${arn}`, 404);
    return found;
  };
  const authorize = async (arn: string, principal: Principal) => {
    // Lambda's own event source mappings need the function's role for the queue, and nothing for the function.
    if (principal.kind === 'service' && principal.service === 'lambda.amazonaws.com') return;
    const resourcePolicy = policies.get(unqualified(arn));
    await authorization.authorize({
      principal,
      action: 'lambda:InvokeFunction',
      resource: unqualified(arn),
      ...(resourcePolicy && { resourcePolicy }),
    });
  };

  /** Invocations that were accepted, those that wait for an environment included. */
  const underWay = new Set<Promise<unknown>>();
  let closed: Promise<void> | undefined;
  let open = true;
  function track<Result>(work: () => Promise<Result>): Promise<Result> {
    if (!open) throw new AwsError('ServiceException', 'the local environment is closed', 503);
    const tracked = work().finally(() => underWay.delete(tracked));
    underWay.add(tracked);
    return tracked;
  }
  const events = new AsynchronousInvocations((arn, event) => track(() => find(arn).local.invoke(event)), {
    clock,
    log,
  });

  async function shutDown(): Promise<void> {
    events.close();
    // One can cause another: a function that publishes to a topic with a function subscribed.
    while (underWay.size > 0) await Promise.allSettled(underWay);
    open = false;
    await Promise.all([...functions.values()].map(({ local }) => local.close()));
    await Promise.all([...functions.values()].map(each => each.log.close()));
  }

  return {
    async invoke(arn, event, caller) {
      const { local } = find(arn);
      return track(async () => {
        await authorize(arn, caller);
        return local.invoke(event);
      });
    },
    async invokeAsync(arn, event, caller) {
      find(arn);
      if (Buffer.byteLength(JSON.stringify(event) ?? 'null') > maxAsynchronousPayloadBytes) {
        const message = `the event is larger than ${maxAsynchronousPayloadBytes} bytes`;
        throw new AwsError('RequestTooLargeException', message, 413);
      }
      await track(async () => {
        await authorize(arn, caller);
        events.accept(arn, event, configs.get(unqualified(arn)));
      });
    },
    roleOf: arn => find(arn).role,
    timeoutSeconds: arn => find(arn).timeoutSeconds,
    close: () => (closed ??= shutDown()),
  };
}

function readInvokeConfigs(
  resources: readonly Resource[],
  arnOf: FunctionReference,
): ReadonlyMap<string, EventInvokeConfig> {
  return new Map(
    declared(resources, 'AWS::Lambda::EventInvokeConfig', invokeConfigProperties).map(({ resource, properties }) => {
      const { FunctionName, MaximumRetryAttempts, MaximumEventAgeInSeconds } = properties;
      const arn = arnOf(resource, FunctionName);
      return [arn, { maximumRetryAttempts: MaximumRetryAttempts, maximumEventAgeSeconds: MaximumEventAgeInSeconds }];
    }),
  );
}
