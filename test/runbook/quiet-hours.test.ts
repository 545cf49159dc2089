import { readQuietHours } from '../../lib/runbook/quiet-hours.ts';
import { parseDuration } from '../../local/cloudwatch/mute-schedule.ts';
import { readText } from './cell.ts';

const read = (text: string) => readText(text, (_, problems, cell) => readQuietHours(cell, problems));
const example = '`Mon–Fri 22:00–06:00 Europe/London` or `Sat–Sun all day Europe/London`';

test.each([
  ['Mon–Fri 22:00–06:00 Europe/London', ['cron(0 22 * * MON,TUE,WED,THU,FRI)', 'PT8H', 'Europe/London']],
  ['Mon-Fri 22:00-06:00 Europe/London', ['cron(0 22 * * MON,TUE,WED,THU,FRI)', 'PT8H', 'Europe/London']],
  ['Sun 01:30–01:45 UTC', ['cron(30 1 * * SUN)', 'PT15M', 'UTC']],
  ['Sat–Sun all day Asia/Kolkata', ['cron(0 0 * * SAT,SUN)', 'PT24H', 'Asia/Kolkata']],
  [
    'Fri–Mon 18:05–19:35 America/Argentina/Buenos_Aires',
    ['cron(5 18 * * FRI,SAT,SUN,MON)', 'PT1H30M', 'America/Argentina/Buenos_Aires'],
  ],
  ['Mon, Wed–Thu 00:00–23:59 UTC', ['cron(0 0 * * MON,WED,THU)', 'PT23H59M', 'UTC']],
])('%s is a mute rule’s schedule', (text, [schedule, duration, timeZone]) => {
  expect(read(text)).toEqual({ result: [{ schedule, duration, timeZone }], problems: [] });
});

test('hours share the time zone of those before', () => {
  const { result } = read('Mon–Fri 22:00–06:00 Europe/London; Sat–Sun all day');
  expect(result.map(({ timeZone }) => timeZone)).toEqual(['Europe/London', 'Europe/London']);
});

test('durations are ones that CloudWatch takes', () => {
  for (const { duration } of read('Mon 00:00–00:01 UTC; Tue all day').result)
    expect(parseDuration(duration)).toBeGreaterThan(0);
});

test.each([
  ['Monday 22:00–06:00 UTC', `1: \`Monday\`; expected days, Mon, Tue, Wed, Thu, Fri, Sat, Sun: ${example}`],
  ['Mon 24:00–06:00 UTC', `5: \`24:00–06:00 UTC\`; expected hours such as \`22:00–06:00\`, or \`all day\`: ${example}`],
  ['Mon 22–06 UTC', `5: \`22–06 UTC\`; expected hours such as \`22:00–06:00\`, or \`all day\`: ${example}`],
  ['Mon 22:00–22:00 UTC', '5: `22:00–22:00`; expected an end other than the start, or `all day`'],
  ['Mon 22:00–06:00', '16: hours without a time zone; expected a time zone such as `UTC` or `Europe/London`'],
  [
    'Mon all day Europe/Londn',
    '13: time zone `Europe/Londn`; expected a time zone such as `UTC` or `Europe/London` (did you mean Europe/London?)',
  ],
  [
    'Mon all day europe/london',
    '13: time zone `europe/london`; expected a time zone such as `UTC` or `Europe/London` (did you mean Europe/London?)',
  ],
  ['Mon all day UTC daily', '17: `daily`; expected the end, or `;` and further hours'],
])('%s is answered with what was expected', (text, problem) => {
  expect(read(text).problems).toEqual([problem]);
});
