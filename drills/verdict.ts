import { type Incident, nothingAutomaticIsLeft, runsPlaybook } from '../lambdas/shared/incidents.ts';
import { standStill } from '../lib/remediation/escalation.ts';
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

/** From when until when an alarm was OK, minutes since it first fired. */
export interface Pause {
  readonly from: number;
  readonly to: number;
}

const lookMinutes = standStill.toMinutes();

/** How much later a minute of the ladder may be by then: it stands still while the alarm is OK, and looks every so often. */
function laterBy(pauses: readonly Pause[], { minute }: Page, until: number): number {
  if (minute === 0) return 0;
  const paused = pauses.map(({ from, to }) => Math.max(0, Math.min(to, until) - from));
  return paused.reduce((sum, each) => sum + each + (each > 0 ? lookMinutes : 0), 0);
}

/**
 * Compares who was told of an alarm with the runbook's ladder.
 * @param untilMinute how far it was watched
 */
export function judgePages(
  pages: readonly Page[],
  escalation: readonly EscalationStep[],
  severity: Severity,
  untilMinute: number,
  pauses: readonly Pause[] = [],
): PageVerdict {
  const anybody = escalation
    .filter(isFor(severity))
    .flatMap(({ contact, channels }) => channels.map(channel => ({ contact, channel })));
  const isAt = (step: Page) => (page: Page) => {
    const late = page.minute - step.minute;
    return (
      isSame(page, step) && late >= -toleranceMinutes && late <= toleranceMinutes + laterBy(pauses, step, page.minute)
    );
  };
  return {
    missed: ladderOf(escalation, severity)
      .filter(step => step.minute + laterBy(pauses, step, untilMinute) <= untilMinute - toleranceMinutes)
      .filter(step => !pages.some(isAt(step)))
      .map(nameOf),
    unasked: pages.filter(page => !anybody.some(each => isSame(each, page))).map(nameOf),
  };
}
