import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeSynthesized, runbooks, type SynthesizedTemplate, synthesized } from './synthesized.ts';

jest.setTimeout(60_000);
afterAll(removeSynthesized);

/** Logical ids and names of what differs between two templates. */
function changes(before: SynthesizedTemplate, after: SynthesizedTemplate): string[] {
  const ids = new Set([...Object.keys(before.Resources), ...Object.keys(after.Resources)]);
  return [...ids].flatMap(id => {
    const [old, now] = [before.Resources[id], after.Resources[id]];
    if (JSON.stringify(old) === JSON.stringify(now)) return [];
    const { AlarmName, DashboardName } = now?.Properties ?? {};
    return [`${now?.Type} ${AlarmName ?? DashboardName ?? id}`];
  });
}

// One of each kind: a threshold, a threshold in a unit, N, a minimum sample, the breadth of a band.
test.each([
  ['matchbook', 'WebSocketMessageBacklog', '| > 10000 for 5 min |', '| > 12000 for 5 min |', { Threshold: 12_000 }],
  [
    'matchbook',
    'DelayedMarketData',
    '| p95 > 2 s for 3 of 5 min |',
    '| p95 > 3 s for 3 of 5 min |',
    { Threshold: 3_000 },
  ],
  [
    'matchbook',
    'ConnectionsNearLimit',
    '| > 90 % for 2 min |',
    '| > 90 % for 4 min |',
    { EvaluationPeriods: 4, DatapointsToAlarm: 4 },
  ],
  [
    'matchbook',
    'UsersDisconnected',
    'for 2 of 3 min when BaselineConnections >= 50 | P1 |',
    'for 2 of 3 min when BaselineConnections >= 60 | P1 |',
    { Metrics: expect.arrayContaining([expect.objectContaining({ Expression: expect.stringContaining('>= 60,') })]) },
  ],
  [
    'matchbook',
    'ConnectionTrend',
    '| outside 3 band for 30 min |',
    '| outside 4 band for 30 min |',
    {
      Metrics: expect.arrayContaining([
        expect.objectContaining({ Expression: expect.stringMatching(/BAND\(\w+, 4\)/) }),
      ]),
    },
  ],
])(
  'in %s a figure of %s changes that alarm and the dashboard only',
  async (service, alarm, figure, other, properties) => {
    const directory = mkdtempSync(join(tmpdir(), 'steadysocket-runbooks-'));
    try {
      cpSync(runbooks, directory, { recursive: true });
      const file = join(directory, `${service}.md`);
      const lines = readFileSync(file, 'utf8').split('\n');
      const row = lines.findIndex(line => line.startsWith(`| ${alarm} |`));
      const changed = lines[row]?.replace(figure, other);
      expect(changed).not.toBe(lines[row]);
      writeFileSync(file, lines.with(row, changed as string).join('\n'));

      const before = (await synthesized(service, 'prod')).observability;
      const after = (await synthesized(service, 'prod', directory)).observability;
      expect(changes(before, after).sort()).toEqual([
        `AWS::CloudWatch::Alarm ${service}-prod-${alarm}`,
        `AWS::CloudWatch::Dashboard ${service}-prod`,
      ]);
      const resource = Object.values(after.Resources).find(
        ({ Properties }) => Properties.AlarmName === `${service}-prod-${alarm}`,
      );
      expect(resource?.Properties).toMatchObject(properties);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
