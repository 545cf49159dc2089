import { type Incident, nothingAutomaticIsLeft, runsPlaybook } from '../lambdas/shared/incidents.ts';
import type { EscalationStep, Severity } from '../lib/runbook/runbook.ts';
import type { Told } from './environment.ts';

/**
 * What became of an alarm. `cleared`: it was over without anything that the platform did, so the fault did not last. `superseded`:
 * a more severe alarm of the signal had the remediation. `not over`: neither recovered nor with people in time. `not begun`:
 * something was wrong without a fault, or the drill itself failed.
 */
export type Outcome = 'recovered' | 'escalated' | 'cleared' | 'superseded' | 'not detected' | 'not over' | 'not begun';

/** Playbooks that were run for an incident, in order. */
export function playbooksOf({ timeline }: Pick<Incident, 'timeline'>): readonly string[] {
  const runs = timeline.flatMap(({ text }) => (text.startsWith(runsPlaybook) ? [text.slice(runsPlaybook.length)] : []));
  return [...new Set(runs.map(run => /^[a-z-]+/.exec(run)?.[0] ?? run))];
}

/** Whether a playbook that another incident had run was awaited for this one: two alarms can have one cause. */
const awaited = ({ timeline }: Pick<Incident, 'timeline'>): boolean =>
  timeline.some(({ text }) => text.endsWith('its outcome is awaited'));

/** What an incident came to, if it has come to something. */
export function outcomeOf(
  incident: Pick<Incident, 'status' | 'timeline' | 'supersededBy'> | undefined,
): Extract<Outcome, 'recovered' | 'escalated' | 'cleared' | 'superseded'> | undefined {
  if (incident?.status === 'escalated') return 'escalated';
  if (incident?.status !== 'closed') return undefined;
  // Handed over and closed since: people had it.
  if (incident.timeline.some(({ text }) => text.startsWith(nothingAutomaticIsLeft))) return 'escalated';
  // One that was superseded can outlast the more severe one, and has its own remediation then.
  if (playbooksOf(incident).length > 0 || awaited(incident)) return 'recovered';
  return incident.supersededBy.size > 0 ? 'superseded' : 'cleared';
}

export interface Page extends Told {
  /** From the alarm. */
  readonly minute: number;
}

/** A minute of monitoring time is a second, and a ladder begins when its incident does. */
const toleranceMinutes = 4;

const nameOf = ({ contact, channel, minute }: Page): string => `${contact} by ${channel} at ${minute} min`;
const isSame = (one: Told, other: Told): boolean => one.contact === other.contact && one.channel === other.channel;

const isFor =
  (severity: Severity) =>
  ({ severities }: EscalationStep): boolean =>
    severities?.includes(severity) ?? true;

/** The ladder of a severity without its conditional steps, until a minute of an incident that nobody acknowledges. */
export const ladderOf = (
  escalation: readonly EscalationStep[],
  severity: Severity,
  untilMinute = Number.POSITIVE_INFINITY,
): Page[] =>
  escalation
    .filter(isFor(severity))
    .filter(({ condition }) => condition === undefined)
    .flatMap(({ afterSeconds, contact, channels }) =>
      channels.map(channel => ({ contact, channel, minute: afterSeconds / 60 })),
    )
    .filter(({ minute }) => minute <= untilMinute);

export interface PageVerdict {
  /** Who should have been told by then, at that minute, and was not. */
  readonly missed: readonly string[];
  /** Who was told and is nowhere in the ladder of the severity. */
  readonly unasked: readonly string[];
}

/** Compares who was told of an alarm with the runbook's ladder. */
export function judgePages(
  pages: readonly Page[],
  escalation: readonly EscalationStep[],
  severity: Severity,
  untilMinute: number,
): PageVerdict {
  const anybody = escalation
    .filter(isFor(severity))
    .flatMap(({ contact, channels }) => channels.map(channel => ({ contact, channel })));
  const isAt = (step: Page) => (page: Page) =>
    isSame(page, step) && Math.abs(page.minute - step.minute) <= toleranceMinutes;
  return {
    missed: ladderOf(escalation, severity, untilMinute - toleranceMinutes)
      .filter(step => !pages.some(isAt(step)))
      .map(nameOf),
    unasked: pages.filter(page => !anybody.some(each => isSame(each, page))).map(nameOf),
  };
}
