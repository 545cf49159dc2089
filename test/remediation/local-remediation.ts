import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SFNClient } from '@aws-sdk/client-sfn';
import { SQSClient } from '@aws-sdk/client-sqs';
import { DynamoDBDocumentClient, GetCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';
import { App } from 'aws-cdk-lib';
import { showIncident } from '../../bin/incident/show.ts';
import cdkJson from '../../cdk.json' with { type: 'json' };
import { type Incident, incidentSchema } from '../../lambdas/shared/incidents.ts';
import { readAssembly } from '../../local/assembly/assembly.ts';
import type { Identities } from '../../local/assembly/resource.ts';
import { startAwsEndpoint } from '../../local/aws/endpoint.ts';
import { executionMetrics } from '../../local/cloudwatch/execution-metrics.ts';
import { identities as cloudWatchIdentities } from '../../local/cloudwatch/identities.ts';
import { type CloudWatch, createCloudWatch } from '../../local/cloudwatch/service.ts';
import { identities as dynamoDbIdentities } from '../../local/dynamodb/identities.ts';
import { startDynamoDb } from '../../local/dynamodb/service.ts';
import { identities as eventsIdentities } from '../../local/events/rules.ts';
import { type Events, startEvents } from '../../local/events/service.ts';
import { createFaults, type Faults } from '../../local/faults/faults.ts';
import { createCredentials } from '../../local/iam/credentials.ts';
import { identities as iamIdentities } from '../../local/iam/identities.ts';
import { createAuthorization } from '../../local/iam/policies.ts';
import { identities as kmsIdentities, readKeys } from '../../local/kms/keys.ts';
import { identities as lambdaIdentities } from '../../local/lambda/identities.ts';
import { type Lambda, startLambda } from '../../local/lambda/lambda.ts';
import { createLambdaService } from '../../local/lambda/service.ts';
import { createMonitoringClock } from '../../local/monitoring-clock.ts';
import { identities as schedulerIdentities, startScheduler } from '../../local/scheduler/scheduler.ts';
import { identities as snsIdentities } from '../../local/sns/identities.ts';
import { startSns } from '../../local/sns/service.ts';
import { identities as sqsIdentities } from '../../local/sqs/identities.ts';
import { startSqs } from '../../local/sqs/service.ts';
import type { ServiceEvent } from '../../local/stepfunctions/event-bus.ts';
import { identities as stepFunctionsIdentities } from '../../local/stepfunctions/identities.ts';
import { startStepFunctions } from '../../local/stepfunctions/service.ts';
import { metricNamespace, prefix, ShopStack } from './shop-stack.ts';

const identities: Identities = {
  ...cloudWatchIdentities,
  ...dynamoDbIdentities,
  ...eventsIdentities,
  ...iamIdentities,
  ...kmsIdentities,
  ...lambdaIdentities,
  ...schedulerIdentities,
  ...snsIdentities,
  ...sqsIdentities,
  ...stepFunctionsIdentities,
};

export interface Page {
  readonly topic: string;
  readonly subject: string;
  readonly message: string;
}

export interface LocalRemediation {
  readonly cloudwatch: CloudWatch;
  readonly faults: Faults;
  readonly functions: Lambda;
  readonly states: SFNClient;
  readonly store: DynamoDBDocumentClient;
  readonly log: readonly string[];
  readonly pages: readonly Page[];
  /** Events of alarms that changed their state, whoever takes them. */
  readonly changes: readonly ServiceEvent[];
  /** The figure of an alarm's metric for each minute from now on, by what the control record says; 0 before. */
  load(alarm: string, figure: (control: Readonly<Record<string, unknown>>) => number): void;
  /** The figure of the recovery alarm's metric from now on; undefined where it is silent. */
  recovery(figure: number | undefined): void;
  /** ARN of a state machine by its name without the prefix. */
  machine(name: string): string;
  /** Name of the function whose logical id begins so. */
  functionName(id: string): string;
  incidents(): Promise<Incident[]>;
  /** Asks until it holds. */
  until<Value>(ask: () => Promise<Value | undefined> | Value | undefined, what: string): Promise<Value>;
  incident(alarm: string, holds: (incident: Incident) => boolean): Promise<Incident>;
  end(): Promise<void>;
}

/** The remediation of the shop on the local engine, permissions enforced. */
export async function startRemediation(timeScale: number, withReconciler = true): Promise<LocalRemediation> {
  const directory = await mkdtemp(join(tmpdir(), 'remediation-'));
  const outdir = join(directory, 'cdk.out');
  const app = new App({ outdir, context: cdkJson.context, analyticsReporting: false });
  new ShopStack(app, 'shop');
  app.synth();
  const log: string[] = [];
  const { place, resources, asset } = readAssembly(outdir, identities);
  const authorization = createAuthorization({ resources, place });
  const credentials = createCredentials({ place });
  const clock = createMonitoringClock(timeScale);
  const write = (level: string, component: string, message: string, fields?: object) => {
    log.push(`${level} ${component}: ${message} ${JSON.stringify(fields)}`);
  };
  const faults = createFaults({ resources, log: write });
  const cloudwatch = createCloudWatch({ resources, place, authorization, log: write, clock });
  const common = { resources, place, authorization, log: write, faults, metrics: cloudwatch };
  const dynamodb = await startDynamoDb({ ...common, stateDirectory: directory });
  const sqs = await startSqs({ ...common, stateDirectory: directory });
  const lambda = startLambda({
    ...common,
    asset,
    localAddresses: text => text,
    runtimeVariables: (roleArn, functionName) => {
      const keys = credentials.forRole(roleArn, functionName);
      return {
        AWS_REGION: place.region,
        AWS_ACCESS_KEY_ID: keys.accessKeyId,
        AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
        ...(keys.sessionToken !== undefined && { AWS_SESSION_TOKEN: keys.sessionToken }),
        AWS_ENDPOINT_URL: endpoint.url,
      };
    },
    logDirectory: join(directory, 'logs'),
    maxEnvironments: 3,
    releaseTime: clock.now,
    onLogLine: (functionName, line) => cloudwatch.takeLogLine(functionName, line),
  });
  const sns = await startSns({ ...common, keys: readKeys(resources, authorization), sqs, invoker: lambda });
  const countExecution = executionMetrics(cloudwatch);
  const machines = await startStepFunctions({
    ...common,
    forRole: credentials.forRole,
    endpoint: () => endpoint.url,
    lambda,
    sns: {
      publish: (topicArn, publication, principal) => {
        const topic = topicArn.slice(topicArn.lastIndexOf(':') + 1).replace(`${prefix}-`, '');
        return sns.publish(topicArn, publication, principal).then(answer => {
          pages.push({ topic, subject: publication.subject ?? '', message: publication.message });
          return answer;
        });
      },
    },
    events: {
      putEvents: (entries, principal) => events.putEvents(entries, principal),
      putEvent: event => {
        countExecution(event);
        events.putEvent(event);
      },
    },
    clock,
  });
  const pages: Page[] = [];
  const events: Events = startEvents({ ...common, lambda, sqs, sns, stepFunctions: machines, clock });
  const endpoint = await startAwsEndpoint({
    port: 0,
    services: {
      ...{ dynamodb, sqs, sns, states: machines, events, monitoring: cloudwatch },
      lambda: createLambdaService({ lambda, authorization }),
    },
    authenticate: credentials.authenticate,
    log: write,
    faults,
  });
  const client = { region: place.region, endpoint: endpoint.url, credentials: credentials.developer };
  const store = DynamoDBDocumentClient.from(new DynamoDBClient(client));
  const states = new SFNClient(client);
  const sqsClient = new SQSClient(client);

  const figures = new Map<string, (control: Readonly<Record<string, unknown>>) => number>();
  let recovery: number | undefined = 0;
  let control: Readonly<Record<string, unknown>> = {};
  cloudwatch.everyMinute(() => {
    for (const [alarm, figure] of figures) cloudwatch.put(metricNamespace, alarm, {}, figure(control), 'Count');
    if (recovery !== undefined) cloudwatch.put(metricNamespace, 'Recovery', {}, recovery, 'Count');
    store
      .send(new GetCommand({ TableName: 'operations', Key: { record: 'control' } }))
      .then(({ Item = {} }) => {
        control = Item;
      })
      // The store can be down: the last known one holds, as for the functions.
      .catch(() => {});
  });
  const changes: ServiceEvent[] = [];
  cloudwatch.start({
    sns,
    onStateChange(event) {
      changes.push(event);
      events.putEvent(event);
    },
  });
  const scheduler = startScheduler({
    resources: withReconciler ? resources : [],
    lambda,
    stepFunctions: machines,
    clock,
    log: write,
  });
  const incidents = async () => {
    const { Items = [] } = await store.send(new ScanCommand({ TableName: 'operations', ConsistentRead: true }));
    return Items.filter(({ record }) => String(record).startsWith('incident#')).map(item => incidentSchema.parse(item));
  };
  const until: LocalRemediation['until'] = async (ask, what) => {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const value = await ask();
      if (value !== undefined) return value;
      if (Date.now() > deadline) {
        const [last] = (await incidents()).sort((one, other) =>
          (one.openedAt ?? '') < (other.openedAt ?? '') ? 1 : -1,
        );
        const warned = log.filter(line => !line.startsWith('info')).slice(-20);
        throw new Error(
          [`never: ${what}`, ...warned, last && showIncident(last, { command: 'incident', runbook: undefined })].join(
            '\n',
          ),
        );
      }
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  };
  return {
    ...{ cloudwatch, faults, functions: lambda, states, store, log, pages, changes, incidents, until },
    load: (alarm, figure) => {
      figures.set(alarm, figure);
    },
    recovery: figure => {
      recovery = figure;
    },
    machine: name => `arn:aws:states:${place.region}:${place.account}:stateMachine:${prefix}-${name}`,
    functionName: id =>
      resources.find(({ type, logicalId }) => type === 'AWS::Lambda::Function' && logicalId.startsWith(id))
        ?.physicalId ?? '',
    incident: (alarm, holds) =>
      until(
        async () => (await incidents()).find(each => each.alarm === `${prefix}-${alarm}` && holds(each)),
        `an incident of ${alarm}`,
      ),
    async end() {
      faults.close();
      await scheduler.close();
      await cloudwatch.close();
      await events.close();
      await machines.close();
      await lambda.close();
      await endpoint.close();
      await sns.close();
      await sqs.close();
      await dynamodb.close();
      for (const each of [store, states, sqsClient]) each.destroy();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
