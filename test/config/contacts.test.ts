import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reportUnreachable } from '../../lib/config/contacts.ts';
import environments from '../../lib/config/environments.ts';
import { Problems } from '../../lib/runbook/problem.ts';
import { checkRunbook, listServices } from '../../lib/runbook/reader.ts';
import type { EscalationStep } from '../../lib/runbook/runbook.ts';

/** The problems of steps, one on each line. */
function unreachable(...steps: Partial<EscalationStep>[]): string[] {
  const problems = new Problems('orders.md');
  const escalation = steps.map((step, index) => ({ step, at: { line: index + 1, column: 3 } }));
  reportUnreachable({ escalation, problems }, prod);
  return problems.errors().problems.map(({ line, column, message }) => `${line}:${column}: ${message}`);
}

const step = (contact: string, ...channels: EscalationStep['channels'][number][]) => ({ contact, channels });
const prod = {
  name: 'prod',
  contacts: { 'on-call': { slack: 'on-call@slack.example.test', sms: '+12025550100' }, cto: {} },
};

test('a contact with an address for each channel is reachable', () => {
  expect(unreachable(step('on-call', 'Slack', 'SMS'))).toEqual([]);
});

test('a contact that the environment lacks is named with the nearest one, or with all', () => {
  expect(unreachable(step('on-cal', 'Slack'), step('nurses', 'Slack'))).toEqual([
    '1:3: contact `on-cal`, which prod does not have; expected one of its contacts (did you mean on-call?)',
    '2:3: contact `nurses`, which prod does not have; expected one of its contacts: on-call, cto',
  ]);
});

test('a channel without an address is named with its contact, at each step', () => {
  expect(unreachable(step('on-call', 'Slack', 'phone'), step('on-call', 'phone'), step('cto', 'PagerDuty'))).toEqual([
    '1:3: contact `on-call` by phone; expected `phone` in prod.contacts.on-call',
    '2:3: contact `on-call` by phone; expected `phone` in prod.contacts.on-call',
    '3:3: contact `cto` by PagerDuty; expected `pagerduty` in prod.contacts.cto',
  ]);
});

test('of a step that was read in part, what was read is looked up', () => {
  expect(unreachable({ contact: 'nurses' }, { channels: ['Slack'] })).toHaveLength(1);
});

const runbooks = join(__dirname, '../../runbooks');

test.each(listServices(runbooks))('%s reaches everybody in every environment', service => {
  const path = join(runbooks, `${service}.md`);
  const reading = checkRunbook(path, readFileSync(path, 'utf8'), '2026-11-22');
  expect(reading.escalation).not.toHaveLength(0);
  for (const environment of environments) reportUnreachable(reading, environment);
  expect(reading.problems.errors().problems).toEqual([]);
});

test('no address of the project’s own environments belongs to anybody', () => {
  for (const contact of environments.flatMap(({ contacts }) => Object.values(contacts))) {
    expect(contact.email).toMatch(/@((dev|staging)\.)?example\.com$/);
    expect(contact.slack).toMatch(/@slack\.((dev|staging)\.)?example\.com$/);
    expect(new URL(String(contact.pagerduty)).hostname).toMatch(/\.example\.com$/);
    // Numbers of the North American plan that are kept for fiction: 555-0100 to 555-0199.
    for (const number of [contact.sms, contact.phone]) expect(number).toMatch(/^\+1\d{3}55501\d\d$/);
  }
});
