import { nearestName } from '../runbook/nearest-name.ts';
import type { Channel, Runbook } from '../runbook/runbook.ts';
import type { Contact, Environment } from './environment.ts';
import { EnvironmentErrors } from './environment-errors.ts';

/** Where an environment keeps the address for a channel. */
export const addressFields: Readonly<Record<Channel, keyof Contact>> = {
  Slack: 'slack',
  PagerDuty: 'pagerduty',
  email: 'email',
  SMS: 'sms',
  phone: 'phone',
};

/** What an escalation names and the environment has no address for; one problem a contact or channel. */
export function missingAddresses(
  { escalation }: Pick<Runbook, 'escalation'>,
  { name, contacts }: Pick<Environment, 'name' | 'contacts'>,
): string[] {
  const problems = escalation.flatMap(step => {
    const contact = contacts[step.contact];
    if (!contact) {
      const nearest = nearestName(step.contact, Object.keys(contacts));
      const suggestion = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
      return [`contact \`${step.contact}\`, which ${name} does not have; expected one of its contacts${suggestion}`];
    }
    const missing = step.channels.filter(channel => contact[addressFields[channel]] === undefined);
    return missing.map(
      channel =>
        `contact \`${step.contact}\` by ${channel}; expected \`${addressFields[channel]}\` in ${name}.contacts.${step.contact}`,
    );
  });
  return [...new Set(problems)];
}

/**
 * Checks that everybody whom a runbook calls can be reached in an environment.
 * @throws EnvironmentErrors that names each contact and channel without an address
 */
export function assertReachable(
  runbook: Pick<Runbook, 'service' | 'escalation'>,
  environment: Pick<Environment, 'name' | 'contacts'>,
): void {
  const problems = missingAddresses(runbook, environment);
  if (problems.length > 0) throw new EnvironmentErrors(`${runbook.service} in ${environment.name}`, problems);
}
