import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Place, Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import { type Authorization, AwsError, type FunctionInvoker, type Log, type Principal } from '../aws/service.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { MetricSink } from '../cloudwatch/metric.ts';
import type { FaultSource } from '../faults/points.ts';
import { AsynchronousInvocations, type EventInvokeConfig } from './asynchronous-invocations.ts';
import { aliasProperties, functionProperties, invokeConfigProperties, versionProperties } from './declarations.ts';
import { DeployedFunction } from './deployed-function.ts';
import { FunctionLog } from './function-log.ts';
import { FunctionMetrics } from './function-metrics.ts';
import { type FunctionReference, readFunctionPolicies } from './function-policies.ts';
import { functionArn } from './identities.ts';

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
  readonly faults?: FaultSource;
  /** Takes what the functions write to their logs, line by line. */
  readonly onLogLine?: (functionName: string, line: string) => void;
  readonly metrics?: MetricSink;
  /** What releases are dated by, epoch milliseconds; the present where it is not given. */
  readonly releaseTime?: () => number;
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
  /** A function by its name or ARN, with its versions and aliases. @throws AwsError `ResourceNotFoundException` */
  deployed(functionArn: string): DeployedFunction;
  /**
   * Waits for the invocations under way, and those that they cause, as long as their timeouts let them run; then ends
   * every environment. Events that wait for a retry are given up.
   */
  close(): Promise<void>;
}

/** "Invoke" in the Lambda API reference: 1 MB for an asynchronous invocation. */
const maxAsynchronousPayloadBytes = 1024 * 1024;

/**
 * Runs the functions of the template from the bundles of the cloud assembly.
 * @throws TemplateError that names stack, logical id and property of what cannot run here
 */
export function startLambda(options: LambdaOptions): Lambda {
  const { resources, place, authorization, log, clock = systemClock } = options;
  /** The ARN with its version or alias, but without `$LATEST`. */
  const qualified = (reference: string) =>
    (reference.startsWith('arn:') ? reference : functionArn(reference, place)).replace(/:\$LATEST$/, '');
  const declarations = declared(resources, 'AWS::Lambda::Function', functionProperties);
  const releases = resources.filter(({ type }) => type === 'AWS::Lambda::Version' || type === 'AWS::Lambda::Alias');
  const arns = new Set([
    ...declarations.map(({ resource }) => functionArn(resource.physicalId, place)),
    ...releases.map(({ physicalId }) => physicalId),
  ]);
  const arnOf: FunctionReference = (resource, reference, property = 'FunctionName') => {
    const arn = qualified(reference);
    if (arns.has(arn)) return arn;
    throw propertyError(resource, property, `${reference} is not a function, version or alias of the template`);
  };
  const policies = readFunctionPolicies(resources, arnOf);
  const configs = readInvokeConfigs(resources, arnOf);

  mkdirSync(options.logDirectory, { recursive: true });
  const functions = new Map(
    declarations.map(({ resource, properties }): [string, DeployedFunction] => {
      const { Code, Handler, Role, Timeout, MemorySize, Environment, ReservedConcurrentExecutions } = properties;
      const name = resource.physicalId;
      const arn = functionArn(name, place);
      const variables = Object.entries(Environment?.Variables ?? {});
      const functionLog = new FunctionLog(name, join(options.logDirectory, `${name}.log`), log, line =>
        options.onLogLine?.(name, line),
      );
      const deployed = new DeployedFunction({
        name,
        arn,
        role: Role,
        handler: Handler,
        directory: options.asset(Code.S3Key),
        definition: version => ({
          name,
          arn,
          memoryMegabytes: MemorySize,
          timeoutSeconds: Timeout,
          reservedConcurrency: ReservedConcurrentExecutions,
          variables: () => ({
            ...Object.fromEntries(variables.map(([key, value]) => [key, options.localAddresses(value)])),
            ...options.runtimeVariables(Role, name),
            AWS_LAMBDA_FUNCTION_NAME: name,
            AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(MemorySize),
            AWS_LAMBDA_FUNCTION_VERSION: version,
          }),
          log: functionLog,
          ...(options.metrics && { metrics: new FunctionMetrics(options.metrics, name) }),
        }),
        maxEnvironments: options.maxEnvironments,
        faults: options.faults,
        log: functionLog,
        now: options.releaseTime ?? Date.now,
      });
      return [arn, deployed];
    }),
  );
  publishReleases(resources, reference => functions.get(qualified(reference).split(':').slice(0, 7).join(':')));

  const deployed = (reference: string): DeployedFunction => {
    const found = functions.get(qualified(reference).split(':').slice(0, 7).join(':'));
    if (!found) throw new AwsError('ResourceNotFoundException', `Function not found: ${reference}`, 404);
    return found;
  };
  /** The code that a name or ARN, with or without version or alias, stands for now. */
  const find = (reference: string) => {
    const [, , , , , , , qualifier] = qualified(reference).split(':');
    return deployed(reference).version(qualifier).local;
  };
  const authorize = async (arn: string, principal: Principal) => {
    // Lambda's own event source mappings need the function's role for the queue, and nothing for the function.
    if (principal.kind === 'service' && principal.service === 'lambda.amazonaws.com') return;
    const resourcePolicy = policies.get(qualified(arn));
    await authorization.authorize({
      principal,
      action: 'lambda:InvokeFunction',
      resource: qualified(arn),
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
  const events = new AsynchronousInvocations((arn, event) => track(() => find(arn).invoke(event, qualified(arn))), {
    clock,
    log,
  });

  async function shutDown(): Promise<void> {
    events.close();
    // One can cause another: a function that publishes to a topic with a function subscribed.
    while (underWay.size > 0) await Promise.allSettled(underWay);
    open = false;
    await Promise.all([...functions.values()].map(each => each.close()));
    await Promise.all([...functions.values()].map(each => each.log.close()));
  }

  return {
    async invoke(arn, event, caller) {
      const local = find(arn);
      return track(async () => {
        await authorize(arn, caller);
        return local.invoke(event, qualified(arn));
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
        events.accept(arn, event, configs.get(qualified(arn)));
      });
    },
    roleOf: arn => deployed(arn).role,
    timeoutSeconds: arn => deployed(arn).timeoutSeconds,
    deployed,
    close: () => (closed ??= shutDown()),
  };
}

function readInvokeConfigs(
  resources: readonly Resource[],
  arnOf: FunctionReference,
): ReadonlyMap<string, EventInvokeConfig> {
  return new Map(
    declared(resources, 'AWS::Lambda::EventInvokeConfig', invokeConfigProperties).map(({ resource, properties }) => {
      const { FunctionName, Qualifier, MaximumRetryAttempts, MaximumEventAgeInSeconds } = properties;
      const arn = arnOf(resource, `${arnOf(resource, FunctionName)}:${Qualifier}`, 'Qualifier');
      return [arn, { maximumRetryAttempts: MaximumRetryAttempts, maximumEventAgeSeconds: MaximumEventAgeInSeconds }];
    }),
  );
}

/** Publishes the versions of the template, then points its aliases at them. @throws TemplateError */
function publishReleases(
  resources: readonly Resource[],
  find: (reference: string) => DeployedFunction | undefined,
): void {
  const functionOf = (resource: Resource, reference: string): DeployedFunction => {
    const found = find(reference);
    if (!found) throw propertyError(resource, 'FunctionName', `${reference} is not a function of the template`);
    return found;
  };
  const published = new Set<DeployedFunction>();
  for (const { resource, properties } of declared(resources, 'AWS::Lambda::Version', versionProperties)) {
    const deployed = functionOf(resource, properties.FunctionName);
    if (published.has(deployed))
      throw propertyError(resource, 'FunctionName', `${deployed.name} has another version in the template already`);
    published.add(deployed);
    deployed.publish(properties.Description);
  }
  for (const { resource, properties } of declared(resources, 'AWS::Lambda::Alias', aliasProperties)) {
    const { FunctionName, Name, FunctionVersion, Description } = properties;
    try {
      functionOf(resource, FunctionName).setAlias(Name, FunctionVersion, Description);
    } catch (error) {
      if (error instanceof AwsError) throw propertyError(resource, 'FunctionVersion', error.message);
      throw error;
    }
  }
}
