import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { TemplateError } from '../assembly/intrinsics.ts';
import type { Place, Resource } from '../assembly/resource.ts';
import {
  type Authorization,
  AwsError,
  type FunctionInvoker,
  type InvocationResult,
  type Log,
  type PolicyDocument,
  type Principal,
} from '../aws/service.ts';
import { readFunction, readInvokeConfig, readPermission } from './declarations.ts';
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
}

export interface Lambda extends FunctionInvoker {
  /** Invokes without waiting for the answer, with Lambda's retries for asynchronous invocations. */
  invokeAsync(functionArn: string, event: unknown, caller: Principal): Promise<void>;
  /** @throws TemplateError where the template has no such function */
  roleOf(functionArn: string): string;
  timeoutSeconds(functionArn: string): number;
  close(): Promise<void>;
}

/** Lambda waits 1 min before the first retry of an asynchronous invocation and 2 min before the second. */
const retryDelaysMs = [60_000, 120_000];

/** Lines of a function's log that are worth a line in the terminal. */
const noteworthy = new Set(['WARN', 'ERROR', 'CRITICAL', 'FATAL']);

/** Writes a function's log to its file, and shows warnings and errors. */
function logSink(name: string, file: WriteStream, log: Log): (chunk: Buffer) => void {
  let rest = '';
  return chunk => {
    file.write(chunk);
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const entry = parseLine(line);
      if (!entry || !noteworthy.has(entry.level)) continue;
      const { level, message, timestamp: _, service: __, ...fields } = entry;
      log(level === 'WARN' ? 'warn' : 'error', name, message, fields);
    }
  };
}

function parseLine(line: string): { level: string; message: string; [field: string]: unknown } | undefined {
  if (!line.startsWith('{')) return line.trim() ? { level: 'ERROR', message: line } : undefined;
  try {
    return JSON.parse(line);
  } catch {
    return { level: 'ERROR', message: line };
  }
}

/** Runs the functions of the template from the bundles of the cloud assembly. */
export function startLambda(options: LambdaOptions): Lambda {
  const { resources, place, authorization, log } = options;
  mkdirSync(options.logDirectory, { recursive: true });
  const functions = new Map<
    string,
    { readonly local: LocalFunction; readonly role: string; readonly timeoutSeconds: number }
  >();
  const statements = new Map<string, unknown[]>();
  const retries = new Map<string, number>();
  const files: WriteStream[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const arnOf = (reference: string) => (reference.startsWith('arn:') ? reference : functionArn(reference, place));

  for (const resource of resources.filter(({ type }) => type === 'AWS::Lambda::Function')) {
    const { Code, Handler, Role, Timeout, MemorySize, Environment, ReservedConcurrentExecutions } =
      readFunction(resource);
    const name = resource.physicalId;
    const arn = functionArn(name, place);
    const [module = '', exportName = ''] = Handler.split('.');
    const file = createWriteStream(join(options.logDirectory, `${name}.log`), { flags: 'a' });
    files.push(file);
    const declared = Object.entries(Environment?.Variables ?? {});
    const definition = {
      name,
      arn,
      path: join(options.asset(Code.S3Key), `${module}.js`),
      exportName,
      memoryMegabytes: MemorySize,
      timeoutSeconds: Timeout,
      reservedConcurrency: ReservedConcurrentExecutions,
      variables: () => ({
        ...Object.fromEntries(declared.map(([key, value]) => [key, options.localAddresses(value)])),
        ...options.runtimeVariables(Role, name),
        AWS_LAMBDA_FUNCTION_NAME: name,
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(MemorySize),
        AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      }),
      onLog: logSink(name, file, log),
    };
    functions.set(arn, {
      local: new LocalFunction(definition, options.maxEnvironments),
      role: Role,
      timeoutSeconds: Timeout,
    });
  }
  for (const resource of resources.filter(({ type }) => type === 'AWS::Lambda::Permission')) {
    const { Action, FunctionName, Principal, SourceArn, SourceAccount } = readPermission(resource);
    const arn = arnOf(FunctionName);
    const condition = {
      ...(SourceArn !== undefined && { ArnLike: { 'aws:SourceArn': SourceArn } }),
      ...(SourceAccount !== undefined && { StringEquals: { 'aws:SourceAccount': SourceAccount } }),
    };
    const statement = {
      Sid: resource.logicalId,
      Effect: 'Allow',
      Principal: Principal.endsWith('.amazonaws.com') ? { Service: Principal } : { AWS: Principal },
      Action,
      Resource: arn,
      ...(Object.keys(condition).length > 0 && { Condition: condition }),
    };
    statements.set(arn, [...(statements.get(arn) ?? []), statement]);
  }
  for (const resource of resources.filter(({ type }) => type === 'AWS::Lambda::EventInvokeConfig')) {
    const { FunctionName, MaximumRetryAttempts } = readInvokeConfig(resource);
    retries.set(arnOf(FunctionName), MaximumRetryAttempts);
  }

  const find = (arn: string) => {
    const found = functions.get(arn);
    if (!found) throw new TemplateError(`Function not found: ${arn}`);
    return found;
  };
  const authorize = async (arn: string, principal: Principal) => {
    if (!functions.has(arn)) throw new AwsError('ResourceNotFoundException', `Function not found: ${arn}`, 404);
    // Lambda's own event source mappings need the function's role for the queue, and nothing for the function.
    if (principal.kind === 'service' && principal.service === 'lambda.amazonaws.com') return;
    const policy = statements.get(arn);
    const resourcePolicy: PolicyDocument | undefined = policy && { Version: '2012-10-17', Statement: policy };
    await authorization.authorize({
      principal,
      action: 'lambda:InvokeFunction',
      resource: arn,
      ...(resourcePolicy && { resourcePolicy }),
    });
  };
  const attempt = async (arn: string, event: unknown, attempts: number): Promise<void> => {
    const result = await find(arn)
      .local.invoke(event)
      .catch((error: unknown): InvocationResult => {
        if (!(error instanceof AwsError)) throw error;
        return { ok: false, errorType: error.code, errorMessage: error.message };
      });
    if (result.ok) return;
    const left = (retries.get(arn) ?? retryDelaysMs.length) - attempts;
    const delay = retryDelaysMs[attempts];
    const { errorType, errorMessage } = result;
    log('error', 'lambda', 'asynchronous invocation failed', {
      function: arn,
      errorType,
      errorMessage,
      retriesLeft: left,
    });
    if (left <= 0 || delay === undefined) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      void attempt(arn, event, attempts + 1);
    }, delay);
    timers.add(timer);
  };

  return {
    async invoke(arn, event, caller) {
      await authorize(arn, caller);
      return find(arn).local.invoke(event);
    },
    async invokeAsync(arn, event, caller) {
      await authorize(arn, caller);
      void attempt(arn, event, 0);
    },
    roleOf: arn => find(arn).role,
    timeoutSeconds: arn => find(arn).timeoutSeconds,
    async close() {
      for (const timer of timers) clearTimeout(timer);
      await Promise.all([...functions.values()].map(({ local }) => local.close()));
      await Promise.all(files.map(file => new Promise<void>(resolve => file.end(resolve))));
    },
  };
}
