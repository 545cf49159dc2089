import type { ThresholdCondition } from './condition.ts';
import { readThreshold } from './condition-reader.ts';
import type { Document } from './document.ts';
import { nearestName } from './nearest-name.ts';
import type { Point, Problems } from './problem.ts';
import { seconds } from './quantity.ts';
import { type AlarmRow, type Channel, channels, type EscalationStep } from './runbook.ts';
import { Scanner } from './scanner.ts';
import { findSection, findTable } from './sections.ts';
import { type Severity, severities } from './severity.ts';
import { readSignal } from './signal-reference.ts';
import type { Cell, Row } from './table.ts';
import { readTable } from './table.ts';

const columns = { required: ['After', 'Contact', 'Channel'], optional: ['Condition', 'Source'] } as const;
type Column = (typeof columns)['required' | 'optional'][number];

const rules = { defaultPeriods: 1, alarm: false } as const;
/** More often nobody reads it. */
const mostOften = 60;
const longest = 7 * 86_400;

/** Names in lower case, digits and single hyphens: environments have them as keys. */
export const contactPattern = /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,63}$/;

/** A step as far as it could be read, and where its contact stands. */
export interface StepReading {
  readonly step: Partial<EscalationStep>;
  readonly at: Point;
}

/**
 * Reads `## Escalation`; what is wrong in it is reported at its place, and a severity of the alarms that reaches nobody is
 * warned of.
 */
export function readEscalation(
  document: Document,
  alarms: readonly Partial<Pick<AlarmRow, 'severity'>>[],
  problems: Problems,
): StepReading[] {
  const section = findSection(document, 'Escalation', problems);
  const table = section && findTable(section, `| ${columns.required.join(' | ')} |`, problems);
  if (!section || !table) return [];
  const rows = readTable(table, columns, problems);
  if (table.children.length === 1) problems.report(section.at, 'a table without steps', 'a row for each step');
  let latest = 0;
  const readings = rows.map(row => {
    const step = readStep(row, latest, problems);
    latest = Math.max(latest, step.afterSeconds ?? 0);
    return { step, at: row.cells.Contact?.at ?? row.at };
  });
  // Severities that could not be read may be any.
  const reached = new Set(readings.flatMap(({ step }) => step.severities ?? severities));
  const unreached = severities.filter(name => !reached.has(name) && alarms.some(({ severity }) => severity === name));
  if (readings.length > 0 && unreached.length > 0) {
    problems.warn(section.at, `no step for alarms of ${unreached.join(', ')}`, 'a step that tells somebody');
  }
  return readings;
}

function readStep({ cells }: Row<Column>, latest: number, problems: Problems): Partial<EscalationStep> {
  const afterSeconds = cells.After && readAfter(cells.After, latest, problems);
  const contact = cells.Contact && readContact(cells.Contact, problems);
  const named = cells.Channel && readChannels(cells.Channel, problems);
  const limits = cells.Condition ? readLimits(cells.Condition, problems) : {};
  return {
    ...(afterSeconds !== undefined && { afterSeconds }),
    ...(contact !== undefined && { contact }),
    ...(named && { channels: named }),
    ...limits,
  };
}

function readAfter({ text, at }: Cell, latest: number, problems: Problems): number | undefined {
  const after = seconds.parse(text);
  if (after === undefined || after > longest) {
    problems.report(at, `\`${text}\``, `a time after the alarm up to ${seconds.format(longest)}, such as \`15 min\``);
    return undefined;
  }
  if (after >= latest) return after;
  problems.report(at, `\`${text}\` after a step of ${seconds.format(latest)}`, 'steps in the order of time');
  return undefined;
}

function readContact({ text, at }: Cell, problems: Problems): string | undefined {
  if (contactPattern.test(text)) return text;
  problems.report(at, `contact \`${text}\``, 'lower-case letters, digits and hyphens, such as `team-lead`');
  return undefined;
}

function readChannels(cell: Cell, problems: Problems): Channel[] | undefined {
  const found: Channel[] = [];
  for (const part of new Scanner(cell).split(/,/)) {
    const channel = channels.find(name => name === part.rest);
    if (channel && !found.includes(channel)) {
      found.push(channel);
      continue;
    }
    const read = channel ? `${part.next} a second time` : `channel ${part.next}`;
    problems.report(
      part.at,
      read,
      `${channels.join(', ')}, each once`,
      channel ? undefined : nearestName(part.rest, channels),
    );
    return undefined;
  }
  return found;
}

/** What a limit that begins with none of these words may have been meant for. */
const otherLimits = { words: [...severities, 'every'], expected: ', severities or `every …`' };

interface Limits {
  severities?: readonly Severity[];
  condition?: ThresholdCondition;
  everySeconds?: number;
}

/** Reads `P0, P1; ConnectionDrop > 10 %; every 5 min`: each part once, in any order. */
function readLimits(cell: Cell, problems: Problems): Limits {
  const limits: Limits = {};
  const keep = <Name extends keyof Limits>(name: Name, value: Limits[Name] | undefined, scanner: Scanner): void => {
    if (name in limits)
      problems.report(scanner.at, 'a second part of the same kind', 'severities, a condition and `every …` once each');
    else if (value !== undefined) limits[name] = value;
  };
  for (const part of new Scanner(cell).split(/;/)) {
    if (part.sees(/P\d/)) keep('severities', readSeverities(part, problems), part);
    else if (part.sees(/every\b/)) keep('everySeconds', readEvery(part, problems), part);
    else if (part.done) problems.report(part.at, 'nothing', 'a condition before or after `;`');
    else keep('condition', readStepCondition(part, problems), part);
  }
  return limits;
}

function readSeverities(part: Scanner, problems: Problems): Severity[] | undefined {
  const found: Severity[] = [];
  for (const item of part.split(/,/)) {
    const severity = severities.find(name => name === item.rest);
    if (!severity || found.includes(severity)) {
      problems.report(item.at, item.next, `severities, each once: ${severities.join(', ')}`);
      return undefined;
    }
    found.push(severity);
  }
  return found;
}

function readEvery(part: Scanner, problems: Problems): number | undefined {
  const at = part.at;
  const read = part.next;
  const every = seconds.parse(/^every\s+(.+)$/.exec(part.rest)?.[1] ?? '');
  if (every !== undefined && every >= mostOften && every <= longest) return every;
  problems.report(at, read, `\`every 5 min\`, from ${seconds.format(mostOften)} to ${seconds.format(longest)}`);
  return undefined;
}

function readStepCondition(part: Scanner, problems: Problems): ThresholdCondition | undefined {
  const signal = readSignal(part, problems, otherLimits);
  return signal && readThreshold(signal, part, rules, problems);
}
