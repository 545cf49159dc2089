import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { jwtVerify } from 'jose';
import { z } from 'zod';
import { dynamoDbConnections } from '../shared/connections.ts';
import { type Control, controlKey, controlOf } from '../shared/control.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { areBeatsWritten } from '../shared/liveness.ts';
import { logger } from '../shared/logger.ts';
import { pace, readUnitsPerSecond } from '../shared/pace.ts';
import { probeSecret } from '../shared/probe-secret.ts';
import { probeAlgorithm, probeIssuer, probeToken } from '../shared/probe-token.ts';
import { lastRelease, liveVersions } from '../shared/releases.ts';
import { dynamoDbUnwrittenBeats } from '../shared/unwritten-beats.ts';
import { readVariables } from '../shared/variables.ts';
import { check, type Finding } from './checks.ts';
import { countClients } from './clients.ts';
import { readFigures } from './figures.ts';
import { usableKeys } from './keys.ts';
import { type Diagnosis, sentences } from './sentences.ts';
import { diagnoseVariables } from './variables.ts';

const variables = readVariables(diagnoseVariables);
const { service, environment } = readVariablesOfService();
// One try: what needs a second one is a finding.
const once = {
  maxAttempts: 1,
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000, throwOnRequestTimeout: true },
};
const cloudwatch = new CloudWatchClient({ ...once, maxAttempts: 2 });
const lambda = new LambdaClient({ ...once, maxAttempts: 2 });
const tables = new DynamoDBClient(once);
const sqs = new SQSClient(once);
const documents = dynamoDb();
const connections = dynamoDbConnections(documents, variables.CONNECTIONS_TABLE);
const unwritten = dynamoDbUnwrittenBeats(documents, variables.OPERATIONS_TABLE);
const secret = probeSecret(variables.PROBE_SECRET_ARN);
const heartbeat = {
  intervalMs: variables.HEARTBEAT_INTERVAL_SECONDS * 1000,
  graceMs: variables.HEARTBEAT_GRACE_SECONDS * 1000,
};

const quickMs = 4_000;
/** Of the function's minute. */
const scanMs = 40_000;

const request = z.object({
  /** The state machine's time: it, CloudWatch's and the dates of versions are of one clock. */
  now: z.iso.datetime().transform(Date.parse),
});

export interface Report {
  readonly sentences: readonly string[];
  /** The sentences as one text. */
  readonly inOne: string;
  readonly diagnosis: Diagnosis;
}

/** Looks at everything and changes nothing. @throws ZodError; what cannot be found out is a finding */
export async function handler(event: unknown): Promise<Report> {
  const { now } = request.parse(event);
  const asked = check(quickMs, currentControl);
  const trace = check(quickMs, () => unwritten.until());
  const [control, figures, clients, release, keys, token, store, queues] = await Promise.all([
    asked,
    check(quickMs, () =>
      readFigures(cloudwatch, {
        service,
        environment,
        tables: variables.TABLES,
        functions: variables.FUNCTIONS,
        now,
      }),
    ),
    check(scanMs, async () => {
      const rule = doesSilenceTell(await asked, await trace) ? heartbeat : undefined;
      return countClients(connections, rule, pace(readUnitsPerSecond), Date.now());
    }),
    check(2 * quickMs, () => deployed(now)),
    check(quickMs, signal => usableKeys(variables.JWKS_URL, signal)),
    check(quickMs, verifiedToken),
    each(variables.TABLES, table =>
      check(quickMs, async () => {
        await tables.send(new ScanCommand({ TableName: table, Limit: 1, Select: 'COUNT' }));
      }),
    ),
    each(variables.QUEUE_URLS, url => check(quickMs, () => waitingIn(url)), nameIn),
  ]);
  const diagnosis = { control, figures, clients, release, keys, token, store, queues };
  const said = sentences(diagnosis);
  const report = { sentences: said, inOne: said.join(' '), diagnosis };
  logger.info('diagnosis', { ...report });
  return report;
}

/** Of now, unlike what the functions keep for a while: a playbook may just have changed it. */
async function currentControl(abortSignal: AbortSignal): Promise<Control> {
  const { Item = {} } = await documents.send(
    new GetCommand({ TableName: variables.OPERATIONS_TABLE, Key: controlKey, ConsistentRead: true }),
    { abortSignal },
  );
  return controlOf(Item, (message, error) => logger.warn(message, error));
}

/** Where it is not known, nobody is called silent. */
const doesSilenceTell = (control: Finding<Control>, unwrittenUntil: Finding<number>): boolean =>
  control.ok && unwrittenUntil.ok && areBeatsWritten(control.found, unwrittenUntil.found, heartbeat, Date.now());

async function deployed(now: number): Promise<{ ageMinutes: number; functions: readonly string[] }> {
  const released = lastRelease(await liveVersions(lambda, variables.FUNCTIONS, variables.ALIAS));
  const newest = Math.max(...released.map(({ publishedAt }) => publishedAt));
  return {
    ageMinutes: Math.max(0, Math.round((now - newest) / 60_000)),
    functions: released.map(({ functionName }) => functionName),
  };
}

async function verifiedToken(): Promise<string> {
  const key = await secret();
  await jwtVerify(await probeToken(variables.PROBE_AUDIENCE, key), key, {
    issuer: probeIssuer,
    audience: variables.PROBE_AUDIENCE,
    algorithms: [probeAlgorithm],
  });
  return 'A token of the probe, signed with its secret, verifies.';
}

async function waitingIn(QueueUrl: string): Promise<{ waiting: number }> {
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
    }),
  );
  return { waiting: Object.values(Attributes).reduce((all, count) => all + Number(count), 0) };
}

const nameIn = (url: string): string => url.slice(url.lastIndexOf('/') + 1);

async function each<T>(
  names: readonly string[],
  run: (name: string) => Promise<Finding<T>>,
  label: (name: string) => string = name => name,
): Promise<Readonly<Record<string, Finding<T>>>> {
  return Object.fromEntries(await Promise.all(names.map(async name => [label(name), await run(name)] as const)));
}

function readVariablesOfService(): { service: string; environment: string } {
  const { POWERTOOLS_SERVICE_NAME, ENVIRONMENT } = readVariables(
    z.object({ POWERTOOLS_SERVICE_NAME: z.string().min(1), ENVIRONMENT: z.string().min(1) }),
  );
  return { service: POWERTOOLS_SERVICE_NAME, environment: ENVIRONMENT };
}
