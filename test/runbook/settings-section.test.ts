import { readRunbook } from '../../lib/runbook/reader.ts';
import { settingsCatalogue } from '../../lib/runbook/settings-catalogue.ts';
import { broken, marked, mistakes, valid } from './mistakes.ts';

const row = (name: string) => {
  const found = valid.split('\n').find(line => line.startsWith(`| ${name} |`));
  if (found === undefined) throw new Error(`no row ${name}`);
  return found;
};

const duration = 'expected a duration in s, min, h or d, such as `25 s`';
const ofAddress =
  '(API Gateway closes a connection that is idle for 10 min, and one lost heartbeat must not lead there)';

test.each([
  ['Heartbeat interval', '«25', `\`Heartbeat interval\` is \`25\`; ${duration}`],
  ['Heartbeat interval', '«25 KB', `\`Heartbeat interval\` is \`25 KB\`; ${duration}`],
  ['Heartbeat interval', '«25 sec', `\`Heartbeat interval\` is \`25 sec\`; ${duration}`],
  ['Heartbeat interval', '«2.5 s', `\`Heartbeat interval\` is \`2.5 s\`; ${duration}`],
  ['Heartbeat interval', '«-25 s', `\`Heartbeat interval\` is \`-25 s\`; ${duration}`],
  ['Heartbeat interval', '«10 min', `\`Heartbeat interval\` is \`10 min\`; expected 5 s to 4 min ${ofAddress}`],
  ['Heartbeat interval', '«4 s', `\`Heartbeat interval\` is \`4 s\`; expected 5 s to 4 min ${ofAddress}`],
  [
    'Maximum message size',
    '«120',
    '`Maximum message size` is `120`; expected a size in B, KB or MiB, such as `128 KB`',
  ],
  [
    'Maximum message size',
    '«2 MiB',
    '`Maximum message size` is `2 MiB`; expected 1 KB to 1 MB (1 MiB is the largest message of SQS)',
  ],
  ['Function memory', '«1 GB', '`Function memory` is `1 GB`; expected a size in MB, such as `1024 MB`'],
  ['Function memory', '«64 MB', '`Function memory` is `64 MB`; expected 128 MB to 10240 MB (what Lambda offers)'],
  ['Maximum connections', '«10,000', '`Maximum connections` is `10,000`; expected a whole number, such as `10000`'],
  [
    'Fan-out concurrency',
    '«1',
    '`Fan-out concurrency` is `1`; expected 2 to 1000 (the maximum concurrency of an SQS event source is 2 to 1000)',
  ],
  [
    'Fan-out concurrency',
    `«${'9'.repeat(400)}`,
    `\`Fan-out concurrency\` is \`${'9'.repeat(400)}\`; expected 2 to 1000 (the maximum concurrency of an SQS event source is 2 to 1000)`,
  ],
  ['Request quota share', '«0.2', '`Request quota share` is `0.2`; expected a percentage, such as `40 %`'],
  [
    'Request quota share',
    '«101 %',
    '`Request quota share` is `101 %`; expected 1 % to 100 % (a share of the account’s API Gateway quota, which all services in the account divide)',
  ],
])('%s of %j is reported at the value', (name, value, message) => {
  const text = broken(row(name), `| ${name} | ${value} | team |`);
  expect(mistakes(text)).toEqual([`${marked(text)}: ${message}`]);
});

test('an unknown setting is reported with the nearest name, and not as missing too', () => {
  const text = broken(row('Heartbeat interval'), '| «Heartbeet interval | 25 s | team |');
  expect(mistakes(text)).toEqual([
    `${marked(text)}: unknown setting \`Heartbeet interval\`; expected the name of a setting (did you mean Heartbeat interval?)`,
  ]);
});

test('a setting that resembles none is answered with all names', () => {
  const text = broken(row('Post timeout'), `| «Colour | red | team |`);
  const names = settingsCatalogue.map(({ name }) => name).join(', ');
  expect(mistakes(text)).toEqual([`${marked(text)}: unknown setting \`Colour\`; expected one of ${names}`]);
});

test('a setting given twice is reported at the second row', () => {
  const text = broken(row('Post timeout'), `${row('Post timeout')}\n| «Post timeout | 6 s | team |`);
  expect(mistakes(text)).toEqual([
    `${marked(text)}: a second row \`Post timeout\`; expected one, the first is on line 33`,
  ]);
});

test('a required setting that is missing is reported at the table', () => {
  expect(mistakes(broken(`${row('Maximum connections')}\n`, ''))).toEqual([
    '21:1: no setting `Maximum connections`; expected a row `| Maximum connections | … |` with a whole number, such as `10000`',
  ]);
});

test('a table without rows lacks every required setting', () => {
  const head = valid.slice(0, valid.indexOf('| Maximum connections |'));
  const required = settingsCatalogue.filter(setting => setting.default === undefined);
  const tail = valid.slice(valid.indexOf('### Why these'));
  expect(mistakes(`${head}\n${tail}`)).toHaveLength(required.length);
});

test.each(settingsCatalogue.filter(setting => setting.default !== undefined))('$name may be left out', setting => {
  const text = broken(`${row(setting.name)}\n`, '');
  expect(readRunbook('orders.md', text).settings[setting.field]).toBe(setting.default);
});

test('settings that conflict are reported at the value of one of them', () => {
  const text = broken(row('Heartbeat grace'), '| Heartbeat grace | «9 min 30 s | team |').replace(
    '9 min 30 s',
    '570 s',
  );
  expect(mistakes(text)).toEqual([
    `${marked(text)}: a silent connection is evicted after 607.5 s (1.5 × Heartbeat interval + Heartbeat grace); expected less than 600 s, when API Gateway closes an idle connection`,
  ]);
});
