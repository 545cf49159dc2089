import { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { measuring } from '../../../lambdas/responder/measure.ts';
import { type CloudWatch, createCloudWatch } from '../../../local/cloudwatch/service.ts';
import { createAuthorization } from '../../../local/iam/policies.ts';
import { createMonitoringClock } from '../../../local/monitoring-clock.ts';
import { alarm, place } from '../../local/cloudwatch/template.ts';
import { ManualClock } from '../../local/manual-clock.ts';
import { type FrontDoor, openFrontDoor } from '../../local/sqs/front-door.ts';
import { type LocalTables, startTables } from '../tables.ts';

const start = Date.UTC(2026, 10, 22, 12);
const minute = 60_000;
const incident = 'Errors-1';
const record = `incident#${incident}`;

let clock: ManualClock;
let cloudwatch: CloudWatch;
let door: FrontDoor;
let client: CloudWatchClient;
let tables: LocalTables;

beforeEach(async () => {
  clock = new ManualClock(start);
  const resources = [alarm('shop-dev-Errors'), alarm('recovery-shop-dev-Late', { MetricName: 'Late' })];
  const authorization = createAuthorization({ resources, place });
  const of = { resources, place, authorization, log: () => {}, clock: createMonitoringClock(1, clock) };
  cloudwatch = createCloudWatch({ ...of, realClock: clock });
  door = await openFrontDoor(cloudwatch, 'monitoring', {
    kind: 'user',
    arn: 'arn:aws:iam::123456789012:user/developer',
  });
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  client = new CloudWatchClient({ endpoint: door.url, region: place.region, credentials, maxAttempts: 1 });
  tables = await startTables({ replicationLagMs: 0 });
  await tables.client.send(new PutCommand({ TableName: 'Operations', Item: { record, timeline: [] } }));
});
afterEach(async () => {
  client.destroy();
  await cloudwatch.close();
  await door.close();
  await tables.close();
});

const put = (MetricName: string, Value: number) =>
  client.send(new PutMetricDataCommand({ Namespace: 'test', MetricData: [{ MetricName, Value }] }));

const measured = () =>
  measuring(client, tables.client, 'Operations').measure({
    mode: 'measure',
    incident,
    alarms: ['shop-dev-Errors', 'recovery-shop-dev-Late'],
    when: 'before',
    now: new Date(clock.now()).toISOString(),
  });

test('a figure is told with its age once it is no longer of now, so that nobody takes it for the state of things', async () => {
  await put('Late', 7);
  clock.advance(3 * minute);
  await put('Errors', 2.345);
  clock.advance(minute + 30_000);
  const text = await measured();
  expect(text).toMatch(/^before: Errors 2\.35 \(INSUFFICIENT_DATA\), Late 7 \(INSUFFICIENT_DATA, 4 min ago\)$/);
  const { Item } = await tables.client.send(
    new GetCommand({ TableName: 'Operations', Key: { record }, ConsistentRead: true }),
  );
  expect(Item?.timeline).toEqual([expect.objectContaining({ kind: 'values', text })]);
});

test('where there has been none for ten periods it is nothing', async () => {
  await put('Errors', 1);
  clock.advance(12 * minute);
  expect(await measured()).toMatch(
    /^before: Errors nothing \(INSUFFICIENT_DATA\), Late nothing \(INSUFFICIENT_DATA\)$/,
  );
});
