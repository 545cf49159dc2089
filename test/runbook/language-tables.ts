import { counted, inDays, inMilliseconds, inPercent, inSeconds } from '../../lib/runbook/measure.ts';
import { type PlaybookName, playbookFor } from '../../lib/runbook/playbooks.ts';
import { dimensionOf } from '../../lib/runbook/signal-reference.ts';
import { type SignalName, signalFor } from '../../lib/runbook/signals.ts';

const usualStatistic = { sum: 'sum', gauge: 'average', distribution: 'p95', none: '' };
const units = new Map([
  [counted, 'number'],
  [inPercent, '%'],
  [inMilliseconds, 'ms, s, min'],
  [inSeconds, 's, min, h'],
  [inDays, 'd'],
]);

/** A signal's row in docs/runbook-language.md. */
export function signalRow(name: SignalName): string {
  const { meaning, measure, statistics, terms, missing, liveness } = signalFor(name);
  const dimension = dimensionOf(name);
  const [term] = Object.values(terms);
  const usual = statistics === 'gauge' && term?.statistic === 'Maximum' ? 'maximum' : usualStatistic[statistics];
  const narrowed = dimension ? ` \`[${dimension.name.toLowerCase()}=…]\`: ${dimension.values.join(', ')}` : '';
  const silence = `${missing.as}${liveness ? ', liveness' : ''}`;
  return `| \`${name}\` | ${meaning}${narrowed} | ${units.get(measure)} | ${usual} | ${silence} |`;
}

/** A playbook's row in docs/runbook-language.md. */
export function playbookRow(name: PlaybookName): string {
  const { does, parameter, temporary } = playbookFor(name);
  let usage = name as string;
  let range = '';
  if (parameter?.kind === 'figure') {
    const { keyword, quantity, minimum, maximum, default: usual } = parameter;
    usage += `(${keyword === undefined ? '' : `${keyword} `}…)`;
    range = `${quantity.format(minimum)} to ${quantity.format(maximum)}`;
    if (usual !== undefined) range += `, usually ${quantity.format(usual)}`;
  } else if (parameter) {
    usage += '(…)';
    range = `${parameter.keywords.join(', ')}, or a text in quotes`;
  }
  return `| \`${usage}\` | ${does} | ${range} | ${temporary ? 'yes' : 'no'} |`;
}
