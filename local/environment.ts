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
import { executionMetrics } from './cloudwatch/execution-metrics.ts';
import { gatewayMetrics } from './cloudwatch/gateway-metrics.ts';
import { identities as cloudWatchIdentities } from './cloudwatch/identities.ts';
import { queueMetrics } from './cloudwatch/queue-metrics.ts';
import { type CloudWatch, createCloudWatch } from './cloudwatch/service.ts';
import { measuredDynamoDb } from './cloudwatch/table-metrics.ts';
import { identities as dynamoDbIdentities } from './dynamodb/identities.ts';
import { startDynamoDb } from './dynamodb/service.ts';
import { type Endpoints, endpointsFile } from './endpoints.ts';
import { identities as eventsIdentities } from './events/rules.ts';
import { type Events, startEvents } from './events/service.ts';
import { startFaultControl } from './faults/control-server.ts';
import { createFaults, type Faults } from './faults/faults.ts';
import { createTargets } from './faults/targets.ts';
import { createCredentials, type KeyPair } from './iam/credentials.ts';
import { identities as iamIdentities } from './iam/identities.ts';
import { createAuthorization } from './iam/policies.ts';
import { identities as kmsIdentities, readKeys } from './kms/keys.ts';
import { identities as eventSourceIdentities, startEventSourceMappings } from './lambda/event-source-mapping.ts';
import { identities as lambdaIdentities } from './lambda/identities.ts';
import { type Lambda, startLambda } from './lambda/lambda.ts';
import { createLambdaService } from './lambda/service.ts';
import { createMonitoringClock, type MonitoringClock } from './monitoring-clock.ts';
import { identities as schedulerIdentities, startScheduler } from './scheduler/scheduler.ts';
import { identities as secretsManagerIdentities, startSecretsManager } from './secretsmanager/service.ts';
import { identities as snsIdentities } from './sns/identities.ts';
import { startSns } from './sns/service.ts';
import { identities as sqsIdentities } from './sqs/identities.ts';
import { startSqs } from './sqs/service.ts';
import { identities as stepFunctionsIdentities } from './stepfunctions/identities.ts';
import { startStepFunctions } from './stepfunctions/service.ts';
import { startTokenIssuer } from './tokens/server.ts';

const identities: Identities = {
  ...apiGatewayIdentities,
  ...cloudWatchIdentities,
  ...dynamoDbIdentities,
  ...eventSourceIdentities,
  ...eventsIdentities,
  ...iamIdentities,
  ...kmsIdentities,
  ...lambdaIdentities,
  ...schedulerIdentities,
  ...secretsManagerIdentities,
  ...snsIdentities,
  ...sqsIdentities,
  ...stepFunctionsIdentities,
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
  /** How many times faster than the clock the monitoring plane runs: metrics, alarms, schedules, waits. The data plane stays real. */
  readonly timeScale: number;
  /** Monitoring time after which the alarms are there. @default 5 min, as if their stack were deployed after the others, and 15 s of real time at least */
  readonly alarmDelayMs?: number;
  /** Drop what an earlier run left in the state directory. */
  readonly fresh: boolean;
  readonly log: Log;
}

export interface LocalEnvironment {
  readonly endpoints: Endpoints;
  /** Keys of a user who may do everything, for the CLI and SDKs. */
  readonly developer: KeyPair;
  /** What goes wrong, by order. */
  readonly faults: Faults;
  /** Metrics and alarms. */
  readonly cloudwatch: CloudWatch;
  /** Monitoring time. */
  readonly clock: Pick<MonitoringClock, 'now'>;
  /** For tests and drills, which play a release. */
  readonly functions: Pick<Lambda, 'deployed'>;
  /** Name of a function of the template from what people call it, e.g. `fan-out`, as for faults; undefined where there is none. */
  functionNamed(called: string): string | undefined;
  /**
   * Ends it: clients are closed and their `$disconnect` delivered, functions under way finish, queues and tables stay as
   * they are.
   */
  close(): Promise<void>;
}

/** Monitoring time from the deployment of the data path to that of its alarms: by then there is something to look at. */
const deploymentMs = 5 * 60_000;
/** Real time in which functions have started and put their first figures: with a large scale that is longer. */
const warmMs = 15_000;

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
    const kept = ['dynamodb', 'sqs.sqlite', 'sqs.sqlite-wal', 'sqs.sqlite-shm', 'logs', 'secrets.json'].map(part =>
      rm(join(stateDirectory, part), { recursive: true, force: true }),
    );
    await Promise.all(kept);
  }
  await mkdir(stateDirectory, { recursive: true });
  const authorization = createAuthorization({ resources, place });
  const credentials = createCredentials({ place });
  const { authenticate } = credentials;
  const faults = createFaults({ resources, log });
  const monitoringClock = createMonitoringClock(options.timeScale);
  const cloudwatch = createCloudWatch({ resources, place, authorization, log, clock: monitoringClock });
  const keys = readKeys(resources, authorization);
  const common = { resources, place, authorization, log, faults, metrics: cloudwatch };

  const closers: (() => void | Promise<void>)[] = [];
  const close = async () => {
    const failures: unknown[] = [];
    // Nothing that closes may wait for what a fault holds back.
    faults.close();
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
  closers.push(() => rm(endpointsFile(stateDirectory), { force: true }));
  try {
    const issuer = { issuer: output(outputs, 'TokenIssuer'), audience: output(outputs, 'TokenAudience') };
    const tokens = await startTokenIssuer({ stateDirectory, port: options.tokensPort, faults, ...issuer });
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
      releaseTime: monitoringClock.now,
      onLogLine: (functionName, line) => cloudwatch.takeLogLine(functionName, line),
    });
    const sns = await startSns({ ...common, keys, sqs, invoker: lambda });
    closers.push(() => sns.close());
    const secretsmanager = startSecretsManager({ ...common, stateDirectory });
    const countExecution = executionMetrics(cloudwatch);
    const states = await startStepFunctions({
      ...common,
      forRole: credentials.forRole,
      endpoint: () => endpoint.url,
      lambda,
      sns,
      // The two know each other; no execution starts before both run.
      events: {
        putEvents: (entries, principal) => events.putEvents(entries, principal),
        putEvent: event => {
          countExecution(event);
          events.putEvent(event);
        },
      },
      clock: monitoringClock,
    });
    const events: Events = startEvents({ ...common, lambda, sqs, sns, stepFunctions: states, clock: monitoringClock });
    const endpoint = await startAwsEndpoint({
      port: options.awsPort,
      services: {
        dynamodb: measuredDynamoDb(dynamodb, cloudwatch),
        sqs,
        sns,
        states,
        events,
        secretsmanager,
        lambda: createLambdaService({ lambda, authorization }),
        monitoring: cloudwatch,
      },
      authenticate,
      log,
      faults,
    });
    closers.push(() => endpoint.close());
    // Before the endpoint: executions and functions under way end, and need it to.
    closers.push(() => lambda.close());
    closers.push(() => states.close());
    closers.push(() => events.close());
    cloudwatch.everyMinute(queueMetrics(() => sqs.metrics(), cloudwatch));
    cloudwatch.start(
      { sns, onStateChange: event => events.putEvent(event) },
      options.alarmDelayMs ?? Math.max(deploymentMs, warmMs * options.timeScale),
    );
    closers.push(() => cloudwatch.close());
    addresses.set(`https://sqs.${place.region}.amazonaws.com`, endpoint.url);

    const gateway = { ...common, invoker: lambda, authenticate, quotas: createAccountQuotas() };
    const websocket = await startWebSocketApi({
      ...gateway,
      port: options.port,
      onMetric: gatewayMetrics(resources, 'WEBSOCKET', cloudwatch),
    });
    closers.push(() => websocket.close());
    const http = await startHttpApi({
      ...gateway,
      port: options.httpPort,
      onMetric: gatewayMetrics(resources, 'HTTP', cloudwatch),
    });
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
    const scheduler = startScheduler({ resources, lambda, stepFunctions: states, clock: monitoringClock, log });
    closers.push(() => scheduler.close());

    const control = await startFaultControl(faults, stateDirectory);
    closers.push(() => control.close());

    const endpoints: Endpoints = {
      websocketUrl: `${websocket.url}${pathname}`,
      httpUrl: http.url,
      jwksUrl: tokens.jwksUrl,
      awsUrl: endpoint.url,
      region: place.region,
      pid: process.pid,
      monitoring: { start: monitoringClock.start, scale: monitoringClock.scale },
    };
    await writeFile(endpointsFile(stateDirectory), `${JSON.stringify(endpoints, null, 2)}\n`);
    return {
      endpoints,
      developer: credentials.developer,
      faults,
      cloudwatch,
      clock: monitoringClock,
      functions: lambda,
      functionNamed: called => createTargets(resources).resolve('function', called),
      close,
    };
  } catch (error) {
    await close().catch((failure: Error) => log('error', 'local', failure.message));
    throw error;
  }
}
