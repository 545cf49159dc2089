import { MuteSchedule, parseDuration, ScheduleError } from '../../../local/cloudwatch/mute-schedule.ts';

const at = (text: string): number => Date.parse(`${text}Z`);
const hour = 3_600_000;

function muted(schedule: MuteSchedule, ...times: string[]): boolean[] {
  return times.map(time => schedule.windowAt(at(time)) !== undefined);
}

it('mutes every day from its time for its duration', () => {
  const schedule = new MuteSchedule('cron(0 22 * * *)', 'PT8H');
  const times = ['2026-11-22T21:59:59', '2026-11-22T22:00', '2026-11-23T05:59:59', '2026-11-23T06:00'];
  expect(muted(schedule, ...times)).toEqual([false, true, true, false]);
  expect(schedule.windowAt(at('2026-11-23T01:00'))).toEqual({
    start: at('2026-11-22T22:00'),
    end: at('2026-11-23T06:00'),
  });
});

it('mutes a weekend by the names of its days', () => {
  const schedule = new MuteSchedule('cron(0 18 * * FRI)', 'P2DT12H');
  const times = ['2026-11-20T17:59', '2026-11-20T18:00', '2026-11-22T12:00', '2026-11-23T06:00'];
  expect(muted(schedule, ...times)).toEqual([false, true, true, false]);
});

it('reads lists, ranges and days of the month', () => {
  const schedule = new MuteSchedule('cron(15,45 9-10 1 JAN *)', 'PT10M');
  const times = ['2027-01-01T09:15', '2027-01-01T10:45', '2027-01-01T11:15', '2027-01-02T09:15', '2027-01-01T09:26'];
  expect(muted(schedule, ...times)).toEqual([true, true, false, false, false]);
});

it('keeps to the time zone, in summer and in winter', () => {
  const schedule = new MuteSchedule('cron(0 9 * * *)', 'PT1H', 'America/New_York');
  const times = ['2026-07-01T13:30', '2026-12-01T13:30', '2026-12-01T14:30'];
  expect(muted(schedule, ...times)).toEqual([true, false, true]);
});

it('mutes once', () => {
  const schedule = new MuteSchedule('at(2026-11-22T14:00)', 'PT30M', 'Europe/Berlin');
  expect(muted(schedule, '2026-11-22T13:00', '2026-11-22T13:30', '2026-11-23T13:00')).toEqual([true, false, false]);
});

it('finds the same window whichever way time goes', () => {
  const schedule = new MuteSchedule('cron(0 2 * * *)', 'PT4H');
  expect(muted(schedule, '2026-11-22T05:00', '2026-11-22T01:00', '2026-11-22T02:00', '2026-11-22T07:00')).toEqual([
    true,
    false,
    true,
    false,
  ]);
});

it('goes on without a gap where a window begins before the last one ends', () => {
  const schedule = new MuteSchedule('cron(0 * * * *)', 'PT90M');
  expect(schedule.windowAt(at('2026-11-22T02:10'))?.end).toBe(at('2026-11-22T03:30'));
});

it.each([
  ['PT4H', 4 * hour],
  ['P2DT12H', 60 * hour],
  ['P15D', 360 * hour],
  ['PT1M', 60_000],
])('%s', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

it.each([
  ['cron(0 2 * *)', 'PT1H', 'UTC', 'cron(0 2 * *) has 4 fields, not 5'],
  ['cron(60 2 * * *)', 'PT1H', 'UTC', "minutes: '60' is not from 0 to 59"],
  ['cron(0 5-2 * * *)', 'PT1H', 'UTC', 'hours: 5-2 ends before it begins'],
  ['rate(1 day)', 'PT1H', 'UTC', 'rate(1 day) is neither cron(…) nor at(…)'],
  ['at(2026-11-22)', 'PT1H', 'UTC', 'at(2026-11-22) is not of the form at(yyyy-MM-ddThh:mm)'],
  ['cron(0 2 * * *)', 'P16D', 'UTC', 'P16D is no duration from PT1M to P15D, such as PT4H'],
  ['cron(0 2 * * *)', 'PT', 'UTC', 'PT is no duration from PT1M to P15D, such as PT4H'],
  ['cron(0 2 * * *)', 'PT1H', 'Mars/Olympus', 'Mars/Olympus is no time zone'],
])('%s for %s in %s is refused', (expression, duration, timezone, message) => {
  expect(() => new MuteSchedule(expression, duration, timezone)).toThrow(new ScheduleError(message));
});
