import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetAliasCommand, LambdaClient, PublishVersionCommand } from '@aws-sdk/client-lambda';
import {
  DescribeStateMachineCommand,
  ListExecutionsCommand,
  StopExecutionCommand,
  UpdateStateMachineCommand,
} from '@aws-sdk/client-sfn';
import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { answer, stop } from '../../bin/incident/incidents.ts';
import type { Target } from '../../bin/incident/target.ts';
import type { Incident } from '../../lambdas/shared/incidents.ts';
import { type LocalRemediation, startRemediation } from './local-remediation.ts';

jest.setTimeout(120_000);

let shop: LocalRemediation;
let target: Target;
const me = { by: 'ann', at: '2026-11-22T12:00:00.000Z' };

beforeAll(async () => {
  shop = await startRemediation(200);
  target = {
    ...{ service: 'shop', env: 'dev', table: 'operations' },
    store: shop.store,
    states: shop.states,
    now: Date.now,
  };
});
afterAll(() => shop?.end());

const said = ({ timeline }: Incident): string => timeline.map(({ kind, text }) => `${kind}: ${text}`).join('\n');
const item = async (record: string) =>
  (await shop.store.send(new GetCommand({ TableName: 'operations', Key: { record }, ConsistentRead: true }))).Item ??
  {};
const control = () => item('control');
const pagesOf = (alarm: string, since = 0) =>
  shop.pages
    .slice(since)
    .filter(({ subject }) => subject.includes(`shop-dev-${alarm}`))
    .map(({ subject, message }) => `${subject}\n${message}`);
const paged = (alarm: string, text: string, since = 0) =>
  shop.until(() => pagesOf(alarm, since).find(page => page.includes(text)), `a page of ${alarm} with ${text}`);
const calm = (alarm: string) => shop.load(alarm, () => 0);
/** Bad until delivery is scaled. */
const curable = (alarm: string) => shop.load(alarm, ({ shards }) => (shards === undefined ? 100 : 1));
const bad = (alarm: string) => shop.load(alarm, () => 100);
const changesOf = (alarm: string) =>
  shop.changes.filter(({ detail }) => (detail as { alarmName: string }).alarmName === `shop-dev-${alarm}`);
const becomes = (alarm: string, state: 'OK' | 'ALARM') =>
  shop.until(() => {
    const last = changesOf(alarm).at(-1)?.detail as { state: { value: string } } | undefined;
    return last?.state.value === state ? true : undefined;
  }, `${alarm} is ${state}`);
const executions = async (machine: string) =>
  (await shop.states.send(new ListExecutionsCommand({ stateMachineArn: shop.machine(machine) }))).executions ?? [];

/** Waits for an incident of an alarm that is not there yet. */
async function next(alarm: string) {
  const before = (await shop.incidents()).map(({ record }) => record);
  return (holds: (incident: Incident) => boolean) =>
    shop.incident(alarm, incident => !before.includes(incident.record) && holds(incident));
}
const closed = ({ status }: Incident) => status === 'closed';
const escalated = ({ status }: Incident) => status === 'escalated';
const says = (text: string) => (incident: Incident) => said(incident).includes(text);

test('in a muted window neither the rule nor the reconciler does anything; when it is over, the reconciler does', async () => {
  const incident = await next('Muted');
  curable('Muted');
  await becomes('Muted', 'ALARM');
  expect(changesOf('Muted').at(-1)?.detail).toHaveProperty('muteDetail');
  // Ten runs of the reconciler.
  await new Promise(resolve => setTimeout(resolve, 3_000));
  expect(await executions('responder')).toEqual([]);
  expect(await shop.incidents()).toEqual([]);
  expect(pagesOf('Muted')).toEqual([]);
  expect(said(await incident(closed))).toContain('scale-delivery: raised');
  // No event told of it.
  expect(changesOf('Muted').filter(({ detail }) => !('muteDetail' in detail))).toHaveLength(1);
  calm('Muted');
});

test('a lock whose holder has ended is taken over, and freed', async () => {
  const asked = await next('Asked');
  bad('Asked');
  const holder = await asked(({ approval }) => approval !== undefined);
  await shop.store.send(
    new PutCommand({
      TableName: 'operations',
      Item: { record: 'lock#scale-delivery', owner: holder.execution, incident: holder.record, since: me.at },
    }),
  );
  const waiting = await next('Twin');
  curable('Twin');
  // While it runs, it is waited for.
  expect(said(await waiting(says(`is run for ${holder.record} now; its outcome is awaited`)))).not.toContain('runs ');
  calm('Twin');
  await waiting(closed);
  await answer(target, holder, me, false);
  calm('Asked');
  await asked(closed);
  expect(await item('lock#scale-delivery')).toHaveProperty('owner', holder.execution);
  const incident = await next('Twin');
  curable('Twin');
  expect(said(await incident(closed))).toMatch(/runs scale-delivery 5[\s\S]*raised/);
  expect(await item('lock#scale-delivery')).not.toHaveProperty('owner');
  calm('Twin');
});

test('the alarm is over when a person says yes, or nobody answered in time: nothing is run, and nobody is asked to come', async () => {
  for (const answers of [true, false]) {
    const incident = await next('Asked');
    const told = shop.pages.length;
    bad('Asked');
    const waiting = await incident(({ approval }) => approval !== undefined);
    calm('Asked');
    await becomes('Asked', 'OK');
    if (answers) await answer(target, waiting, me, true);
    const after = await incident(closed);
    expect(said(after)).toContain(answers ? 'ann approved' : 'nobody approved');
    expect(said(after)).toContain('it was over before anything was done');
    expect(said(after)).not.toContain('runs ');
    expect(pagesOf('Asked', told).join('\n')).not.toContain('over to you');
  }
});

test('who stops what waits for approval has it stopped, not handed over', async () => {
  const incident = await next('Asked');
  const told = shop.pages.length;
  bad('Asked');
  await stop(target, await incident(({ approval }) => approval !== undefined), me);
  await paged('Asked', 'stopped', told);
  const stopped = await incident(({ status }) => status === 'stopped');
  expect(said(stopped)).not.toContain('nothing automatic is left');
  calm('Asked');
  await incident(closed);
  expect(pagesOf('Asked', told).join('\n')).not.toContain('over to you');
});

test.each([
  ['are bad', 100],
  ['are silent', undefined],
])(
  'the alarm is OK and the criteria of recovery %s: it has not recovered, and is closed when they hold',
  async (_, figure) => {
    const incident = await next('Twin');
    curable('Twin');
    shop.recovery(figure);
    const left = await incident(escalated);
    expect(said(left)).toMatch(
      /values: after, not recovered: Twin 1 \(OK[^)]*\), CensusRuns (100|nothing) \(ALARM[^)]*\)/,
    );
    expect(await control()).toMatchObject({ shards: 5 });
    shop.recovery(0);
    const after = await incident(closed);
    expect(said(after)).toContain('undone: scale-delivery');
    expect(await control()).not.toHaveProperty('shards');
    calm('Twin');
  },
);

test('a playbook that is given up is given back what it had begun, and people read why', async () => {
  const incident = await next('Hanging');
  const told = shop.pages.length;
  bad('Hanging');
  await incident(says('runs flush-backlog'));
  await shop.until(async () => ('flush' in (await control()) ? true : undefined), 'the flush');
  await incident(says('flush-backlog, try 1 of 1 failed: States.Timeout'));
  expect(await paged('Hanging', 'playbook failed', told)).toContain('being given back');
  await shop.until(async () => ('flush' in (await control()) ? undefined : true), 'the end of the flush');
  calm('Hanging');
  await incident(closed);
});

describe('a rollback of which one alias cannot be moved', () => {
  let code: string;
  let lambda: LambdaClient;
  beforeAll(async () => {
    code = await mkdtemp(join(tmpdir(), 'release-'));
    const { region, endpoint, credentials } = shop.states.config;
    lambda = new LambdaClient({
      region,
      credentials,
      ...(endpoint && { endpoint: await endpoint() }),
    });
  });
  afterAll(async () => {
    lambda.destroy();
    await rm(code, { recursive: true });
  });

  const live = async (name: string) =>
    (await lambda.send(new GetAliasCommand({ FunctionName: name, Name: 'live' }))).FunctionVersion;

  test('puts the others forward again, and tells whom it concerns', async () => {
    const [prices, orders] = [shop.functionName('Prices'), shop.functionName('Orders')];
    // Half an hour and more after the first deployment: 10 s.
    await new Promise(resolve => setTimeout(resolve, 10_000));
    for (const name of [prices, orders]) {
      const deployed = shop.functions.deployed(name);
      const directory = join(code, name);
      await cp(deployed.version().directory, directory, { recursive: true });
      const bundle = join(directory, 'index.js');
      await writeFile(bundle, `${await readFile(bundle, 'utf8')}\n// another\n`);
      deployed.updateCode(directory);
      const { Version = '' } = await lambda.send(new PublishVersionCommand({ FunctionName: name }));
      deployed.setAlias('live', Version);
    }
    const incident = await next('Released');
    const told = shop.pages.length;
    bad('Released');
    const left = await incident(escalated);
    expect([await live(prices), await live(orders)]).toEqual(['2', '2']);
    const [failure = ''] = left.timeline.flatMap(({ kind, text }) => (kind === 'failure' ? [text] : []));
    expect(failure).toMatch(/^rollback-release 3600, try 1 of 1 failed: rollback-release: not every function/);
    expect(failure).toMatch(/lambda:UpdateAlias.*Orders.*put forward again, all but: \[\]$/);
    expect(await paged('Released', 'playbook failed', told)).toContain(failure);
    expect(left.undo).toEqual({});
    calm('Released');
    await incident(closed);
  });
});

test('the store goes down in the middle: the ladder and the hand-over go out, and what was changed is undone in the end', async () => {
  const incident = await next('Twin');
  const told = shop.pages.length;
  bad('Twin');
  const running = await incident(says('scale-delivery: raised'));
  const fault = shop.faults.inject({ fault: 'store-outage' });
  await shop.until(() => shop.pages.slice(told).find(({ topic }) => topic === 'lead'), 'the ladder');
  await paged('Twin', 'over to you', told);
  shop.faults.clear(fault.id);
  calm('Twin');
  const after = await incident(closed);
  expect(after.record).toBe(running.record);
  expect(said(after)).toContain('undone: scale-delivery');
  expect(await control()).not.toHaveProperty('shards');
});

test('the store is down when an alarm fires: people have it, nothing is changed without a record, and an incident is opened when it is back', async () => {
  const incident = await next('Twin');
  const told = shop.pages.length;
  const fault = shop.faults.inject({ fault: 'store-outage' });
  bad('Twin');
  await paged('Twin', 'What is done', told);
  await paged('Twin', 'over to you', told);
  shop.faults.clear(fault.id);
  const { record, topic, announced } = await incident(says('scale-delivery: raised'));
  expect({ topic, announced }).toEqual({ topic: expect.stringMatching(/:shop-dev-p2$/), announced: true });
  // Of what was not recorded nothing is left that somebody would have to close.
  for (const each of await shop.incidents()) expect(each).toHaveProperty('topic');
  calm('Twin');
  expect((await incident(closed)).record).toBe(record);
  expect(await control()).not.toHaveProperty('shards');
});

test('a deployment in the middle: the execution under way keeps its plan; the one that takes it over has the new one', async () => {
  const stateMachineArn = shop.machine('responder');
  const { definition = '' } = await shop.states.send(new DescribeStateMachineCommand({ stateMachineArn }));
  const machine = JSON.parse(definition);
  const plan = machine.States['Plan of shop-dev-Useless'].Result;
  plan.attempts = plan.attempts.slice(0, 1);
  plan.attemptCount = 1;
  const incident = await next('Useless');
  bad('Useless');
  await incident(says('scale-delivery: raised'));
  await shop.states.send(new UpdateStateMachineCommand({ stateMachineArn, definition: JSON.stringify(machine) }));
  const going = await incident(says('runs scale-delivery 7, try 2 of 2'));
  await shop.states.send(new StopExecutionCommand({ executionArn: going.execution ?? '', cause: 'it dies' }));
  const left = await incident(escalated);
  expect(left.takeovers).toBe(1);
  expect(said(left)).not.toContain('runs notify-clients');
  await shop.states.send(new UpdateStateMachineCommand({ stateMachineArn, definition }));
  calm('Useless');
  await incident(closed);
  expect(await control()).not.toHaveProperty('shards');
});
