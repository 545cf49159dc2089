const minuteMs = 60_000;

/** A time in which alarms are muted, epoch milliseconds; the end is not part of it. */
export interface MuteWindow {
  readonly start: number;
  readonly end: number;
}

/** A schedule that cannot be read; the message says why. */
export class ScheduleError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ScheduleError';
  }
}

/** "Schedule" in the CloudWatch API reference: durations from 1 minute to 15 days. */
const maxDurationMs = 15 * 24 * 60 * minuteMs;

/** `P2DT12H` in milliseconds. @throws ScheduleError */
export function parseDuration(text: string): number {
  const [, days = '0', hours = '0', minutes = '0'] =
    /^P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?)?$/.exec(text) ?? [];
  const ms = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * minuteMs;
  if (ms < minuteMs || ms > maxDurationMs)
    throw new ScheduleError(`${text} is no duration from PT1M to P15D, such as PT4H`);
  return ms;
}

const monthNames = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const dayNames = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const fields: readonly Field[] = [
  { name: 'minutes', min: 0, max: 59 },
  { name: 'hours', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: monthNames },
  { name: 'day of week', min: 0, max: 6, names: dayNames },
];

/** The values that a field allows; undefined where it allows all. */
function allowed(text: string, { name, min, max, names }: Field): ReadonlySet<number> | undefined {
  if (text === '*') return undefined;
  const numberOf = (part: string): number => {
    const named = names?.indexOf(part.toUpperCase()) ?? -1;
    const value = named >= 0 ? named + min : /^\d+$/.test(part) ? Number(part) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new ScheduleError(`${name}: '${part}' is not from ${min} to ${max}`);
  };
  return new Set(
    text.split(',').flatMap(part => {
      const [first = '', last] = part.split('-');
      const from = numberOf(first);
      const to = last === undefined ? from : numberOf(last);
      if (to < from) throw new ScheduleError(`${name}: ${part} ends before it begins`);
      return Array.from({ length: to - from + 1 }, (_, index) => from + index);
    }),
  );
}

/** Does a mute window start in this minute of local time? */
type StartsAt = (local: LocalMinute) => boolean;

interface LocalMinute {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
}

function cron(text: string): StartsAt {
  const parts = text.trim().split(/\s+/);
  if (parts.length !== fields.length) throw new ScheduleError(`cron(${text}) has ${parts.length} fields, not 5`);
  const [minutes, hours, days, months, weekdays] = parts.map((part, index) => allowed(part, fields[index] as Field));
  return ({ year, month, day, hour, minute }) => {
    const weekday = new Date(Date.UTC(year, month - 1, day)).getUTCDay();
    const isDay = days?.has(day) ?? true;
    const isWeekday = weekdays?.has(weekday) ?? true;
    // As cron has it: where both are given, one of them is enough.
    const matchesDay = days && weekdays ? isDay || isWeekday : isDay && isWeekday;
    return (minutes?.has(minute) ?? true) && (hours?.has(hour) ?? true) && (months?.has(month) ?? true) && matchesDay;
  };
}

function once(text: string): StartsAt {
  const found = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})$/.exec(text)?.slice(1).map(Number);
  if (!found) throw new ScheduleError(`at(${text}) is not of the form at(yyyy-MM-ddThh:mm)`);
  const [year, month, day, hour, minute] = found;
  return local =>
    local.year === year && local.month === month && local.day === day && local.hour === hour && local.minute === minute;
}

/** When alarms are muted: `cron(…)` with five fields or `at(…)`, in a time zone, each time for a duration. */
export class MuteSchedule {
  readonly durationMs: number;
  readonly recurring: boolean;
  readonly #startsAt: StartsAt;
  readonly #format: Intl.DateTimeFormat;
  /** What was looked at already: each minute is converted to local time once. */
  #lookedUntil = Number.NaN;
  #last: MuteWindow | undefined;

  /** @throws ScheduleError */
  constructor(expression: string, duration: string, timezone = 'UTC') {
    const [, kind, inner = ''] = /^(cron|at)\((.*)\)$/.exec(expression) ?? [];
    if (kind === undefined) throw new ScheduleError(`${expression} is neither cron(…) nor at(…)`);
    this.recurring = kind === 'cron';
    this.#startsAt = this.recurring ? cron(inner) : once(inner);
    this.durationMs = parseDuration(duration);
    try {
      this.#format = new Intl.DateTimeFormat('en-US-u-hc-h23', {
        timeZone: timezone,
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
      });
    } catch {
      throw new ScheduleError(`${timezone} is no time zone`);
    }
  }

  /** The window that a time lies in: of several that overlap, the one that started last. */
  windowAt(time: number): MuteWindow | undefined {
    const minute = Math.floor(time / minuteMs) * minuteMs;
    const earliest = minute - this.durationMs + minuteMs;
    if (!(this.#lookedUntil <= minute)) {
      // Looked later already, or never: from the start again.
      this.#last = undefined;
      this.#lookedUntil = Number.NEGATIVE_INFINITY;
    }
    for (let at = minute; at >= earliest && at > this.#lookedUntil; at -= minuteMs) {
      if (!this.#startsAt(this.#local(at))) continue;
      this.#last = { start: at, end: at + this.durationMs };
      break;
    }
    this.#lookedUntil = minute;
    return this.#last && time < this.#last.end ? this.#last : undefined;
  }

  #local(time: number): LocalMinute {
    const parts = Object.fromEntries(
      this.#format.formatToParts(time).map(({ type, value }) => [type, Number(value)]),
    ) as Record<string, number>;
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = parts;
    return { year, month, day, hour, minute };
  }
}
