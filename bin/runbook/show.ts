import { effectiveSettings } from '../../lib/config/effective-settings.ts';
import type { Environment } from '../../lib/config/environment.ts';
import type { Condition } from '../../lib/runbook/condition.ts';
import { monthlyCost } from '../../lib/runbook/monthly-cost.ts';
import { seconds } from '../../lib/runbook/quantity.ts';
import type { Runbook } from '../../lib/runbook/runbook.ts';
import type { Settings } from '../../lib/runbook/settings.ts';
import { metricOf, remediationInWords, thresholdOf, windowOf } from '../../lib/runbook/wording.ts';
import { alignedTable } from './aligned-table.ts';

/**
 * A service's alarms, recovery criteria and escalation as they are in an environment.
 * @throws EnvironmentErrors where the environment's settings and the runbook's do not go together
 */
export function showRunbook(runbook: Runbook, environment: Environment): string {
  const { service, title, alarms, recovery, escalation } = runbook;
  const prefix = `${service}-${environment.name}`;
  const settings = effectiveSettings(runbook, environment);
  const observed = (condition: Condition) => [
    condition.signal,
    thresholdOf(condition),
    seconds.format(condition.periodSeconds),
    windowOf(condition),
  ];
  const metric = (condition: Condition) => withFigures(metricOf(condition), settings);
  const alarmRows = alarms.map(({ name, severity, condition, remediation, procedure }) => [
    `${prefix}-${name}`,
    severity,
    ...observed(condition),
    metric(condition),
    remediationInWords(remediation),
    `${environment.runbookBaseUrl}/${service}.md#${procedure.anchor}`,
  ]);
  const criteria = recovery.map(criterion =>
    criterion.kind === 'signal'
      ? [...observed(criterion.condition), metric(criterion.condition)]
      : ['Person', criterion.text, '', '', ''],
  );
  const steps = escalation.map(step => [
    seconds.format(step.afterSeconds),
    step.contact,
    step.channels.join(', '),
    [
      step.severities?.join(', '),
      step.condition && `${step.condition.signal} ${thresholdOf(step.condition)}`,
      step.everySeconds !== undefined && `every ${seconds.format(step.everySeconds)}`,
    ]
      .filter(Boolean)
      .join('; '),
  ]);
  const seen = ['Signal', 'Threshold', 'Period', 'M of N'];
  return [
    `${title} (${prefix})`,
    '',
    alignedTable(['Alarm', 'Severity', ...seen, 'Metric', 'Remediation', 'Procedure'], alarmRows),
    '',
    'Recovered when',
    alignedTable([...seen, 'Metric'], criteria),
    '',
    'Escalation',
    alignedTable(['After', 'Contact', 'Channel', 'Condition'], steps),
    '',
    costOf(runbook),
  ].join('\n');
}

function withFigures(expression: string, settings: Settings): string {
  return expression.replaceAll(/\{(\w+)\}/g, (_, field: keyof Settings) => String(settings[field]));
}

function costOf(runbook: Runbook): string {
  const { metrics, metricsDollars, alarmMetrics, alarmsDollars } = monthlyCost(runbook);
  const total = metricsDollars + alarmsDollars;
  return (
    `A month: ${metrics} custom metrics $${metricsDollars.toFixed(2)}, alarms on ${alarmMetrics} metrics ` +
    `$${alarmsDollars.toFixed(2)}, together $${total.toFixed(2)}, by the prices of "Amazon CloudWatch Pricing" for US East, ` +
    'without the free tier, the platform’s own alarms, dashboard and logs.'
  );
}
