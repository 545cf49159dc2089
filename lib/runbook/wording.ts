import type { Condition } from './condition.ts';
import { fromMetric } from './measure.ts';
import { playbookFor } from './playbooks.ts';
import { seconds } from './quantity.ts';
import type { PlaybookCall, Remediation } from './runbook.ts';
import { awsNamespaces, signalFor, type Term } from './signals.ts';

/** A condition's threshold as the alarm has it, in the metric's unit, and what it looks at. */
export function thresholdOf(condition: Condition): string {
  const { minimumSample: sample } = condition;
  const when = sample ? ` when ${sample.signal} ${sample.comparison} ${sample.threshold}` : '';
  if (condition.kind === 'band') return `outside ${condition.deviations} standard deviations`;
  const { comparison, threshold, signal } = condition;
  return `${comparison} ${fromMetric(signalFor(signal).measure, threshold)}${when}`;
}

/** The metrics behind a condition, and how they are put together. */
export function metricOf({ signal, dimension, statistic }: Condition): string {
  const { terms, expression } = signalFor(signal);
  if (expression !== undefined) return expression;
  const [term] = Object.values(terms);
  const suffix = dimension ? `[${dimension.name}=${dimension.value}]` : '';
  return `${statistic} ${term ? nameOf(term) : ''}${suffix}`;
}

function nameOf(term: Term): string {
  return 'metric' in term ? term.metric : `${awsNamespaces[term.aws.of]} ${term.aws.name}`;
}

/** `3 of 5`. */
export function windowOf({ datapoints, periods }: Condition): string {
  return `${datapoints} of ${periods}`;
}

/** A remediation in the words of the `Remediation` column, defaults spelt out. */
export function remediationInWords(remediation: Remediation): string {
  if (remediation.kind === 'none') return `none: ${remediation.reason}`;
  const { playbooks, tries, cooldownSeconds, mode } = remediation;
  const calls = playbooks.map(callInWords).join(', then ');
  const approval = mode === 'approval' ? '; after approval' : '';
  return `${calls}; tries ${tries}; cooldown ${seconds.format(cooldownSeconds)}${approval}`;
}

function callInWords({ playbook, parameters }: PlaybookCall): string {
  const { parameter } = playbookFor(playbook);
  const value = parameter && parameters[parameter.name];
  if (value === undefined) return playbook;
  if (parameter?.kind !== 'figure') {
    const word = parameter?.keywords.includes(String(value)) ? value : `"${value}"`;
    return `${playbook}(${word})`;
  }
  const keyword = parameter.keyword === undefined ? '' : `${parameter.keyword} `;
  return `${playbook}(${keyword}${parameter.quantity.format(Number(value))})`;
}
