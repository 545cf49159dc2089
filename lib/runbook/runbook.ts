import type { Condition, ThresholdCondition } from './condition.ts';
import type { PlaybookName } from './playbooks.ts';
import type { Settings } from './settings.ts';
import type { Severity } from './severity.ts';

export { type Severity, severities } from './severity.ts';

/** A service as its runbook defines it. */
export interface Runbook {
  /** Name of the service: lower case, digits and hyphens; the file is `<service>.md`. */
  readonly service: string;
  readonly title: string;
  readonly owner: string;
  /** ISO date of the last change. */
  readonly updated: string;
  /** ISO date of the next review. */
  readonly review: string;
  readonly settings: Settings;
  readonly alarms: readonly AlarmRow[];
  readonly recovery: readonly RecoveryCriterion[];
  /** In the order of time. */
  readonly escalation: readonly EscalationStep[];
}

/** A row of `## Alarms`. */
export interface AlarmRow {
  /** Letters and digits, unique in the runbook. */
  readonly name: string;
  readonly condition: Condition;
  readonly severity: Severity;
  /** Where the runbook says what to do. */
  readonly procedure: { readonly heading: string; readonly anchor: string };
  readonly remediation: Remediation;
  /** Hours in which the alarm is muted; none where the list is empty. */
  readonly quiet: readonly QuietHours[];
  /** `Signal` and `Fires when` as written. */
  readonly text: string;
}

/** What the platform does about an alarm, or why nothing. */
export type Remediation =
  | {
      readonly kind: 'playbooks';
      /** In the order in which they are tried; the next one when the one before did not help. */
      readonly playbooks: readonly PlaybookCall[];
      /** How often each is tried. */
      readonly tries: number;
      /** How long after one incident's remediation the next may begin. */
      readonly cooldownSeconds: number;
      /** `approval`: a person is asked first, and no answer means no. */
      readonly mode: 'automatic' | 'approval';
    }
  | { readonly kind: 'none'; readonly reason: string };

export interface PlaybookCall {
  readonly playbook: PlaybookName;
  /** By the name that the playbook catalogue gives each, defaults filled in, in the unit of its quantity. */
  readonly parameters: Readonly<Record<string, number | string>>;
}

/** Hours of the week, as a CloudWatch mute rule has them. */
export interface QuietHours {
  /** When they begin: `cron(minute hour day month weekday)`, of five fields. */
  readonly schedule: string;
  /** How long they last, as ISO 8601 has it: `PT8H`. */
  readonly duration: string;
  /** As the IANA database has it: `Europe/London`. */
  readonly timeZone: string;
}

/** A row of `## Recovered when`. */
export type RecoveryCriterion =
  | {
      readonly kind: 'signal';
      /** Has to hold in each of its periods. */
      readonly condition: ThresholdCondition;
      /** `Signal` and `Condition` as written. */
      readonly text: string;
    }
  /** Ticked by a person. */
  | { readonly kind: 'person'; readonly text: string };

export const channels = ['Slack', 'PagerDuty', 'email', 'SMS', 'phone'] as const;
export type Channel = (typeof channels)[number];

/** A row of `## Escalation`. */
export interface EscalationStep {
  readonly afterSeconds: number;
  /** The environment gives the addresses. */
  readonly contact: string;
  readonly channels: readonly Channel[];
  /** Only for incidents of these; all where absent. */
  readonly severities?: readonly Severity[];
  /** Only while this holds. */
  readonly condition?: ThresholdCondition;
  /** Repeated until the incident is closed. */
  readonly everySeconds?: number;
}
