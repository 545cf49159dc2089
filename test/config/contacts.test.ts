import { join } from 'node:path';
import { assertReachable, missingAddresses } from '../../lib/config/contacts.ts';
import { EnvironmentErrors } from '../../lib/config/environment-errors.ts';
import environments from '../../lib/config/environments.ts';
import { listServices, loadRunbook } from '../../lib/runbook/reader.ts';
import type { EscalationStep } from '../../lib/runbook/runbook.ts';

const step = (contact: string, ...channels: EscalationStep['channels'][number][]): EscalationStep => ({
  afterSeconds: 0,
  contact,
  channels,
});
const prod = {
  name: 'prod',
  contacts: { 'on-call': { slack: 'on-call@slack.example.test', sms: '+12025550100' }, cto: {} },
};

test('a contact with an address for each channel is reachable', () => {
  expect(missingAddresses({ escalation: [step('on-call', 'Slack', 'SMS')] }, prod)).toEqual([]);
});

test('a contact that the environment lacks is named with the nearest one', () => {
  expect(missingAddresses({ escalation: [step('on-cal', 'Slack')] }, prod)).toEqual([
    'contact `on-cal`, which prod does not have; expected one of its contacts (did you mean on-call?)',
  ]);
});

test('a channel without an address is named with its contact, once', () => {
  const escalation = [step('on-call', 'Slack', 'phone'), step('on-call', 'phone'), step('cto', 'PagerDuty')];
  expect(missingAddresses({ escalation }, prod)).toEqual([
    'contact `on-call` by phone; expected `phone` in prod.contacts.on-call',
    'contact `cto` by PagerDuty; expected `pagerduty` in prod.contacts.cto',
  ]);
});

test('a service whose contacts cannot be reached is not deployed', () => {
  const attempt = () => assertReachable({ service: 'orders', escalation: [step('cto', 'email')] }, prod);
  expect(attempt).toThrow(EnvironmentErrors);
  expect(attempt).toThrow('orders in prod: contact `cto` by email; expected `email` in prod.contacts.cto');
});

const runbooks = join(__dirname, '../../runbooks');

test.each(listServices(runbooks))('%s reaches everybody in every environment', service => {
  const runbook = loadRunbook(service, runbooks);
  for (const environment of environments) expect(missingAddresses(runbook, environment)).toEqual([]);
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
