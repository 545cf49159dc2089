import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CloudWatchClient, GetMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { sign } from 'aws4';
import { type ControlStore, dynamoDbControl } from '../../lambdas/shared/control.ts';
import { refusedStatus, TestClient } from './client.ts';
import { type LocalService, startLocalService, type TemplateChange } from './local-service.ts';

jest.setTimeout(90_000);

type Resources = Record<string, { Type: string; Properties: Record<string, unknown> }>;

/** Sweeps by schedules, in place of the playbooks that ask for it: a schedule may start what the census's may. */
const sweeping =
  (sweeps: Readonly<Record<string, object>>): TemplateChange =>
  template => {
    const resources = template.Resources as Resources;
    const named = (type: string, part: string) => {
      const [name, ...others] = Object.keys(resources).filter(id => resources[id]?.Type === type && id.includes(part));
      if (name === undefined || others.length > 0) throw new Error(`${others.length + 1} resources match ${part}`);
      return name;
    };
    const sweep = named('AWS::Lambda::Function', 'SweepFunction');
    const schedule = JSON.stringify(resources[named('AWS::Scheduler::Schedule', 'Census')]);
    for (const [id, { Type, Properties }] of Object.entries(resources)) {
      if (Type !== 'AWS::IAM::Policy' || !id.startsWith('SchedulerRole')) continue;
      const { Statement } = Properties.PolicyDocument as { Statement: { Resource: unknown }[] };
      for (const statement of Statement) statement.Resource = '*';
    }
    Object.entries(sweeps).forEach(([rate, input], n) => {
      const own = JSON.parse(schedule);
      own.Properties.ScheduleExpression = rate;
      Object.assign(own.Properties.Target, { Arn: { 'Fn::GetAtt': [sweep, 'Arn'] }, Input: JSON.stringify(input) });
      resources[`SweepSchedule${n}`] = own;
    });
  };

let service: LocalService;
let control: ControlStore;
let dynamo: DynamoDBClient;
let cloudwatch: CloudWatchClient;

async function start(change?: TemplateChange): Promise<void> {
  // The census and the probe run every 3 s.
  service = await startLocalService({ service: 'archon', timeScale: 20, ...(change && { change }) });
  const { awsUrl: endpoint, region } = service.endpoints;
  const options = { endpoint, region, credentials: service.developer };
  dynamo = new DynamoDBClient(options);
  cloudwatch = new CloudWatchClient(options);
  const { TableNames = [] } = await dynamo.send(new ListTablesCommand());
  const operations = TableNames.find(name => name.includes('Operations')) ?? '';
  control = dynamoDbControl(DynamoDBDocumentClient.from(dynamo), operations, (_, error) => {
    throw error;
  });
}
async function end(): Promise<void> {
  dynamo.destroy();
  cloudwatch.destroy();
  await service.end();
}

/** Asks again until it is so; functions know the control record within 2 s. */
async function eventually<T>(ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

/** The largest or summed figure of a metric since the start; monitoring time runs ahead. */
async function figure(stat: 'Maximum' | 'Minimum' | 'Sum', name: string, dimensions: Record<string, string> = {}) {
  const all = Object.entries({ Service: 'archon', Environment: 'dev', ...dimensions });
  const { MetricDataResults } = await cloudwatch.send(
    new GetMetricDataCommand({
      StartTime: new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000 - 86_400_000),
      EndTime: new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000 + 2 * 86_400_000),
      MetricDataQueries: [
        {
          Id: 'm',
          MetricStat: {
            Metric: {
              Namespace: 'Steadysocket',
              MetricName: name,
              Dimensions: all.map(([Name, Value]) => ({ Name, Value })),
            },
            Period: 86_400,
            Stat: stat,
          },
        },
      ],
    }),
  );
  return MetricDataResults?.[0]?.Values?.[0];
}

/** Functions whose environments have opened their clients and caches anew, by their logical ids. */
async function renewed(): Promise<string[]> {
  const directory = join(service.stateDirectory, 'logs');
  const logs = await Promise.all(
    (await readdir(directory)).map(async file => ({ file, text: await readFile(join(directory, file), 'utf8') })),
  );
  return logs.filter(({ text }) => text.includes('opened anew')).map(({ file }) => file);
}

/** As a server publishes; the answer's status. */
async function publishByHttp(): Promise<number> {
  const { httpUrl, region } = service.endpoints;
  const { accessKeyId, secretAccessKey, sessionToken } = service.developer;
  const { origin, host, pathname } = new URL(`${httpUrl}/channels/room:1/messages`);
  const body = JSON.stringify({ id: `${Math.random()}`, data: 1 });
  const { headers } = sign(
    { service: 'execute-api', region, host, method: 'POST', path: pathname, body },
    { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
  );
  const { status } = await fetch(origin + pathname, {
    method: 'POST',
    body,
    headers: headers as Record<string, string>,
  });
  return status;
}

const connect = async (token: Parameters<LocalService['token']>[0] = {}) =>
  TestClient.connect(service.endpoints.websocketUrl, await service.token(token));

describe('a service', () => {
  beforeAll(() => start(), 180_000);
  afterAll(() => end());

  test('the census counts, the probe works, and the control record is obeyed', async () => {
    const client = await connect();
    await client.ask({ action: 'subscribe', channel: 'room:1' });
    await eventually(async () => ((await figure('Maximum', 'ActiveConnections')) ?? 0) >= 1 || undefined);
    await eventually(async () => ((await figure('Sum', 'CensusRuns')) ?? 0) >= 1 || undefined);
    // The probe's own message may be under way when a census asks: they begin in the same second.
    await eventually(async () => (await figure('Minimum', 'Backlog')) === 0 || undefined);
    expect(await figure('Maximum', 'Backlog')).toBeLessThanOrEqual(1);
    expect(await figure('Sum', 'ConnectionsOpened')).toBe(1);
    await eventually(async () => (await figure('Maximum', 'ProbeSuccess')) === 100 || undefined);
    expect(await figure('Maximum', 'ProbeLatency')).toBeGreaterThan(0);
    // There is no TLS here.
    expect(await figure('Maximum', 'CertificateDaysLeft')).toBeUndefined();

    await control.write({ admission: 'closed', presence: 'degraded', throttleMs: 60_000 });
    await eventually(async () => {
      try {
        const protocols = ['steadysocket.v1', `bearer.${await service.token()}`];
        return (await refusedStatus(service.endpoints.websocketUrl, protocols)) === 503 || undefined;
      } catch {
        // Not refused yet.
        return undefined;
      }
    });
    // Whoever is connected stays, and is served.
    await eventually(
      async () =>
        (await client.ask({ action: 'presence', channel: 'room:1' })).code === 'presence_degraded' || undefined,
    );
    expect(await client.ask({ action: 'heartbeat' })).toMatchObject({ type: 'heartbeat' });
    const publish = (id: string) => client.ask({ action: 'publish', channel: 'room:1', id, data: 1 });
    await eventually(async () => (await publish(`${Math.random()}`)).code === 'throttled' || undefined);
    const refused = await publish('again');
    expect(refused).toMatchObject({ type: 'error', code: 'throttled' });
    expect(refused.retryAfterMs).toBeGreaterThan(50_000);
    // The probe comes in all the same; its message is refused as everybody's is, and that shows.
    await eventually(async () => (await figure('Minimum', 'ProbeSuccess')) === 0 || undefined);
    expect(await figure('Sum', 'ConnectionErrors', { Type: 'closed' })).toBeGreaterThan(0);

    await control.write({ admission: 'open', presence: 'full', throttleMs: null });
    const later = await eventually(() => connect().catch(() => undefined));
    await eventually(async () => (await publish(`${Math.random()}`)).type === 'accepted' || undefined);
    await later.close();
    await client.close();
    await eventually(async () => ((await figure('Sum', 'Disconnects', { Reason: 'normal' })) ?? 0) >= 2 || undefined);
    expect(service.log.filter(line => line.includes('not authorized'))).toEqual([]);
  });

  test('a token that ends while connected is told and closed by the census', async () => {
    const client = await connect({ expires: '2s' });
    const closed = client.closed();
    expect(await client.frame({ type: 'error', code: 'token_expired' })).toBeDefined();
    expect(await closed).toMatchObject({ code: 1000 });
    await eventually(async () => ((await figure('Sum', 'Disconnects', { Reason: 'expired' })) ?? 0) >= 1 || undefined);
  });

  test('when the generation rises, every function that keeps something opens it anew, and goes on working', async () => {
    const everything = async () => {
      const client = await connect();
      await client.ask({ action: 'subscribe', channel: 'room:1' });
      await client.ask({ action: 'publish', channel: 'room:1', id: `${Math.random()}`, data: 1 });
      expect(await publishByHttp()).toBe(200);
      expect((await fetch(`${service.endpoints.httpUrl}/health`)).status).toBe(200);
      await client.close();
    };
    await everything();
    expect(await renewed()).toEqual([]);
    await control.write({ generation: 1 });
    const parts = [
      'Authorizer',
      'Connect',
      'Disconnect',
      'MessageFunction',
      'FanOut',
      'Census',
      'Probe',
      'Publish',
      'Health',
    ];
    await eventually(async () => {
      await everything();
      const files = await renewed();
      return parts.every(part => files.some(file => file.includes(part))) || undefined;
    });
    expect(service.log.filter(line => line.includes('not authorized'))).toEqual([]);
  });
});

describe('a service that is swept', () => {
  const notify = { mode: 'notify', notice: 'server_shutdown', windowSeconds: 30 };
  // The notices come after 3 s, the drain after 9.
  beforeAll(() => start(sweeping({ 'rate(1 minute)': notify, 'rate(3 minutes)': { mode: 'drain' } })), 180_000);
  afterAll(() => end());

  test('tells everybody to leave, and closes who stays', async () => {
    await control.write({ drain: { startedAt: Date.now(), windowSeconds: 30, reason: 'test' } });
    const client = await connect();
    const closed = client.closed();
    const notice = await client.frame({ type: 'notice', notice: 'server_shutdown' });
    expect(notice.withinMs).toBeGreaterThan(20_000);
    expect(await closed).toMatchObject({ code: 1000 });
    await eventually(async () => ((await figure('Sum', 'Disconnects', { Reason: 'drain' })) ?? 0) >= 1 || undefined);
    expect(service.log.filter(line => line.includes('not authorized'))).toEqual([]);
  });
});
