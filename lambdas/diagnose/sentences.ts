import { type Control, defaultControl } from '../shared/control.ts';
import type { Finding } from './checks.ts';
import type { Clients } from './clients.ts';
import type { Course } from './course.ts';
import { countedMinutes, type Figures } from './figures.ts';

/** What a diagnosis found, as data. */
export interface Diagnosis {
  readonly control: Finding<Control>;
  readonly figures: Finding<Figures>;
  readonly clients: Finding<Clients>;
  readonly release: Finding<{ readonly ageMinutes: number; readonly functions: readonly string[] }>;
  readonly keys: Finding<number>;
  readonly token: Finding<string>;
  readonly store: Readonly<Record<string, Finding<void>>>;
  readonly queues: Readonly<Record<string, Finding<{ readonly waiting: number }>>>;
}

/** A deployment of less long ago may be the cause. */
const recentMinutes = 120;

/** The diagnosis as a person would say it, what is wrong first. */
export function sentences(diagnosis: Diagnosis): readonly string[] {
  const { control, figures, clients, release, keys, token, store, queues } = diagnosis;
  const said: [isBad: boolean, sentence: string][] = [
    tell(figures, 'CloudWatch', ({ connections }) => courseInWords(connections)),
    tell(control, 'The control record', changesInWords),
    tell(clients, 'The table of connections', clientsInWords),
    tell(release, 'Lambda', ({ ageMinutes, functions }) =>
      ageMinutes <= recentMinutes
        ? [
            true,
            `The last deployment was ${ageMinutes} min ago and changed ${counted(functions.length, 'function', 'functions')}.`,
          ]
        : [false, `The last deployment was ${inHours(ageMinutes)} ago.`],
    ),
    tell(keys, 'The issuer’s key set', count => [
      false,
      `The issuer’s key set is reachable and holds ${count} usable ${count === 1 ? 'key' : 'keys'}.`,
    ]),
    tell(token, 'A token of the probe', verdict => [false, verdict]),
    ...together('table', store, () => ''),
    ...together('queue', queues, found => {
      const waiting = found.reduce((sum, each) => sum + each.waiting, 0);
      return `; ${counted(waiting, 'message waits', 'messages wait')} in them`;
    }),
  ];
  if (figures.ok) said.push(...figuresInWords(figures.found));
  return [...said.filter(([bad]) => bad), ...said.filter(([bad]) => !bad)].map(([, sentence]) => sentence);
}

function tell<T>(
  finding: Finding<T>,
  who: string,
  words: (found: T) => [boolean, string],
): [isBad: boolean, sentence: string] {
  return finding.ok ? words(finding.found) : [true, `${who} did not answer as it should: ${finding.problem}.`];
}

const counted = (count: number, one: string, several: string): string => `${count} ${count === 1 ? one : several}`;

/** Those that answer in one sentence, and each that does not in one of its own. */
function together<T>(
  what: string,
  findings: Readonly<Record<string, Finding<T>>>,
  more: (found: readonly T[]) => string,
): [isBad: boolean, sentence: string][] {
  const all = Object.entries(findings);
  const failed = all.filter(([, { ok }]) => !ok);
  const answered = all.flatMap(([, finding]) => (finding.ok ? [finding] : []));
  const slowest = Math.max(...answered.map(({ tookMs }) => tookMs));
  const which = failed.length > 0 ? `${answered.length} of ${all.length} ${what}s answer` : `All ${what}s answer`;
  const told: [boolean, string][] = failed.map(([name, finding]) =>
    tell(finding, `The ${what} ${name}`, () => [false, '']),
  );
  if (answered.length > 0)
    told.push([false, `${which} within ${slowest} ms${more(answered.map(({ found }) => found))}.`]);
  return told;
}

const inHours = (minutes: number): string =>
  minutes < 2_880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1_440)} d`;

function courseInWords(course: Course | undefined): [boolean, string] {
  if (!course) return [true, 'No census of the last half hour has counted the connections.'];
  const { kind, scope, most, last } = course;
  if (kind === 'steady') return [false, `No loss of connections: ${last}, at most ${most} in the last half hour.`];
  const who = scope === 'all' ? 'All clients' : 'Some clients';
  return [
    true,
    `${who} are affected: ${most} connections fell to ${last}, ${kind === 'sudden' ? 'suddenly' : 'gradually'}.`,
  ];
}

/** What everything else may come from, by the names that the record has for it. */
function changesInWords(control: Control): [boolean, string] {
  // Every incident freezes the baseline, and a generation has nothing to give back.
  const { generation, baselineFrozen, ...changeable } = control;
  const changed = Object.entries(changeable).filter(([name, value]) => value !== defaultControl[name as keyof Control]);
  if (changed.length === 0) return [false, 'Nothing is changed in the control record.'];
  const each = changed.map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  return [true, `Changed in the control record: ${each.join(', ')}.`];
}

function clientsInWords({ connections, silent, versions }: Clients): [boolean, string] {
  const each = versions.map(
    version => `${version.version} ${version.connections}${version.silent ? ` (${version.silent} silent)` : ''}`,
  );
  const list = each.length === 0 ? '' : ` By client version: ${each.join(', ')}.`;
  const registered = `${counted(connections, 'connection is', 'connections are')} registered`;
  if (silent === undefined) return [false, `${registered}; who of them is silent cannot be told now.${list}`];
  return [silent > 0, `${registered}, ${silent} of them silent.${list}`];
}

function figuresInWords({ probeSuccess, counts, throttled }: Figures): [boolean, string][] {
  const list = (figures: Readonly<Record<string, number>>) =>
    Object.entries(figures)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  const said: [boolean, string][] = [];
  if (probeSuccess === undefined) said.push([true, 'The probe has not run in the last half hour.']);
  else said.push([probeSuccess < 100, `${Math.round(probeSuccess)} % of the probe’s runs succeeded.`]);
  const happened = list(counts);
  if (happened !== '') said.push([false, `In the last ${countedMinutes} min: ${happened}.`]);
  const refused = list(throttled);
  if (refused === '') said.push([false, `Nothing was throttled in the last ${countedMinutes} min.`]);
  else said.push([true, `Throttled in the last ${countedMinutes} min: ${refused}.`]);
  return said;
}
