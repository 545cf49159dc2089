import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { RunbookErrors } from '../../lib/runbook/problem.ts';
import { listServices, loadRunbook, readRunbook } from '../../lib/runbook/reader.ts';
import { settingsCatalogue } from '../../lib/runbook/settings-catalogue.ts';
import { conflicts } from '../../lib/runbook/settings-rules.ts';
import { severities } from '../../lib/runbook/severity.ts';
import { broken, mistakes, valid } from './mistakes.ts';

test('a runbook is read', () => {
  expect(readRunbook('some/where/orders.md', valid)).toEqual({
    service: 'orders',
    title: 'Order updates',
    owner: 'Operations',
    updated: '2026-11-22',
    review: '2027-02-22',
    settings: {
      maxConnections: 10_000,
      maxConnectionsPerUser: 10,
      maxConnectionsPerAddress: 500,
      maxChannelsPerConnection: 100,
      maxFramesPerSecond: 20,
      maxMessageBytes: 122_880,
      heartbeatIntervalSeconds: 25,
      heartbeatGraceSeconds: 25,
      retentionSeconds: 86_400,
      drainWindowSeconds: 30,
      postTimeoutSeconds: 5,
      postParallelism: 50,
      fanOutConcurrency: 5,
      functionMemoryMegabytes: 1_024,
      requestQuotaShare: 0.2,
      responseTimeP0Seconds: 900,
      responseTimeP1Seconds: 3_600,
      responseTimeP2Seconds: 14_400,
      responseTimeP3Seconds: 86_400,
    },
    alarms: [
      {
        name: 'HighBacklog',
        condition: {
          kind: 'threshold',
          signal: 'Backlog',
          statistic: 'Average',
          comparison: '>',
          threshold: 1_000,
          periodSeconds: 60,
          periods: 5,
          datapoints: 5,
        },
        severity: 'P2',
        procedure: { heading: 'Orders wait', anchor: 'orders-wait' },
        remediation: {
          kind: 'playbooks',
          playbooks: [
            { playbook: 'scale-delivery', parameters: { shards: 4 } },
            { playbook: 'throttle-publishers', parameters: { intervalMs: 100 } },
          ],
          tries: 3,
          cooldownSeconds: 300,
          mode: 'automatic',
        },
        quiet: [{ schedule: 'cron(0 0 * * SAT,SUN)', duration: 'PT24H', timeZone: 'UTC' }],
        text: 'Backlog > 1000 for 5 min',
      },
      {
        name: 'BrokenConnections',
        condition: {
          kind: 'threshold',
          signal: 'Disconnects',
          dimension: { name: 'Reason', value: 'abnormal' },
          statistic: 'Sum',
          comparison: '>',
          threshold: 60,
          periodSeconds: 60,
          periods: 5,
          datapoints: 3,
        },
        severity: 'P1',
        procedure: { heading: 'Orders wait', anchor: 'orders-wait' },
        remediation: { kind: 'none', reason: 'networks break outside' },
        quiet: [],
        text: 'Disconnects[reason=abnormal] > 60/min for 3 of 5 min',
      },
    ],
    recovery: [
      {
        kind: 'signal',
        condition: {
          kind: 'threshold',
          signal: 'ProbeSuccess',
          statistic: 'Average',
          comparison: '>=',
          threshold: 100,
          periodSeconds: 60,
          periods: 3,
          datapoints: 3,
        },
        text: 'ProbeSuccess >= 100 %',
      },
      {
        kind: 'signal',
        condition: {
          kind: 'threshold',
          signal: 'Backlog',
          statistic: 'Average',
          comparison: '<',
          threshold: 100,
          periodSeconds: 60,
          periods: 5,
          datapoints: 5,
        },
        text: 'Backlog < 100 for 5 min',
      },
      { kind: 'person', text: 'Nobody sees an order twice' },
    ],
    escalation: [
      {
        afterSeconds: 0,
        contact: 'on-call',
        channels: ['PagerDuty', 'Slack'],
        severities: ['P1'],
        everySeconds: 300,
      },
      {
        afterSeconds: 900,
        contact: 'team-lead',
        channels: ['phone'],
        condition: {
          kind: 'threshold',
          signal: 'ConnectionDrop',
          statistic: 'Average',
          comparison: '>',
          threshold: 10,
          periodSeconds: 60,
          periods: 1,
          datapoints: 1,
        },
      },
      { afterSeconds: 900, contact: 'team-lead', channels: ['email'] },
    ],
  });
});

test.each([
  ['Windows line endings', valid.replaceAll('\n', '\r\n')],
  ['a byte order mark', `\uFEFF${valid}`],
  ['no newline at the end', valid.trimEnd()],
])('%s change nothing', (_, text) => {
  expect(readRunbook('orders.md', text)).toEqual(readRunbook('orders.md', valid));
});

test('with Windows line endings mistakes keep their places', () => {
  const text = broken('| 1024 MB |', '| 1024 |').replace('owner:', 'ownr:');
  expect(mistakes(text)).toHaveLength(2);
  expect(mistakes(text.replaceAll('\n', '\r\n'))).toEqual(mistakes(text));
});

test('all mistakes of a file are reported at once, in the order of the file', () => {
  const text = valid
    .replace('updated: 2026-11-22', 'updated: 22.11.2026')
    .replace('| Maximum connections | 10000 |', '| Maximum connections | lots |')
    .replace('| Heartbeat grace | 25 s |', '| Hartbeat grace | 25 s |')
    .replace('| Post timeout | 5 s |', '| Post timeout | 1 min |')
    .replace('| Function memory | 1024 MB | team |', '| Function memory |');
  const attempt = () => readRunbook('runbooks/orders.md', text);
  expect(attempt).toThrow(RunbookErrors);
  expect(attempt).toThrow(
    new RunbookErrors([
      {
        file: 'runbooks/orders.md',
        line: 5,
        column: 10,
        message: '`updated` is `22.11.2026`; expected an ISO date such as 2026-11-22',
      },
      {
        file: 'runbooks/orders.md',
        line: 23,
        column: 25,
        message: '`Maximum connections` is `lots`; expected a whole number, such as `10000`',
      },
      {
        file: 'runbooks/orders.md',
        line: 30,
        column: 3,
        message: 'unknown setting `Hartbeat grace`; expected the name of a setting (did you mean Heartbeat grace?)',
      },
      {
        file: 'runbooks/orders.md',
        line: 33,
        column: 18,
        message:
          '`Post timeout` is `1 min`; expected 1 s to 10 s (one client that does not take its message must not hold up a whole fan-out)',
      },
      {
        file: 'runbooks/orders.md',
        line: 36,
        column: 20,
        message: 'a row without the cell `Value`; expected its `Value`',
      },
    ]),
  );
  expect(attempt).toThrow(/^runbooks\/orders\.md:5:10: `updated` is/);
});

test('an empty file is answered with what a runbook needs', () => {
  expect(mistakes('')).toEqual([
    '1:1: the file begins without front matter; expected front matter between two lines `---` with the keys service, title, owner, updated, review',
    ...['Settings', 'Alarms', 'Recovered when', 'Escalation'].map(
      title => `1:1: the file ends without a heading \`## ${title}\`; expected a heading \`## ${title}\``,
    ),
  ]);
});

const anySettings = fc
  .record(
    Object.fromEntries(
      settingsCatalogue.map(({ field, minimum, maximum }) => [
        field,
        // Shares in whole percents: what a runbook writes is what it means.
        field === 'requestQuotaShare'
          ? fc.integer({ min: 1, max: 100 }).map(percent => percent / 100)
          : fc.integer({ min: minimum, max: maximum }),
      ]),
    ),
  )
  // Drawn at random, hardly any response times come in the order that they have to have.
  .map(settings => ({ ...settings, ...inOrder(settings) }))
  .filter(settings => conflicts(settings).length === 0);

function inOrder(settings: Readonly<Record<string, number>>): Record<string, number> {
  const fields = severities.map(severity => `responseTime${severity}Seconds`);
  const times = fields.map(field => settings[field] ?? Number.NaN).toSorted((a, b) => a - b);
  return Object.fromEntries(fields.map((field, index) => [field, times[index] ?? Number.NaN]));
}

test('every allowed combination of settings is read as it was written', () => {
  fc.assert(
    fc.property(anySettings, settings => {
      const rows = settingsCatalogue.map(
        ({ name, field, quantity }) => `| ${name} | ${quantity.format(settings[field] ?? Number.NaN)} |`,
      );
      const head = valid.slice(0, valid.indexOf('| Setting |'));
      const tail = valid.slice(valid.indexOf('### Why these'));
      const text = `${head}| Setting | Value |\n|---|---|\n${rows.join('\n')}\n\n${tail}`;
      expect(readRunbook('orders.md', text).settings).toEqual(settings);
    }),
    { numRuns: 50 },
  );
});

const fragment = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom(
    '|',
    '\n',
    '\r',
    '\r\n',
    '---',
    '\n---\n',
    '## ',
    '# Settings\n',
    '&a ',
    '*a',
    '<<: ',
    '{',
    '[',
    ': ',
    '```\n',
    '> ',
    '\t',
    '\\',
    '\0',
    '%',
    '\uFEFF',
    '!!set ',
    '? ',
  ),
);
const mutation = fc.record({ at: fc.nat({ max: valid.length }), cut: fc.nat({ max: 40 }), fragment });

test('a changed runbook is read or answered with mistakes that lie in the file', () => {
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), mutations => {
      const text = mutations.reduce(
        (before, { at, cut, fragment: inserted }) => before.slice(0, at) + inserted + before.slice(at + cut),
        valid,
      );
      try {
        readRunbook('orders.md', text);
      } catch (error) {
        if (!(error instanceof RunbookErrors)) throw error;
        const lines = text.split(/\r\n|\n|\r/);
        expect(error.problems.length).toBeGreaterThan(0);
        for (const { line, column, message } of error.problems) {
          expect(lines.length).toBeGreaterThanOrEqual(line);
          expect(line).toBeGreaterThanOrEqual(1);
          expect(column).toBeGreaterThanOrEqual(1);
          expect(column).toBeLessThanOrEqual((lines[line - 1] ?? '').length + 1);
          expect(message).toMatch(/; expected /);
        }
      }
    }),
    { numRuns: 150 },
  );
});

describe('a directory of runbooks', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'runbooks-'));
    writeFileSync(join(directory, 'orders.md'), valid);
    writeFileSync(join(directory, 'billing.md'), 'broken');
    writeFileSync(join(directory, 'template.md'), 'not a service');
    writeFileSync(join(directory, 'notes.txt'), 'not a runbook');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test('lists its services without the template', () => {
    expect(listServices(directory)).toEqual(['billing', 'orders']);
  });

  test('loads a service by its name', () => {
    expect(loadRunbook('orders', directory).title).toBe('Order updates');
  });

  test('reports mistakes with the path of the file', () => {
    expect(() => loadRunbook('billing', directory)).toThrow(`${join(directory, 'billing.md')}:1:1: `);
  });

  test.each([
    ['order', 'no runbook for `order` in DIRECTORY; expected one of billing, orders (did you mean orders?)'],
    ['template', 'no runbook for `template` in DIRECTORY; expected one of billing, orders'],
    ['../orders', 'no runbook for `../orders` in DIRECTORY; expected one of billing, orders (did you mean orders?)'],
  ])('answers %j with the services there are', (service, message) => {
    expect(() => loadRunbook(service, directory)).toThrow(
      expect.objectContaining({ message: message.replace('DIRECTORY', directory) }),
    );
  });

  test('that does not exist is named', () => {
    const missing = join(directory, 'missing');
    expect(() => loadRunbook('orders', missing)).toThrow(`runbooks \`${missing}\`: cannot be read`);
  });
});
