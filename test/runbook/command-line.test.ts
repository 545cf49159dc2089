import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { alignedTable } from '../../bin/runbook/aligned-table.ts';
import { checkRunbooks } from '../../bin/runbook/check.ts';
import { NewRunbookError, newRunbook } from '../../bin/runbook/new.ts';
import { showRunbook } from '../../bin/runbook/show.ts';
import type { Environment } from '../../lib/config/environment.ts';
import { monthlyCost } from '../../lib/runbook/monthly-cost.ts';
import { readRunbook } from '../../lib/runbook/reader.ts';
import { valid } from './mistakes.ts';

jest.setTimeout(30_000);

const root = join(__dirname, '../..');
const address = {
  slack: 'C0123456789',
  pagerduty: 'https://pager.test/',
  phone: '+12025550100',
  email: 'a@example.com',
};
const environment: Environment = {
  name: 'prod',
  region: 'eu-central-1',
  tokens: { issuer: 'https://login.test/', audience: 'api', jwksUrl: 'https://login.test/jwks.json' },
  allowedOrigins: [],
  runbookBaseUrl: 'https://runbooks.test',
  removalPolicy: 'retain',
  anonymous: false,
  contacts: { 'on-call': address, 'team-lead': address },
  limits: {},
};

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'runbooks-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const write = (service: string, text: string) => {
  const path = join(directory, `${service}.md`);
  writeFileSync(path, text.replace('service: orders', `service: ${service}`));
  return path;
};

describe('check', () => {
  const check = (files: string[] = [], environments = [environment]) =>
    checkRunbooks({ files, directory, environments, today: '2026-11-22' });

  test('passes what has no mistakes, and adds up the shares of the quota', () => {
    write('orders', valid);
    write('prices', valid.replace('| 20 % |', '| 9 % |'));
    expect(check()).toEqual({
      passed: true,
      lines: ['', 'Share of the account’s request quota:', '  orders: 20 %', '  prices: 9 %', '  29 % in all'],
    });
  });

  test('reports all mistakes of all files', () => {
    const orders = write(
      'orders',
      valid.replace('| Backlog | > 1000', '| Backlgo | > 1000').replace('| P1 |', '| P9 |'),
    );
    const prices = write('prices', valid.replace('owner:', 'ownr:'));
    const { lines, passed } = check();
    expect(passed).toBe(false);
    expect(lines.slice(0, 3)).toEqual([
      expect.stringMatching(`^${orders}:53:17: unknown signal \`Backlgo\``),
      expect.stringMatching(`^${orders}:54:80: severity \`P9\``),
      expect.stringMatching(`^${prices}:4:1: unknown key \`ownr\``),
    ]);
  });

  test('warns and passes', () => {
    const path = write('orders', valid.replace('2027-02-22', '2026-04-16'));
    const { lines, passed } = check([path]);
    expect(passed).toBe(true);
    expect(lines[0]).toBe(
      `warning: ${path}:6:9: \`review\` was due on 2026-04-16; expected a review now, and the date of the next one`,
    );
  });

  test('refuses services that want more than the whole quota together', () => {
    for (const service of ['a', 'b', 'c']) write(service, valid.replace('| 20 % |', '| 40 % |'));
    const { lines, passed } = check();
    expect(passed).toBe(false);
    expect(lines.at(-1)).toBe(
      '  error: 120 % in all; expected at most 100 %, since services in one account and Region divide it',
    );
  });

  test('tells everything that does not depend on what is wrong', () => {
    const text = valid
      .replace('| Backlog | > 1000', '| Backlgo | > 1000')
      .replace('2027-02-22', '2026-04-16')
      .replace('Look at the queue.', 'Look at the queue, below 100 % at most.')
      .replace('| on-call | PagerDuty', '| on-cal | PagerDuty');
    const path = write('orders', text);
    const { lines, passed } = check([path], [{ ...environment, limits: { maxConnections: 5 } }]);
    expect(passed).toBe(false);
    expect(lines.map(line => line.replace(`${path}:`, '').split(/[;,]/)[0])).toEqual([
      '53:17: unknown signal `Backlgo`',
      '72:11: contact `on-cal`',
      ' in prod: maxConnectionsPerUser: Maximum connections per user is 10',
      ' in prod: maxConnectionsPerAddress: Maximum connections per address is 500',
      'warning: 6:9: `review` was due on 2026-04-16',
      'warning: 58:26: `100 %`',
      '',
      'Share of the account’s request quota:',
      '  orders: 20 %',
      '  20 % in all',
    ]);
  });

  test('tells what is wrong with the limits of an environment once where the runbook is at fault', () => {
    const path = write('orders', valid.replace('| 10 | team |', '| 20000 | team |'));
    const { lines } = check([path]);
    expect(lines.filter(line => line.includes('Maximum connections per user is'))).toEqual([
      expect.stringMatching(/orders\.md:24:34: /),
    ]);
  });

  test('refuses what an environment has no address for, or sets wrongly', () => {
    const path = write('orders', valid);
    const { 'on-call': _, ...contacts } = environment.contacts;
    const { lines } = check([path], [{ ...environment, contacts, limits: { maxConnections: 5 } }]);
    expect(lines.slice(0, 3)).toEqual([
      `${path}:72:11: contact \`on-call\`, which prod does not have; expected one of its contacts: team-lead`,
      `${path}: in prod: maxConnectionsPerUser: Maximum connections per user is 10; expected at most 5, the Maximum connections`,
      `${path}: in prod: maxConnectionsPerAddress: Maximum connections per address is 500; expected at most 5, the Maximum connections`,
    ]);
  });
});

describe('new', () => {
  const template = join(root, 'runbooks', 'template.md');
  const now = new Date('2026-11-30T23:00:00Z');

  test('begins a runbook without mistakes, dated today', () => {
    const path = newRunbook('billing', directory, template, now);
    const runbook = readRunbook(path, readFileSync(path, 'utf8'));
    expect(runbook).toMatchObject({ service: 'billing', updated: '2026-11-30', review: '2027-02-28' });
  });

  test('overwrites nothing', () => {
    const path = write('billing', 'mine');
    expect(() => newRunbook('billing', directory, template, now)).toThrow(
      new NewRunbookError(`${path} is there already; expected the name of a new service`),
    );
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  test.each(['Billing', '../billing', 'template', ''])('refuses %j as a name', name => {
    expect(() => newRunbook(name, directory, template, now)).toThrow(NewRunbookError);
  });
});

test('show tells what an environment makes of a runbook', () => {
  const text = valid.replace('| Backlog | > 1000 for 5 min', '| ConcurrencyUsed | > 80 % for 5 min');
  const lines = showRunbook(readRunbook('orders.md', text), { ...environment, limits: { fanOutConcurrency: 4 } }).split(
    '\n',
  );
  const found = lines.find(line => line.startsWith('orders-prod-HighBacklog'));
  expect(found?.split(/ {2,}/)).toEqual([
    'orders-prod-HighBacklog',
    'P2',
    'ConcurrencyUsed',
    '> 80 %',
    '1 min',
    '5 of 5',
    '100 * concurrent / 4',
    'scale-delivery(to 4), then throttle-publishers(100 ms); tries 3; cooldown 5 min',
    'https://runbooks.test/orders.md#orders-wait',
  ]);
  expect(lines.find(line => line.startsWith('orders-prod-BrokenConnections'))).toContain(
    'Sum Disconnects[Reason=abnormal]',
  );
  expect(lines.some(line => /^15 min +team-lead +phone +ConnectionDrop > 10 %$/.test(line))).toBe(true);
  expect(lines.at(-1)).toMatch(/^A month: \d+ custom metrics \$\d+\.\d\d, alarms on 4 metrics \$0\.40/);
});

test('the cost counts each metric and each metric of an alarm', () => {
  const { alarms, recovery } = readRunbook('orders.md', valid);
  const cost = monthlyCost({ alarms, recovery });
  // Two alarms and two criteria of one metric each.
  expect(cost.alarmMetrics).toBe(4);
  expect(cost.alarmsDollars).toBeCloseTo(0.4);
  expect(cost.metricsDollars).toBeCloseTo(cost.metrics * 0.3);
  const [first] = alarms;
  if (first?.condition.kind !== 'threshold') throw new Error('no alarm');
  const { comparison: _, threshold: __, ...observed } = first.condition;
  const band = { ...first, condition: { ...observed, kind: 'band' as const, deviations: 2 } };
  const churn = {
    ...first,
    condition: {
      ...first.condition,
      signal: 'Churn' as const,
      minimumSample: { signal: 'BaselineConnections' as const, comparison: '>=' as const, threshold: 50 },
    },
  };
  expect(monthlyCost({ alarms: [band, churn], recovery: [] }).alarmMetrics).toBe(3 + 6);
});

test('a table is as wide as its widest cells', () => {
  expect(
    alignedTable(
      ['A', 'Long'],
      [
        ['1234', 'x'],
        ['5', ''],
      ],
    ),
  ).toBe('A     Long\n----  ----\n1234  x\n5');
});

describe('the command', () => {
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, ['bin/runbook.ts', ...args], { cwd: root }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );

  test('ends with 0 where nothing is wrong, and with 1 where something is', async () => {
    cpSync(join(root, 'runbooks', 'template.md'), join(directory, 'template.md'));
    await expect(run('check', join(directory, 'template.md'))).resolves.toMatchObject({ code: 0, stderr: '' });
    const path = write('orders', valid.replace('> 1000', '> lots'));
    const failed = await run('check', path);
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain(`${path}:53:`);
  });

  test('says what it cannot do without a stack trace', async () => {
    const failed = await run('show', 'archn');
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('did you mean archon?');
    expect(failed.stderr).not.toContain('    at ');
  });
});
