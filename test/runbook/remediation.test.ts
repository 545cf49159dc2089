import fc from 'fast-check';
import { type PlaybookName, playbookFor, playbookNames } from '../../lib/runbook/playbooks.ts';
import { readRemediation, remediationDefaults } from '../../lib/runbook/remediation.ts';
import type { PlaybookCall, Remediation } from '../../lib/runbook/runbook.ts';
import { remediationInWords } from '../../lib/runbook/wording.ts';
import { readText } from './cell.ts';

const read = (text: string) => readText(text, (_, problems, cell) => readRemediation(cell, problems));

test.each<[string, PlaybookCall[]]>([
  ['restart-functions', [{ playbook: 'restart-functions', parameters: {} }]],
  ['scale-delivery(to 5)', [{ playbook: 'scale-delivery', parameters: { shards: 5 } }]],
  ['throttle-publishers(100 ms)', [{ playbook: 'throttle-publishers', parameters: { intervalMs: 100 } }]],
  ['rollback-release(within 2 h)', [{ playbook: 'rollback-release', parameters: { withinSeconds: 7_200 } }]],
  ['rollback-release', [{ playbook: 'rollback-release', parameters: { withinSeconds: 3_600 } }]],
  ['notify-clients(refresh)', [{ playbook: 'notify-clients', parameters: { notice: 'refresh' } }]],
  [
    'notify-clients("We look into it; prices, then charts (all) are late"), then diagnose',
    [
      { playbook: 'notify-clients', parameters: { notice: 'We look into it; prices, then charts (all) are late' } },
      { playbook: 'diagnose', parameters: {} },
    ],
  ],
])('%s is read, with the defaults', (text, playbooks) => {
  expect(read(text)).toEqual({ result: { kind: 'playbooks', playbooks, ...remediationDefaults }, problems: [] });
});

test.each<[string, Partial<Remediation>]>([
  ['drain; tries 1', { tries: 1 }],
  ['drain; cooldown 1 h; after approval', { cooldownSeconds: 3_600, mode: 'approval' }],
  ['drain; automatic', { mode: 'automatic' }],
  ['none: the feed is in front of this service; nothing here cures it', { kind: 'none' }],
])('%s is read', (text, expected) => {
  const { result, problems } = read(text);
  expect(problems).toEqual([]);
  expect(result).toMatchObject(expected);
});

const optionsExpected = '`tries N` from 1 to 10, `cooldown 15 min` up to 1 d, `after approval` or `automatic`';
const scaleExpected =
  '`scale-delivery(to …)` with 2 to 64 (one shard is what there is anyway, and more than 64 leave each too small a part of the quota)';

test.each([
  ['none', '5: `none` without a reason; expected `none: ` and why nothing automatic can cure it'],
  ['none:', '5: `none` without a reason; expected `none: ` and why nothing automatic can cure it'],
  [
    'restart-function',
    '1: unknown playbook `restart-function`; expected the name of a playbook (did you mean restart-functions?)',
  ],
  ['reboot', `1: unknown playbook \`reboot\`; expected one of ${playbookNames.join(', ')}, or \`none: <reason>\``],
  ['scale-delivery', `15: \`scale-delivery\` without its parameter; expected ${scaleExpected}`],
  ['scale-delivery(5)', `15: \`(5)\`; expected ${scaleExpected}`],
  ['scale-delivery(to 1)', `15: \`(to 1)\`; expected ${scaleExpected}`],
  ['scale-delivery(to 5 shards)', `15: \`(to 5 shards)\`; expected ${scaleExpected}`],
  ['diagnose(now)', '9: `(now)`; expected `diagnose` without anything after it'],
  [
    'notify-clients(hello)',
    '15: `(hello)`; expected `notify-clients(refresh)`, `notify-clients(reconnect)` or a text in quotes of at most 200 characters',
  ],
  ['drain, diagnose', '8: `diagnose`; expected `then` and the next playbook: `first, then second`'],
  ['drain then diagnose', '7: `then diagnose`; expected `drain` without anything after it, then `, then …` or `; …`'],
  ['drain, then drain', '13: `drain` a second time; expected each playbook once; `tries` says how often it is tried'],
  ['drain; tries 0', `8: \`tries 0\`; expected ${optionsExpected}`],
  ['drain; tries 2; tries 3', '17: a second `tries 3`; expected each of them once'],
  ['drain; cooldwn 5 min', `8: \`cooldwn 5 min\`; expected ${optionsExpected} (did you mean cooldown?)`],
  ['drain; after aproval', `8: \`after aproval\`; expected ${optionsExpected} (did you mean after approval?)`],
])('%s is answered with what was expected', (text, problem) => {
  expect(read(text).problems).toContain(problem);
});

const calls: fc.Arbitrary<PlaybookCall> = fc.constantFrom(...playbookNames).chain((playbook: PlaybookName) => {
  const { parameter } = playbookFor(playbook);
  if (!parameter) return fc.constant({ playbook, parameters: {} });
  const words = fc.stringMatching(/^[A-Za-z][A-Za-z ,;():.]{0,40}[a-z]$/);
  const value =
    parameter.kind === 'figure'
      ? fc.integer({ min: parameter.minimum, max: parameter.maximum })
      : fc.oneof(fc.constantFrom(...parameter.keywords), words);
  return value.map(chosen => ({ playbook, parameters: { [parameter.name]: chosen } }));
});

test('every remediation is read from the words that tell it', () => {
  const remediations = fc.record({
    kind: fc.constant('playbooks' as const),
    playbooks: fc.uniqueArray(calls, { minLength: 1, maxLength: 4, selector: ({ playbook }) => playbook }),
    tries: fc.integer({ min: 1, max: 10 }),
    cooldownSeconds: fc.integer({ min: 0, max: 86_400 }),
    mode: fc.constantFrom('automatic' as const, 'approval' as const),
  });
  fc.assert(
    fc.property(remediations, remediation => {
      expect(read(remediationInWords(remediation))).toEqual({ result: remediation, problems: [] });
    }),
  );
});
