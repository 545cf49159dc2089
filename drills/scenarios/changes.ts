import type { AlarmRow, Runbook } from '../../lib/runbook/runbook.ts';
import type { Change } from '../copy.ts';

/** The threshold of the alarm, and what counts as recovered of its signal, by so much less. */
export function figuresDivided(
  { condition: { signal }, severity }: AlarmRow,
  { alarms, recovery }: Runbook,
  by: number,
  sharesToo?: true,
): Change[] {
  const to = { dividedBy: by, ...(sharesToo && { sharesToo }) };
  const criteria = recovery.filter(criterion => criterion.kind === 'signal' && criterion.condition.signal === signal);
  return [
    // Those of less severe ones too, since the more severe has to have the farther figure.
    ...alarms
      .filter(each => each.condition.signal === signal && each.severity >= severity)
      .map(({ name }) => ({ section: 'Alarms' as const, row: name, column: 'Fires when', to })),
    ...criteria.map(({ text }) => ({
      section: 'Recovered when' as const,
      row: text.split(' ')[0] ?? text,
      column: 'Condition',
      to,
    })),
  ];
}

export const settingDivided = (row: string, by: number): Change => ({
  section: 'Settings',
  row,
  column: 'Value',
  to: { dividedBy: by },
});

/** A smaller house; the limit of an address is smaller only as far as it must not be larger than the house. */
export function maximumDivided({ settings }: Runbook, by: number): Change[] {
  const { maxConnections, maxConnectionsPerAddress } = settings;
  const tooMany = maxConnectionsPerAddress / Math.round(maxConnections / by);
  return [
    settingDivided('Maximum connections', by),
    ...(tooMany > 1 ? [settingDivided('Maximum connections per address', tooMany)] : []),
  ];
}

/** Clients are heard more often, so that silence is found sooner: these seconds are real ones. So many clients would be too many then. */
export const quickHeartbeats = (runbook: Runbook): Change[] => {
  const { heartbeatIntervalSeconds, heartbeatGraceSeconds } = runbook.settings;
  return [
    ...maximumDivided(runbook, 20),
    settingDivided('Heartbeat interval', heartbeatIntervalSeconds / 5),
    settingDivided('Heartbeat grace', heartbeatGraceSeconds / 5),
  ];
};

/** The drill is at any time of the week. */
export const neverQuiet = ({ name, quiet }: AlarmRow): Change[] =>
  quiet.length === 0 ? [] : [{ section: 'Alarms', row: name, column: 'Quiet', to: 'empty' }];
