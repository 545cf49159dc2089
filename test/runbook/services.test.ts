import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { described } from '../../lib/runbook/problem.ts';
import { checkRunbook, listServices, loadRunbook, readRunbook } from '../../lib/runbook/reader.ts';
import type { Settings } from '../../lib/runbook/settings.ts';
import { settingsCatalogue } from '../../lib/runbook/settings-catalogue.ts';

const directory = join(__dirname, '../../runbooks');
const services = ['archon', 'chat-backend', 'dojopool', 'matchbook', 'vitalstream'];

test('there are five services', () => {
  expect(listServices(directory)).toEqual(services);
});

// The teams' own figures, in seconds, bytes and MB.
const figures: [string, Partial<Settings>][] = [
  [
    'archon',
    { maxConnections: 10_000, heartbeatIntervalSeconds: 30, heartbeatGraceSeconds: 10, postTimeoutSeconds: 5 },
  ],
  ['chat-backend', { heartbeatIntervalSeconds: 25, heartbeatGraceSeconds: 25, functionMemoryMegabytes: 1_024 }],
  ['dojopool', { maxConnections: 10_000, functionMemoryMegabytes: 2_048 }],
  ['vitalstream', { maxConnections: 10_000, heartbeatIntervalSeconds: 30, maxMessageBytes: 1_048_576 }],
];

test.each(figures)('%s has its own figures', (service, expected) => {
  expect(loadRunbook(service, directory).settings).toMatchObject(expected);
});

test('chat-backend holds 5000 connections for each of 10 pods', () => {
  expect(loadRunbook('chat-backend', directory).settings.maxConnections).toBe(5_000 * 10);
});

test('vitalstream gives a connection 300 s and pools 1000 posts', () => {
  const { settings } = loadRunbook('vitalstream', directory);
  expect(settings.heartbeatIntervalSeconds + settings.heartbeatGraceSeconds).toBe(300);
  expect(settings.postParallelism * settings.fanOutConcurrency).toBe(1_000);
});

test('matchbook refuses nobody at the count of connections that warns', () => {
  expect(loadRunbook('matchbook', directory).settings.maxConnections).toBeGreaterThan(5_000);
});

test('the five services together fit the request quota of one account', () => {
  const shares = services.map(service => loadRunbook(service, directory).settings.requestQuotaShare);
  expect(shares.reduce((sum, share) => sum + share)).toBeLessThanOrEqual(1);
});

/** Rows of a table of the file, by its heading, as cells. */
function rowsUnder(heading: string, text: string): string[][] {
  const [, below = ''] = text.split(`\n## ${heading}\n`);
  const lines = (below.split('\n## ')[0] ?? '').split('\n').filter(line => line.startsWith('|'));
  return lines.slice(2).map(line =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map(cell => cell.trim()),
  );
}

test.each(services)('%s states every setting', service => {
  const text = readFileSync(join(directory, `${service}.md`), 'utf8');
  const stated = rowsUnder('Settings', text).map(([name]) => name);
  expect(stated.toSorted()).toEqual(settingsCatalogue.map(({ name }) => name).toSorted());
});

test.each(services)('%s says of each figure whose it is', service => {
  const text = readFileSync(join(directory, `${service}.md`), 'utf8');
  for (const heading of ['Settings', 'Alarms', 'Recovered when', 'Escalation']) {
    const rows = rowsUnder(heading, text);
    expect(rows).not.toHaveLength(0);
    for (const row of rows) expect(row.at(-1)).toMatch(/^(team\b|(ours|translated): .+)/);
  }
});

test.each(services)('%s has nothing that check complains or warns of', service => {
  const path = join(directory, `${service}.md`);
  const { problems } = checkRunbook(path, readFileSync(path, 'utf8'), '2026-11-22');
  expect([...problems.errors().problems, ...problems.warnings()].map(described)).toEqual([]);
});

test('the template is a runbook, with the defaults it tells', () => {
  const text = readFileSync(join(directory, 'template.md'), 'utf8');
  const { settings } = readRunbook('template.md', text);
  const defaults = settingsCatalogue.filter(setting => setting.default !== undefined);
  expect(settings).toMatchObject(Object.fromEntries(defaults.map(setting => [setting.field, setting.default])));
  for (const setting of settingsCatalogue) {
    const marked = setting.default === undefined ? 'required' : 'default';
    expect(text).toMatch(new RegExp(`^\\| ${setting.name} \\| .+ \\| ${marked} \\|$`, 'm'));
  }
});
