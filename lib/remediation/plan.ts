import { pollsToBelieve } from '../../lambdas/shared/incidents.ts';
import type { Environment } from '../config/environment.ts';
import { runbookLink } from '../observability/runbook-link.ts';
import { moreSevere } from '../observability/severity-alarms.ts';
import { type PlaybookName, playbookFor } from '../runbook/playbooks.ts';
import type { AlarmRow, Runbook, Severity } from '../runbook/runbook.ts';
import { remediationInWords } from '../runbook/wording.ts';

/** One try of one playbook. */
export interface Attempt {
  readonly playbook: PlaybookName;
  /** ARN of its state machine. */
  readonly machine: string;
  /** What the ARNs of its executions begin with. */
  readonly executions: string;
  readonly parameters: Readonly<Record<string, number | string>>;
  /** Whether what it changes is undone after recovery. */
  readonly temporary: boolean;
  /** From 1. */
  readonly try: number;
  readonly says: string;
}

/** What is done about an alarm: a row of the runbook, in the words of the state machines. */
export interface Plan {
  /** Full name of the alarm. */
  readonly alarm: string;
  readonly severity: Severity;
  /** Beginning of what pages are about. */
  readonly subject: string;
  readonly title: string;
  readonly link: string;
  /** What will be done, or why nothing. */
  readonly says: string;
  readonly mode: 'automatic' | 'approval';
  readonly attempts: readonly Attempt[];
  readonly attemptCount: number;
  readonly cooldownSeconds: number;
  /** All that have to be OK, the alarm itself first. */
  readonly alarms: readonly string[];
  readonly alarmCount: number;
  /** More severe alarms of the same signal. */
  readonly supersededBy: readonly string[];
  /** Topic of those who are told at once. */
  readonly topic: string;
  /** How long the condition holds before the alarm fires, at least. */
  readonly windowSeconds: number;
  readonly verification: VerificationPlan;
}

/** How long recovery is waited for. */
export interface VerificationPlan {
  /** Before the first poll: until a minute that began after the action is over, and evaluated. */
  readonly settleSeconds: number;
  /** Before so many polls, three periods of the alarm that began after the action are not over. */
  readonly pollsAtLeast: number;
  /** All OK so many polls in a row is recovered. */
  readonly pollsToBelieve: number;
  /** After so many polls the alarm has to be OK, or this did not help. */
  readonly pollsForAlarm: number;
  /** After so many polls everything has to have been OK for long enough. */
  readonly polls: number;
}

export interface PlanProps {
  readonly runbook: Runbook;
  readonly environment: Pick<Environment, 'name' | 'runbookBaseUrl'>;
  /** Names of the recovery alarms. */
  readonly recoveryAlarms: readonly string[];
  /** ARN of a playbook's state machine. */
  readonly machine: (playbook: PlaybookName) => string;
  /** What the ARNs of a playbook's executions begin with. */
  readonly executions: (playbook: PlaybookName) => string;
  /** ARN of the topic of a severity. */
  readonly topic: (severity: Severity) => string;
}

export const pollSeconds = 60;
/** What an action may take to show, beyond the time that the alarms look back. */
const patiencePolls = 10;
/** CloudWatch evaluates a period some seconds after it is over. */
const evaluationSeconds = 30;
/** "Publish" in the SNS API reference: subjects have up to 100 characters; what happened follows. */
const longestSubject = 70;

/** How long the periods are, together, that an alarm evaluates. */
export const evaluatedSeconds = ({ condition: { periodSeconds, periods } }: Pick<AlarmRow, 'condition'>): number =>
  periodSeconds * periods;

/** How far back a verification looks: the alarm, and what counts as recovered. Seconds. */
export const looksBack = (row: Pick<AlarmRow, 'condition'>, { recovery }: Pick<Runbook, 'recovery'>): number =>
  Math.max(
    evaluatedSeconds(row),
    ...recovery.flatMap(criterion => (criterion.kind === 'signal' ? [evaluatedSeconds(criterion)] : [])),
  );

/** The plan for an alarm of the runbook. */
export function planOf(row: AlarmRow, props: PlanProps): Plan {
  const { runbook, environment, recoveryAlarms, machine, executions, topic } = props;
  const { service, alarms } = runbook;
  const nameOf = ({ name }: Pick<AlarmRow, 'name'>) => `${service}-${environment.name}-${name}`;
  const { remediation, severity, condition } = row;
  const calls = remediation.kind === 'playbooks' ? remediation.playbooks : [];
  const tries = remediation.kind === 'playbooks' ? remediation.tries : 0;
  // Every incident is diagnosed anyway, once, before anything is changed.
  const attempts = calls
    .filter(({ playbook }) => playbook !== 'diagnose')
    .flatMap(({ playbook, parameters }) =>
      Array.from({ length: tries }, (_, index) => ({
        playbook,
        machine: machine(playbook),
        executions: executions(playbook),
        parameters,
        temporary: playbookFor(playbook).temporary,
        try: index + 1,
        says: `${playbook}${Object.values(parameters)
          .map(value => ` ${value}`)
          .join('')}, try ${index + 1} of ${tries}`,
      })),
    );
  const checks = [nameOf(row), ...recoveryAlarms];
  return {
    alarm: nameOf(row),
    severity,
    subject: `${severity} ${nameOf(row)}`.slice(0, longestSubject),
    title: `${row.name} of ${service} in ${environment.name}: ${row.text}`,
    link: runbookLink(environment, runbook, row.procedure.anchor),
    says: remediationInWords(remediation),
    mode: remediation.kind === 'playbooks' ? remediation.mode : 'automatic',
    attempts,
    attemptCount: attempts.length,
    cooldownSeconds: remediation.kind === 'playbooks' ? remediation.cooldownSeconds : 0,
    alarms: checks,
    alarmCount: checks.length,
    supersededBy: moreSevere(row, alarms).map(nameOf),
    topic: topic(severity),
    windowSeconds: condition.periodSeconds * condition.datapoints,
    verification: verificationOf(row, runbook),
  };
}

function verificationOf(row: AlarmRow, runbook: Runbook): VerificationPlan {
  const { periodSeconds } = row.condition;
  // A period begins up to one period after the action, and three of them follow; the first poll is after two minutes.
  const pollsAtLeast = Math.ceil((4 * periodSeconds) / pollSeconds) - 1;
  const untilBelieved =
    Math.ceil(looksBack(row, runbook) / pollSeconds) + patiencePolls + pollsToBelieve(periodSeconds);
  return {
    settleSeconds: 2 * pollSeconds + evaluationSeconds,
    pollsAtLeast,
    pollsToBelieve: pollsToBelieve(periodSeconds),
    pollsForAlarm: Math.ceil(evaluatedSeconds(row) / pollSeconds) + patiencePolls,
    // Of a period of half an hour, three take longer than all that is looked back on.
    polls: Math.max(untilBelieved, pollsAtLeast),
  };
}
