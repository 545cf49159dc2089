import { nearestName } from './nearest-name.ts';
import type { Problems } from './problem.ts';
import type { QuietHours } from './runbook.ts';
import { Scanner } from './scanner.ts';
import type { Cell } from './table.ts';

const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const dayMinutes = 1_440;
const example = '`Mon–Fri 22:00–06:00 Europe/London` or `Sat–Sun all day Europe/London`';

/**
 * Reads `Mon–Fri 22:00–06:00 Europe/London; Sat–Sun all day`: days on which the hours begin, and a time zone that the ones
 * after it share. What is wrong is reported at its place.
 */
export function readQuietHours(cell: Cell, problems: Problems): QuietHours[] {
  const windows: QuietHours[] = [];
  let timeZone: string | undefined;
  for (const scanner of new Scanner(cell).split(/;/)) {
    const window = readWindow(scanner, timeZone, problems);
    if (!window) continue;
    timeZone = window.timeZone;
    windows.push(window);
  }
  return windows;
}

function readWindow(scanner: Scanner, inherited: string | undefined, problems: Problems): QuietHours | undefined {
  const weekdays = readDays(scanner, problems);
  if (!weekdays) return undefined;
  const hours = readHours(scanner, problems);
  if (!hours) return undefined;
  const timeZone = readTimeZone(scanner, inherited, problems);
  if (timeZone === undefined) return undefined;
  const { start, minutes } = hours;
  // "Schedule" in the CloudWatch API reference: five fields, of which the days are SUN to SAT; durations as ISO 8601.
  const schedule = `cron(${start % 60} ${Math.floor(start / 60)} * * ${weekdays.join(',')})`;
  return { schedule, duration: isoDuration(minutes), timeZone };
}

function readDays(scanner: Scanner, problems: Problems): string[] | undefined {
  const found = new Set<string>();
  do {
    const first = readDay(scanner, problems);
    if (first === undefined) return undefined;
    const last = scanner.take(/[-–]/) ? readDay(scanner, problems) : first;
    if (last === undefined) return undefined;
    for (let day = first; ; day = (day + 1) % days.length) {
      found.add((days[day] ?? '').toUpperCase());
      if (day === last) break;
    }
  } while (scanner.take(/,/));
  return [...found];
}

function readDay(scanner: Scanner, problems: Problems): number | undefined {
  const at = scanner.at;
  const word = scanner.take(/[A-Za-z]+/)?.[0];
  const index = word === undefined ? -1 : days.indexOf(word);
  if (index >= 0) return index;
  const read = word === undefined ? scanner.next : `\`${word}\``;
  problems.report(at, read, `days, ${days.join(', ')}: ${example}`, word && nearestName(word, days));
  return undefined;
}

/** Start in minutes after midnight, and how many minutes. */
function readHours(scanner: Scanner, problems: Problems) {
  if (scanner.take(/all\s+day\b/)) return { start: 0, minutes: dayMinutes };
  const at = scanner.at;
  const clock = /([01]\d|2[0-3]):([0-5]\d)/;
  const match = scanner.take(new RegExp(`${clock.source}\\s*[-–]\\s*${clock.source}`));
  if (!match) {
    problems.report(at, scanner.next, `hours such as \`22:00–06:00\`, or \`all day\`: ${example}`);
    return undefined;
  }
  const [, fromHour, fromMinute, toHour, toMinute] = match.map(Number);
  const start = Number(fromHour) * 60 + Number(fromMinute);
  const end = Number(toHour) * 60 + Number(toMinute);
  if (start !== end) return { start, minutes: (end - start + dayMinutes) % dayMinutes };
  problems.report(at, `\`${match[0].trim()}\``, 'an end other than the start, or `all day`');
  return undefined;
}

function readTimeZone(scanner: Scanner, inherited: string | undefined, problems: Problems): string | undefined {
  const at = scanner.at;
  const written = scanner.take(/[A-Za-z][\w+/-]*/)?.[0];
  if (!scanner.done) {
    problems.report(scanner.at, scanner.next, 'the end, or `;` and further hours');
    return undefined;
  }
  const timeZone = written ?? inherited;
  if (timeZone !== undefined && isTimeZone(timeZone)) return timeZone;
  const meant = written === undefined ? undefined : nearestName(written, Intl.supportedValuesOf('timeZone'));
  const read = written === undefined ? 'hours without a time zone' : `time zone \`${written}\``;
  problems.report(at, read, 'a time zone such as `UTC` or `Europe/London`', meant);
  return undefined;
}

/** A name of the IANA database as it is spelt there: JavaScript takes any case and offsets too, CloudWatch may not. */
function isTimeZone(name: string): boolean {
  if (!/^(UTC|[A-Z][A-Za-z]+(\/[A-Z][\w-]*)+)$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function isoDuration(minutes: number): string {
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  return `PT${hours > 0 ? `${hours}H` : ''}${rest > 0 ? `${rest}M` : ''}`;
}
