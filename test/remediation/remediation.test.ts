import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { acknowledge, answer, setSwitch, stop } from '../../bin/incident/incidents.ts';
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
const closed = (alarm: string, but?: Incident) =>
  shop.incident(alarm, ({ status, record }) => status === 'closed' && record !== but?.record);
const opened = (alarm: string) => shop.incident(alarm, ({ status }) => status === 'open');
const says = (alarm: string, text: string) =>
  shop.incident(alarm, incident => incident.status !== 'closed' && said(incident).includes(text));
const page = (topic: string, ...parts: readonly string[]) =>
  shop.until(
    () =>
      shop.pages.find(
        each => each.topic === topic && parts.every(part => `${each.subject}\n${each.message}`.includes(part)),
      ),
    `a page to ${topic} with ${parts.join(', ')}`,
  );
const control = async () =>
  (await shop.store.send(new GetCommand({ TableName: 'operations', Key: { record: 'control' }, ConsistentRead: true })))
    .Item ?? {};
const executions = async (machine: string) => {
  const { executions: found = [] } = await shop.states.send(
    new ListExecutionsCommand({ stateMachineArn: shop.machine(machine) }),
  );
  return found;
};
/** Ends when the figure is good for ever. */
const calm = (alarm: string) => shop.load(alarm, () => 0);

test('an alarm is paged, remedied, verified, undone and closed, and those who were paged are told', async () => {
  shop.load('Slow', ({ shards }) => (shards === undefined ? 100 : 1));
  const incident = await closed('Slow');
  calm('Slow');
  const kinds = incident.timeline.map(({ kind }) => kind);
  const inOrder = ['alarm', 'page', 'values', 'diagnosis', 'action', 'values', 'action', 'verification'];
  expect(kinds.filter((kind, index) => kind !== 'page' || index === 1)).toEqual(
    expect.arrayContaining(['diagnosis', 'verification']),
  );
  for (const [index, kind] of inOrder.entries())
    if (index > 0)
      expect(kinds.indexOf(inOrder[index - 1] as never)).toBeLessThanOrEqual(kinds.lastIndexOf(kind as never));
  expect(said(incident)).toMatch(/values: before: Slow 100 \(ALARM[^)]*\), CensusRuns 0 \(OK[^)]*\)/);
  expect(said(incident)).toMatch(/values: after: Slow 1 \(OK[^)]*\)/);
  expect(said(incident)).toMatch(/undone: scale-delivery/);
  expect(incident.undo).toEqual({});
  await page('p2', 'P2 shop-dev-Slow', 'scale-delivery(to 5)', 'https://runbooks.example.com/shop.md#slow');
  await page('p2', 'shop-dev-Slow: recovered', incident.record);
  expect(await control()).not.toHaveProperty('shards');
});

test('a playbook that has just been run for another incident rests for its cooldown', async () => {
  shop.load('Rested', () => 100);
  const left = await shop.incident('Rested', ({ status }) => status === 'escalated');
  expect(said(left)).toMatch(/scale-delivery is left out: it was run for Slow-.*, cooldown until/);
  expect(said(left)).not.toContain('runs ');
  calm('Rested');
});

test('a second event for an alarm changes nothing', async () => {
  const fault = shop.faults.inject({ fault: 'event-duplicate', source: 'aws.cloudwatch' });
  shop.load('People', () => 100);
  const incident = await shop.incident('People', ({ status }) => status === 'escalated');
  shop.faults.clear(fault.id);
  expect(said(incident)).toContain('nothing automatic is left');
  expect(shop.pages.filter(({ subject }) => subject === 'P3 shop-dev-People')).toHaveLength(1);
  const input = JSON.stringify({ alarm: 'shop-dev-People', alarmAt: me.at, reason: 'again' });
  const { executionArn } = await shop.states.send(
    new StartExecutionCommand({ stateMachineArn: shop.machine('responder'), input }),
  );
  await shop.until(async () => {
    const { status } = await shop.states.send(new DescribeExecutionCommand({ executionArn }));
    return status === 'SUCCEEDED' ? true : undefined;
  }, 'the second responder ends');
  expect((await shop.incidents()).filter(({ alarm }) => alarm === 'shop-dev-People')).toHaveLength(1);
  // The reconciler closes what people took over.
  calm('People');
  expect(said(await closed('People'))).toContain('the alarm and every recovery alarm are OK');
});

test('an alarm whose event is lost is answered all the same', async () => {
  const [before] = (await shop.incidents()).filter(({ alarm }) => alarm === 'shop-dev-People');
  const fault = shop.faults.inject({ fault: 'event-loss', source: 'aws.cloudwatch' });
  shop.load('People', () => 100);
  await shop.incident('People', ({ status, record }) => status === 'escalated' && record !== before?.record);
  // Nothing automatic was ever meant, which the page has said.
  expect(shop.pages.filter(({ subject }) => subject.includes('People: over to you'))).toEqual([]);
  shop.faults.clear(fault.id);
  calm('People');
  await closed('People', before);
});

test('a playbook that fails is on the incident and on a page, and the next one is tried', async () => {
  shop.load('Broken', ({ shards }) => (shards === undefined ? 100 : 1));
  const incident = await closed('Broken');
  calm('Broken');
  expect(said(incident)).toMatch(/failure: throttle-publishers 100, try 1 of 1 failed: .*the playbook is broken/);
  expect(said(incident)).toMatch(/action: scale-delivery: raised/);
  await page('p2', 'Broken: playbook failed', 'the playbook is broken');
});

test('a playbook without permission is told with the missing action; a milder alarm of the signal is only recorded meanwhile', async () => {
  shop.load('Denied', () => 100);
  const denied = await shop.incident('Denied', ({ status }) => status === 'escalated');
  expect(said(denied)).toMatch(/failure: evict-stale-connections.*dynamodb:UpdateItem/);
  await page('p1', 'Denied: over to you');
  const told = shop.pages.length;
  const [before] = (await shop.incidents()).filter(({ alarm }) => alarm === 'shop-dev-Broken');
  shop.load('Broken', ({ shards }) => (shards === undefined ? 100 : 1));
  const superseded = await shop.incident('Broken', ({ status }) => status === 'superseded');
  expect(shop.pages.slice(told).filter(({ subject }) => subject.includes('Broken'))).toEqual([]);
  calm('Denied');
  const after = await closed('Broken', before);
  calm('Broken');
  expect(after.record).toBe(superseded.record);
  expect(said(after)).toMatch(/the more severe alarm is over[\s\S]*scale-delivery: raised/);
  await closed('Denied');
});

test('approval: a person says yes, or no', async () => {
  shop.load('Asked', ({ shards }) => (shards === undefined ? 100 : 1));
  const waiting = await shop.incident('Asked', ({ approval }) => approval !== undefined);
  await page('p2', 'approve?', 'scale-delivery 5');
  expect(await control()).not.toHaveProperty('shards');
  await answer(target, waiting, me, true);
  expect(said(await closed('Asked'))).toMatch(/person: ann approved scale-delivery[\s\S]*raised/);
  calm('Asked');

  shop.load('Asked', () => 100);
  const again = await shop.incident(
    'Asked',
    ({ approval, record }) => approval !== undefined && record !== waiting.record,
  );
  await answer(target, again, me, false);
  const refused = await shop.incident('Asked', ({ status }) => status === 'escalated');
  expect(said(refused)).toContain('ann rejected scale-delivery');
  expect(said(refused)).not.toContain('raised');
  expect(refused.approval).toBeUndefined();
  calm('Asked');
  await closed('Asked', waiting);
});

test('approval: no answer is a no', async () => {
  const before = (await shop.incidents()).filter(({ alarm }) => alarm === 'shop-dev-Asked').map(({ record }) => record);
  shop.load('Asked', () => 100);
  const silent = await shop.incident(
    'Asked',
    ({ status, record }) => status === 'escalated' && !before.includes(record),
  );
  expect(said(silent)).toMatch(/nobody approved scale-delivery.*States.Timeout/);
  calm('Asked');
});

test('a person stops the automation: what it changed is undone, and the incident stays until all is well', async () => {
  shop.load('Useless', () => 100);
  const running = await says('Useless', 'scale-delivery: raised');
  expect(Object.values(running.undo)).toHaveLength(1);
  await acknowledge(target, running, me);
  await stop(target, running, me);
  const stopped = await shop.incident('Useless', ({ status }) => status === 'stopped');
  expect(said(stopped)).toContain('undone: scale-delivery');
  expect(await control()).not.toHaveProperty('shards');
  await page('p2', 'shop-dev-Useless: stopped');
  calm('Useless');
  const after = await closed('Useless');
  // Whoever acknowledges keeps the ladder from going on.
  expect(said(after)).not.toContain('after 5 min: lead');
});

test('the holder of a remediation dies: another execution takes over where it was, and undoes what it had changed', async () => {
  const [before] = (await shop.incidents()).filter(({ alarm }) => alarm === 'shop-dev-Useless');
  shop.load('Useless', () => 100);
  const running = await says('Useless', 'scale-delivery: raised');
  await shop.states.send(new StopExecutionCommand({ executionArn: running.execution ?? '', cause: 'it dies' }));
  const taken = await shop.incident('Useless', ({ takeovers }) => takeovers === 1);
  expect(taken.record).toBe(running.record);
  calm('Useless');
  const after = await closed('Useless', before);
  expect(said(after)).toMatch(/taken over[\s\S]*undone: scale-delivery/);
  // Its change is not made again, or what was before would be forgotten.
  expect(said(after).match(/runs scale-delivery 7, try 1/g)).toHaveLength(1);
  expect(await control()).not.toHaveProperty('shards');
});

test('recovery that never holds: every playbook as often as it may, then people; closed and undone when it is over', async () => {
  const before = (await shop.incidents())
    .filter(({ alarm }) => alarm === 'shop-dev-Useless')
    .map(({ record }) => record);
  shop.load('Useless', () => 100);
  const escalated = await shop.incident(
    'Useless',
    ({ status, record }) => status === 'escalated' && !before.includes(record),
  );
  expect(said(escalated).match(/runs [\w-]+/g)).toEqual([
    'runs scale-delivery',
    'runs scale-delivery',
    'runs notify-clients',
    'runs notify-clients',
  ]);
  await page('p2', 'Useless: over to you');
  expect(Object.keys(escalated.undo).length).toBeGreaterThan(0);
  calm('Useless');
  const after = await shop.incident(
    'Useless',
    ({ status, record }) => status === 'closed' && record === escalated.record,
  );
  expect(after.undo).toEqual({});
  // Far from 25,000 events and 256 KB.
  const { events = [] } = await shop.states.send(
    new GetExecutionHistoryCommand({ executionArn: escalated.execution ?? '', maxResults: 1000 }),
  );
  expect(events.length).toBeLessThan(500);
  expect(Math.max(...events.map(event => JSON.stringify(event).length))).toBeLessThan(20_000);
});

test('two alarms with one cause run a playbook once', async () => {
  const earlier = (await shop.incidents()).map(({ record }) => record);
  const before = (await executions('scale-delivery')).length;
  for (const alarm of ['Slow', 'Twin']) shop.load(alarm, ({ shards }) => (shards === undefined ? 100 : 1));
  const both = await Promise.all(
    ['Slow', 'Twin'].map(alarm =>
      shop.incident(alarm, ({ record, status }) => !earlier.includes(record) && status === 'closed'),
    ),
  );
  for (const alarm of ['Slow', 'Twin']) calm(alarm);
  const runs = (await executions('scale-delivery')).length - before;
  // One to raise, one to undo.
  expect(runs).toBe(2);
  expect(both.map(said).join('\n')).toMatch(/its outcome is awaited|before anything was done/);
});

test('an alarm that clears by itself is not acted on; one that flaps is one incident', async () => {
  const mine = async () => (await shop.incidents()).filter(({ alarm }) => alarm === 'shop-dev-Slowest');
  shop.load('Slowest', () => 100);
  await opened('Slowest');
  calm('Slowest');
  const first = await closed('Slowest');
  expect(said(first)).not.toContain('runs ');
  expect(said(first)).toContain('before anything was done');

  let minute = 0;
  shop.load('Slowest', () => (minute++ < 12 ? (minute % 2) * 100 : 0));
  const second = await shop.incident('Slowest', ({ status, record }) => status === 'closed' && record !== first.record);
  expect(minute).toBeGreaterThan(12);
  expect((await mine()).map(({ record }) => record).sort()).toEqual([first.record, second.record].sort());
});

test('the switch is off: people are told, nothing is done', async () => {
  const earlier = (await shop.incidents()).map(({ record }) => record);
  await setSwitch(target, 'off');
  shop.load('Broken', () => 100);
  const off = await shop.incident(
    'Broken',
    ({ status, record }) => status === 'escalated' && !earlier.includes(record),
  );
  await setSwitch(target, 'automatic');
  expect(said(off)).toContain('the switch is off');
  expect(said(off)).not.toContain('runs ');
  await page('p2', 'Broken', 'nothing: the switch of the remediation is off');
  calm('Broken');
});

test('a playbook that hangs is given up after its time', async () => {
  shop.load('Hanging', () => 100);
  const failed = await says('Hanging', 'flush-backlog, try 1 of 1 failed: States.Timeout');
  calm('Hanging');
  expect(failed.status).toBe('open');
  const hanging = await closed('Hanging');
  expect(said(hanging)).toContain('runs notify-clients');
  // Only what is temporary is given back after recovery: a release that was taken back is not deployed again.
  expect(said(hanging)).not.toContain('undone: notify-clients');
  expect(hanging.undo).toEqual({});
});

test('the store is down: people are told all the same, by the ladder too', async () => {
  const told = shop.pages.length;
  const since = () => shop.pages.slice(told);
  shop.faults.inject({ fault: 'store-outage' });
  shop.load('Twin', () => 100);
  await shop.until(() => since().find(({ topic, subject }) => topic === 'p2' && subject.includes('Twin')), 'the page');
  await shop.until(() => since().find(({ topic }) => topic === 'lead'), 'the ladder');
  await shop.until(() => since().find(({ subject }) => subject.includes('Twin: over to you')), 'the hand-over');
  shop.faults.clear();
});
