import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drillCopy } from '../../drills/copy.ts';
import { promised } from '../../drills/drill.ts';
import { drillEnvironment } from '../../drills/environment.ts';
import { notHere, scenarioOf } from '../../drills/scenarios/scenarios.ts';
import { parseEnvironments } from '../../lib/config/environment-schema.ts';
import { loadRunbook } from '../../lib/runbook/reader.ts';
import { services as names } from '../realtime/templates.ts';

const runbooks = join(import.meta.dirname, '..', '..', 'runbooks');
const services = names.map(service => loadRunbook(service, runbooks));
const all = services.flatMap(runbook => runbook.alarms.map(row => [runbook.service, row.name, runbook, row] as const));
const rows = all.filter(([service, , , row]) => notHere(row, service) === undefined);

test('every alarm of the services has a drill but the certificate’s, and a band one of its own', () => {
  const without = all.filter(row => !rows.includes(row)).map(([service, name]) => `${service} ${name}`);
  expect(without).toEqual(['vitalstream CertificateEnds']);
  const bands = rows.filter(([, , , { condition }]) => condition.kind === 'band');
  expect(bands.map(([, , runbook, row]) => scenarioOf(row, runbook).calmMinutes)).toEqual([170, 170, 170]);
});

test('an alarm that nothing here can bring about is told, and has none', () => {
  const [, , runbook, row] = rows.find(([, , , { condition }]) => condition.kind === 'band') ?? [];
  if (!row || !runbook) throw new Error('no band');
  const other = { ...row, name: 'Mine', condition: { ...row.condition, signal: 'Backlog' as const } };
  expect(notHere(other, 'mine')).toBe('nothing here brings Backlog out of its band as yet');
  expect(() => scenarioOf(other, { ...runbook, service: 'mine' })).toThrow(
    'there is no drill for Mine of mine: nothing here',
  );
});

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'drill-copy-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

test.each(rows)('%s %s has a drill, whose copy of the runbook is one', (service, _, runbook, row) => {
  const { changes = [], fault } = scenarioOf(row, runbook);
  expect(fault).not.toBe('');
  const text = readFileSync(join(runbooks, `${service}.md`), 'utf8');
  writeFileSync(join(directory, `${service}.md`), drillCopy(text, changes).markdown);
  const copy = loadRunbook(service, directory);
  const { condition: copied, ...rest } = copy.alarms.find(({ name }) => name === row.name) ?? row;
  const { condition } = row;
  // Only figures and quiet hours may differ: the times in which it fires, and what is done, are the runbook's own.
  expect(rest).toMatchObject({ severity: row.severity, remediation: row.remediation, procedure: row.procedure });
  const times = ({ periodSeconds, periods, datapoints, signal }: typeof condition) => ({
    periodSeconds,
    periods,
    datapoints,
    signal,
  });
  expect(times(copied)).toEqual(times(condition));
  expect(copy.escalation).toEqual(runbook.escalation);
});

test('where a playbook changes something the runbook promises recovery, else people', () => {
  const of = (service: string, alarm: string) => {
    const row = rows.find(([each, name]) => each === service && name === alarm)?.[3];
    if (!row) throw new Error(`no ${alarm}`);
    return promised(row);
  };
  expect(of('archon', 'CensusStopped')).toBe('recovered');
  expect(of('archon', 'NothingPublished')).toBe('escalated');
  expect(of('chat-backend', 'HealthCheck')).toBe('escalated');
});

test.each(services)('$service: everybody in the ladder has an address of their own on each channel', runbook => {
  const { environment, told } = drillEnvironment(runbook);
  const [parsed] = parseEnvironments('drill', [environment]);
  expect(parsed).toBeDefined();
  const named = new Set(runbook.escalation.flatMap(step => step.channels.map(channel => `${step.contact} ${channel}`)));
  expect(new Set([...told.values()].map(({ contact, channel }) => `${contact} ${channel}`))).toEqual(named);
});
