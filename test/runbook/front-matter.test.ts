import { broken, marked, mistakes, valid } from './mistakes.ts';

const frontMatter = valid.slice(0, valid.indexOf('\n\n# Order updates'));

test.each([
  [
    'a wrong service',
    'service: orders',
    'service: «order',
    '`service` is `order`; expected `orders`, as the file is named',
  ],
  [
    'a service that is no name',
    'service: orders',
    'service: «Orders!',
    '`service` is `Orders!`; expected at most 32 lower-case letters, digits and single hyphens, beginning with a letter',
  ],
  ['an empty title', 'title: Order updates', 'title:«', '`title` is empty; expected the title of the runbook'],
  [
    'a list as owner',
    'owner: Operations',
    'owner: «[a, b]',
    '`owner` is a list, map or alias; expected the team that keeps the runbook',
  ],
  [
    'an alias',
    'owner: Operations',
    'owner: «*team',
    '`owner` is a list, map or alias; expected the team that keeps the runbook',
  ],
  ['a number as owner', 'owner: Operations', 'owner: «7', '`owner` is `7`; expected the team that keeps the runbook'],
  [
    'a date in words',
    'updated: 2026-11-22',
    'updated: «yesterday',
    '`updated` is `yesterday`; expected an ISO date such as 2026-11-22',
  ],
  [
    'a day that does not exist',
    'review: 2027-02-22',
    'review: «2027-02-30',
    '`review` is `2027-02-30`; expected an ISO date such as 2026-11-22',
  ],
  [
    'a missing key',
    'updated: 2026-11-22\nreview: 2027-02-22',
    'updated: 2026-11-22«',
    'front matter without `review`; expected a line `review: …`',
  ],
  [
    'a misspelt key',
    'review: ',
    '«reveiw: ',
    'unknown key `reveiw`; expected one of service, title, owner, updated, review (did you mean review?)',
  ],
  [
    'an unknown key',
    'title: ',
    '«colour: red\ntitle: ',
    'unknown key `colour`; expected one of service, title, owner, updated, review',
  ],
])('%s is reported where it stands', (_, passage, replacement, message) => {
  const text = broken(passage, replacement);
  expect(mistakes(text)).toEqual([`${marked(text)}: ${message}`]);
});

test('a key given twice is reported at the second', () => {
  const text = broken('owner: Operations', 'owner: Operations\n«owner: Others');
  expect(mistakes(text)).toEqual([expect.stringMatching(`^${marked(text)}: YAML: Map keys must be unique`)]);
});

test('what is no YAML is reported at its place', () => {
  const text = broken('title: Order updates', 'title: «"Order updates');
  expect(mistakes(text)).toEqual(expect.arrayContaining([expect.stringMatching(/^\d+:\d+: YAML: /)]));
  expect(mistakes(text).every(mistake => Number(mistake.split(':')[0]) <= 7)).toBe(true);
});

test.each([
  ['a file without front matter', valid.slice(frontMatter.length), '1:1: the file begins without front matter'],
  ['front matter that is not closed', valid.replace('22\n---', '22\n'), '1:1: the file begins without front matter'],
  ['empty front matter', valid.replace(frontMatter, '---\n---'), '2:1: front matter without keys'],
  ['a list as front matter', valid.replace(frontMatter, '---\n- a\n---'), '2:1: front matter without keys'],
])('%s is reported once', (_, text, start) => {
  expect(mistakes(text)).toEqual([
    `${start}; expected front matter between two lines \`---\` with the keys service, title, owner, updated, review`,
  ]);
});

test('all keys that are missing or wrong are reported together', () => {
  const text = valid.replace('title: Order updates\n', '').replace('updated: 2026-11-22', 'updated: soon');
  expect(mistakes(text)).toEqual([
    '4:10: `updated` is `soon`; expected an ISO date such as 2026-11-22',
    '5:19: front matter without `title`; expected a line `title: …`',
  ]);
});
