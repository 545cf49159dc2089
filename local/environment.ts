import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startHttpApi } from './apigateway/http-api.ts';
import { identities as apiGatewayIdentities } from './apigateway/identities.ts';
import { createAccountQuotas } from './apigateway/quotas.ts';
import { startWebSocketApi } from './apigateway/websocket-api.ts';
import { readAssembly } from './assembly/assembly.ts';
import type { Identities } from './assembly/resource.ts';
import { TemplateError } from './assembly/template-error.ts';
import { startAwsEndpoint } from './aws/endpoint.ts';
import type { Log } from './aws/service.ts';
import { identities as dynamoDbIdentities } from './dynamodb/identities.ts';
import { startDynamoDb } from './dynamodb/service.ts';
import { createCredentials, type KeyPair } from './iam/credentials.ts';
import { identities as iamIdentities } from './iam/identities.ts';
import { createAuthorization } from './iam/policies.ts';
import { identities as eventSourceIdentities, startEventSourceMappings } from './lambda/event-source-mapping.ts';
import { identities as lambdaIdentities } from './lambda/identities.ts';
import { startLambda } from './lambda/lambda.ts';
import { identities as schedulerIdentities, startScheduler } from './scheduler/scheduler.ts';
import { identities as snsIdentities } from './sns/identities.ts';
import { startSns } from './sns/service.ts';
import { identities as sqsIdentities } from './sqs/identities.ts';
import { startSqs } from './sqs/service.ts';
import { startTokenIssuer } from './tokens/server.ts';

const identities: Identities = {
  ...apiGatewayIdentities,
  ...dynamoDbIdentities,
  ...eventSourceIdentities,
  ...iamIdentities,
  ...lambdaIdentities,
  ...schedulerIdentities,
  ...snsIdentities,
  ...sqsIdentities,
};

export interface EnvironmentOptions {
  /** Directory of a synthesized cloud assembly. */
  readonly assembly: string;
  /** Where queues, tables, keys and logs are kept. */
  readonly stateDirectory: string;
  /** Ports on 127.0.0.1; 0 takes a free one. */
  readonly port: number;
  readonly httpPort: number;
  readonly awsPort: number;
  readonly tokensPort: number;
  /** How many times faster than the clock the monitoring plane runs: schedules now. The data plane stays real. */
  readonly timeScale: number;
  /** Drop what an earlier run left in the state directory. */
  readonly fresh: boolean;
  readonly log: Log;
}

export interface Endpoints {
  readonly websocketUrl: string;
  readonly httpUrl: string;
  readonly jwksUrl: string;
  /** Where AWS's APIs are served, for `AWS_ENDPOINT_URL`. */
  readonly awsUrl: string;
  readonly region: string;
  readonly pid: number;
}

export interface LocalEnvironment {
  readonly endpoints: Endpoints;
  /** Keys of a user who may do everything, for the CLI and SDKs. */
  readonly developer: KeyPair;
  /**
   * Ends it: clients are closed and their `$disconnect` delivered, functions under way finish, queues and tables stay as
   * they are.
   */
  close(): Promise<void>;
}

/** Environments of one function at once: more than cores, since they mostly wait; each takes some 40 MB. */
const maxFunctionEnvironments = 6;

const output = (outputs: Readonly<Record<string, string>>, name: string): string => {
  const value = outputs[name];
  if (value === undefined) throw new TemplateError(`the template has no output ${name}`);
  return value;
};

/**
 * Runs a synthesized cloud assembly on this machine.
 * @throws TemplateError where it holds what cannot be run here, AwsError or Error where a part does not start
 */
export async function startEnvironment(options: EnvironmentOptions): Promise<LocalEnvironment> {
  const { stateDirectory, log } = options;
  const { place, resources, outputs, asset } = readAssembly(options.assembly, identities);
  if (options.fresh) {
    const kept = ['dynamodb', 'sqs.sqlite', 'sqs.sqlite-wal', 'sqs.sqlite-shm', 'logs'].map(part =>
      rm(join(stateDirectory, part), { recursive: true, force: true }),
    );
    await Promise.all(kept);
  }
  await mkdir(stateDirectory, { recursive: true });
  const authorization = createAuthorization({ resources, place });
  const credentials = createCredentials({ place });
  const { authenticate } = credentials;
  const common = { resources, place, authorization, log };

  const closers: (() => void | Promise<void>)[] = [];
  const close = async () => {
    const failures: unknown[] = [];
    // Last started, first closed: each part's users are gone before it is. One that fails keeps no other open.
    for (const closer of closers.splice(0).reverse()) {
      try {
        await closer();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not closed cleanly');
  };
  // Removed last: until then the state directory is in use.
  const endpointsFile = join(stateDirectory, 'endpoints.json');
  closers.push(() => rm(endpointsFile, { force: true }));
  try {
    const issuer = { issuer: output(outputs, 'TokenIssuer'), audience: output(outputs, 'TokenAudience') };
    const tokens = await startTokenIssuer({ stateDirectory, port: options.tokensPort, ...issuer });
    closers.push(() => tokens.close());
    const dynamodb = await startDynamoDb({ ...common, stateDirectory });
    closers.push(() => dynamodb.close());
    const sqs = await startSqs({ ...common, stateDirectory });
    closers.push(() => sqs.close());

    // Public addresses of the template, and where they are here. Filled as the servers start; read when functions do.
    const addresses = new Map([[output(outputs, 'JwksUrl'), tokens.jwksUrl]]);
    const localAddresses = (text: string) =>
      [...addresses].reduce((replaced, [address, local]) => replaced.replaceAll(address, local), text);
    const lambda = startLambda({
      ...common,
      asset,
      localAddresses,
      runtimeVariables: (roleArn, functionName) => {
        const keys = credentials.forRole(roleArn, functionName);
        return {
          AWS_REGION: place.region,
          AWS_ACCESS_KEY_ID: keys.accessKeyId,
          AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
          ...(keys.sessionToken !== undefined && { AWS_SESSION_TOKEN: keys.sessionToken }),
          AWS_ENDPOINT_URL: endpoint.url,
          // The developer's own profile must not reach into the functions.
          AWS_CONFIG_FILE: '/dev/null',
          AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
        };
      },
      logDirectory: join(stateDirectory, 'logs'),
      maxEnvironments: maxFunctionEnvironments,
    });
    const sns = await startSns({ ...common, sqs, invoker: lambda });
    closers.push(() => sns.close());
    const endpoint = await startAwsEndpoint({
      port: options.awsPort,
      services: { dynamodb, sqs, sns },
      authenticate,
      log,
    });
    closers.push(() => endpoint.close());
    // Before the endpoint: functions under way finish, and need it to.
    closers.push(() => lambda.close());
    addresses.set(`https://sqs.${place.region}.amazonaws.com`, endpoint.url);

    const gateway = { ...common, invoker: lambda, authenticate, quotas: createAccountQuotas() };
    const websocket = await startWebSocketApi({ ...gateway, port: options.port });
    closers.push(() => websocket.close());
    const http = await startHttpApi({ ...gateway, port: options.httpPort });
    closers.push(() => http.close());
    const websocketUrl = output(outputs, 'WebSocketUrl');
    const { origin: publicSocket, host, pathname } = new URL(websocketUrl);
    addresses.set(`https://${host}`, websocket.url.replace(/^ws:/, 'http:'));
    addresses.set(publicSocket, websocket.url);
    addresses.set(output(outputs, 'HttpUrl'), http.url);

    const eventSources = await startEventSourceMappings({
      ...common,
      sqs,
      invoker: lambda,
      roleOf: lambda.roleOf,
      functionTimeoutSeconds: lambda.timeoutSeconds,
    });
    closers.push(() => eventSources.close());
    const scheduler = startScheduler({ resources, lambda, timeScale: options.timeScale, log });
    closers.push(() => scheduler.close());

    const endpoints: Endpoints = {
      websocketUrl: `${websocket.url}${pathname}`,
      httpUrl: http.url,
      jwksUrl: tokens.jwksUrl,
      awsUrl: endpoint.url,
      region: place.region,
      pid: process.pid,
    };
    await writeFile(endpointsFile, `${JSON.stringify(endpoints, null, 2)}\n`);
    return { endpoints, developer: credentials.developer, close };
  } catch (error) {
    await close().catch((failure: Error) => log('error', 'local', failure.message));
    throw error;
  }
}
