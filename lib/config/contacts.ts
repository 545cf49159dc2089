import { nearestName } from '../runbook/nearest-name.ts';
import type { Reading } from '../runbook/reader.ts';
import type { Channel } from '../runbook/runbook.ts';
import type { Contact, Environment } from './environment.ts';

/** Where an environment keeps the address for a channel. */
export const addressFields: Readonly<Record<Channel, keyof Contact>> = {
  Slack: 'slack',
  PagerDuty: 'pagerduty',
  email: 'email',
  SMS: 'sms',
  phone: 'phone',
};

/** Reports what an escalation names and the environment has no address for, at the contact's place in the table. */
export function reportUnreachable(
  { escalation, problems }: Pick<Reading, 'escalation' | 'problems'>,
  { name, contacts }: Pick<Environment, 'name' | 'contacts'>,
): void {
  for (const { step, at } of escalation) {
    if (step.contact === undefined) continue;
    const contact = contacts[step.contact];
    if (!contact) {
      const names = Object.keys(contacts);
      const nearest = nearestName(step.contact, names);
      const expected = nearest === undefined ? `one of its contacts: ${names.join(', ')}` : 'one of its contacts';
      problems.report(at, `contact \`${step.contact}\`, which ${name} does not have`, expected, nearest);
      continue;
    }
    for (const channel of step.channels ?? []) {
      const field = addressFields[channel];
      if (contact[field] !== undefined) continue;
      const expected = `\`${field}\` in ${name}.contacts.${step.contact}`;
      problems.report(at, `contact \`${step.contact}\` by ${channel}`, expected);
    }
  }
}
