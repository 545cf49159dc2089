import { type MetricDefinition, metricCatalogue } from '../../lambdas/shared/metric-catalogue.ts';
import type { Dimension } from './condition.ts';
import { nearestName } from './nearest-name.ts';
import type { Problems } from './problem.ts';
import type { Scanner } from './scanner.ts';
import { type SignalName, signalFor, signalNames } from './signals.ts';

/** A signal as a runbook names it: `Disconnects[reason=abnormal]`. */
export interface SignalReference {
  readonly signal: SignalName;
  readonly dimension?: Dimension;
}

/**
 * Reads a signal's name and dimension; what is wrong is reported at its place.
 * @param others what may stand there as well and can have been meant, as words and in a message
 */
export function readSignal(
  scanner: Scanner,
  problems: Problems,
  others: { readonly words: readonly string[]; readonly expected: string } = { words: [], expected: '' },
): SignalReference | undefined {
  const nameAt = scanner.at;
  const written = scanner.take(/[A-Za-z][\w-]*/)?.[0];
  const signal = signalNames.find(name => name === written);
  if (signal === undefined) {
    const known = [...signalNames, ...others.words];
    const meant = written === undefined ? undefined : nearestName(written, known);
    const expected = meant === undefined ? `one of ${known.join(', ')}` : `the name of a signal${others.expected}`;
    problems.report(
      nameAt,
      `unknown signal ${written === undefined ? scanner.next : `\`${written}\``}`,
      expected,
      meant,
    );
    return undefined;
  }
  if (!scanner.sees(/\[/)) return { signal };
  const dimension = readDimension(signal, scanner, problems);
  return dimension && { signal, dimension };
}

/** The dimension that a signal may be narrowed by, with its values. */
export function dimensionOf(signal: SignalName): MetricDefinition['dimension'] {
  const { terms, expression } = signalFor(signal);
  const [term] = Object.values(terms);
  if (expression !== undefined || !term || !('metric' in term)) return undefined;
  const definition: MetricDefinition = metricCatalogue[term.metric];
  return definition.dimension;
}

function readDimension(signal: SignalName, scanner: Scanner, problems: Problems): Dimension | undefined {
  const known = dimensionOf(signal);
  const expected = known
    ? `\`${signal}[${known.name.toLowerCase()}=…]\` with one of ${known.values.join(', ')}`
    : `\`${signal}\` without a dimension: it has none`;
  const at = scanner.at;
  const read = scanner.next;
  scanner.take(/\[/);
  const nameAt = scanner.at;
  const name = scanner.take(/[\w-]+/)?.[0];
  const equals = scanner.take(/=/);
  const valueAt = scanner.at;
  const value = scanner.take(/[\w-]+/)?.[0];
  const closed = scanner.take(/\]/);
  if (!known || name === undefined || !equals || value === undefined || !closed) {
    problems.report(at, read, expected);
    return undefined;
  }
  if (name.toLowerCase() !== known.name.toLowerCase()) {
    problems.report(nameAt, `dimension \`${name}\``, expected, nearestName(name, [known.name.toLowerCase()]));
    return undefined;
  }
  const exact = known.values.find(candidate => candidate === value);
  if (exact === undefined) {
    problems.report(valueAt, `\`${value}\``, expected, nearestName(value, known.values));
    return undefined;
  }
  return { name: known.name, value: exact };
}
