import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { Report } from '../../../drills/report.ts';

const root = join(import.meta.dirname, '..', '..', '..');
// A drill takes a minute or two; the first figure of this machine's speed is how long it takes to synthesize.
jest.setTimeout(600_000);

interface Run {
  readonly code: number;
  readonly reports: readonly Report[];
  readonly timeline: string;
}

function drill(...args: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const command = [join(root, 'drills/main.ts'), '--json', '--time-scale', '40', '--ladder-minutes', '16', ...args];
    execFile(process.execPath, command, { cwd: root, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      const code = error?.code ?? 0;
      if (typeof code !== 'number' || stdout === '') reject(new Error(stderr));
      else resolve({ code, reports: JSON.parse(stdout), timeline: stderr });
    });
  });
}

test('an alarm is remedied by its playbook, and not without it', async () => {
  const { code, reports, timeline } = await drill('--service', 'archon', '--alarm', 'CensusStopped', '--control');
  expect([code, timeline]).toEqual([0, expect.stringContaining('runs restart-functions')]);
  expect(reports).toMatchObject([
    {
      ...{ service: 'archon', alarm: 'CensusStopped', thresholdFactor: 1, remediation: 'on' },
      ...{ expected: 'recovered', outcome: 'recovered', playbooks: ['restart-functions'] },
      ...{ lostMessages: 0, missedPages: [], unaskedPages: [], pendingUndo: [], firedAgain: false },
    },
    {
      remediation: 'off',
      expected: 'escalated',
      outcome: 'escalated',
      playbooks: [],
      lostMessages: 0,
      missedPages: [],
    },
  ]);
  for (const { acceptedMessages, detectedMinutes } of reports) {
    expect(acceptedMessages).toBeGreaterThan(100);
    // Three minutes without a census, from the minute on in which it stopped.
    expect(detectedMinutes).toBeGreaterThan(2);
    expect(detectedMinutes).toBeLessThan(9);
  }
});

test('what no playbook cures is with the right people at the right minutes, and closed when it is over', async () => {
  const { code, reports } = await drill('--service', 'dojopool', '--alarm', 'MessagesUndeliverable');
  expect(code).toBe(0);
  const [report] = reports;
  expect(report).toMatchObject({ expected: 'escalated', outcome: 'escalated', lostMessages: 0, missedPages: [] });
  expect(report?.recoveredMinutes).not.toBeNull();
  const contacts = new Set(report?.paged.map(({ contact }) => contact));
  // Of its severity, P3, only the channel is told, and again every five minutes.
  expect([...contacts]).toEqual(['incident-channel']);
  const minutes = (report?.paged ?? []).map(({ minute }) => minute);
  // At once, after five minutes, and when it is over at the latest.
  expect(minutes[0]).toBeLessThan(2);
  expect(minutes.some(minute => minute > 4 && minute < 6.5)).toBe(true);
  expect(minutes.at(-1)).toBeGreaterThan(6.5);
});
