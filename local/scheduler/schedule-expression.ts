import type { Clock } from '../clock.ts';

/** When something runs: "Schedule types in EventBridge Scheduler". Cron is in UTC. */
export type Schedule =
  | { readonly kind: 'rate'; readonly intervalMs: number }
  /** `next` gives the first time after another, epoch milliseconds; undefined where there is none. */
  | { readonly kind: 'cron'; readonly next: (afterMs: number) => number | undefined }
  | { readonly kind: 'once'; readonly atMs: number };

const unitMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** @throws Error where the expression is wrong, or of a kind that is not run here */
export function parseScheduleExpression(expression: string): Schedule {
  const [, value, unit] = /^rate\(([1-9]\d*) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  if (value !== undefined) return { kind: 'rate', intervalMs: Number(value) * unitMs[unit as keyof typeof unitMs] };
  const [, at] = /^at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)$/.exec(expression) ?? [];
  if (at !== undefined && !Number.isNaN(Date.parse(`${at}Z`))) return { kind: 'once', atMs: Date.parse(`${at}Z`) };
  const [, fields] = /^cron\((.+)\)$/.exec(expression) ?? [];
  if (fields !== undefined) return { kind: 'cron', next: parseCron(expression, fields.split(' ')) };
  throw new Error(`${expression} cannot be run on this machine; rate(…), cron(…) and at(…) can`);
}

const monthNames = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const dayNames = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

type Field = (value: number) => boolean;

/** The fields of cron in AWS's order; day of month and day of week leave one of them to the other by `?`. */
function parseCron(expression: string, fields: readonly string[]): (afterMs: number) => number | undefined {
  if (fields.length !== 6) throw new Error(`${expression} has ${fields.length} fields, 6 are needed`);
  const [minutes = '', hours = '', daysOfMonth = '', months = '', daysOfWeek = '', years = ''] = fields;
  if ((daysOfMonth === '?') === (daysOfWeek === '?'))
    throw new Error(`${expression} must have ? for one of day of month and day of week`);
  const minute = field(minutes, 0, 59);
  const hour = field(hours, 0, 23);
  const dayOfMonth = daysOfMonth === 'L' ? undefined : field(daysOfMonth, 1, 31);
  const month = field(months, 1, 12, monthNames, 1);
  const dayOfWeek = field(daysOfWeek, 1, 7, dayNames, 1);
  const year = field(years, 1970, 2199);

  const isDay = (date: Date): boolean => {
    if (!year(date.getUTCFullYear()) || !month(date.getUTCMonth() + 1) || !dayOfWeek(date.getUTCDay() + 1))
      return false;
    if (dayOfMonth) return dayOfMonth(date.getUTCDate());
    return new Date(date.getTime() + unitMs.day).getUTCDate() === 1;
  };
  return afterMs => {
    const first = Math.floor(afterMs / unitMs.minute) * unitMs.minute + unitMs.minute;
    const day = new Date(first);
    day.setUTCHours(0, 0, 0, 0);
    // A leap day comes again after eight years at most.
    for (let count = 0; count < 366 * 8 + 2; count += 1, day.setUTCDate(day.getUTCDate() + 1)) {
      if (!isDay(day)) continue;
      for (let minuteOfDay = 0; minuteOfDay < 1440; minuteOfDay += 1) {
        const at = day.getTime() + minuteOfDay * unitMs.minute;
        if (at >= first && hour(Math.floor(minuteOfDay / 60)) && minute(minuteOfDay % 60)) return at;
      }
    }
    return undefined;
  };
}

function field(text: string, min: number, max: number, names: readonly string[] = [], offset = 0): Field {
  if (text === '*' || text === '?') return () => true;
  const allowed = new Set<number>();
  const number = (part: string): number => {
    const index = names.indexOf(part.toUpperCase());
    const value = index >= 0 ? index + offset : /^\d+$/.test(part) ? Number(part) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new Error(`${part} in a cron expression cannot be run; ${min} to ${max} with , - * / can`);
    return value;
  };
  for (const part of text.split(',')) {
    const [range = '', step] = part.split('/');
    const by = step === undefined ? 1 : Number(step);
    if (!Number.isInteger(by) || by < 1) throw new Error(`${part} in a cron expression has no step`);
    const [from = '', to] = range.split('-');
    const first = from === '*' ? min : number(from);
    const last = to !== undefined ? number(to) : step !== undefined || from === '*' ? max : first;
    for (let value = first; value <= last; value += by) allowed.add(value);
  }
  return value => allowed.has(value);
}

/**
 * Runs something by a schedule, a rate for the first time one interval after now; what was missed, as while the machine
 * slept, is not made up for. The returned function ends it.
 */
export function runSchedule(schedule: Schedule, clock: Clock, run: () => void): () => void {
  const next = (afterMs: number): number | undefined => {
    if (schedule.kind === 'rate') return afterMs + schedule.intervalMs;
    if (schedule.kind === 'cron') return schedule.next(afterMs);
    return schedule.atMs > afterMs ? schedule.atMs : undefined;
  };
  let cancel = () => {};
  let due = next(clock.now());
  const wait = () => {
    if (due === undefined) return;
    cancel = clock.schedule(due - clock.now(), () => {
      const now = clock.now();
      // A timer cannot wait longer than 24 days: then this is not the time yet.
      const isDue = due !== undefined && now >= due;
      if (isDue && due !== undefined)
        due = schedule.kind === 'rate' ? Math.max(due + schedule.intervalMs, now) : next(now);
      wait();
      if (isDue) run();
    });
  };
  wait();
  return () => cancel();
}
