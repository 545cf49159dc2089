import type { EscalationStep, Runbook, Severity } from '../lib/runbook/runbook.ts';
import type { Told } from './environment.ts';

export interface ExpectedPage extends Told {
  /** From the incident's beginning. */
  readonly minute: number;
}

const isFor =
  (severity: Severity) =>
  ({ severities, condition }: EscalationStep): boolean =>
    condition === undefined && (severities?.includes(severity) ?? true);

/** Whom the runbook's ladder tells, without conditions, until a minute of an incident that nobody acknowledges. */
export const expectedPages = (
  { escalation }: Pick<Runbook, 'escalation'>,
  severity: Severity,
  untilMinute: number,
): ExpectedPage[] =>
  escalation
    .filter(isFor(severity))
    .flatMap(({ afterSeconds, contact, channels }) =>
      channels.map(channel => ({ contact, channel, minute: afterSeconds / 60 })),
    )
    .filter(({ minute }) => minute <= untilMinute);

/** When the ladder's last step is. */
export const lastStepMinute = ({ escalation }: Pick<Runbook, 'escalation'>, severity: Severity): number =>
  Math.max(0, ...escalation.filter(isFor(severity)).map(({ afterSeconds }) => afterSeconds / 60));
