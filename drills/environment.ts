import { addressFields } from '../lib/config/contacts.ts';
import type { Contact, Environment } from '../lib/config/environment.ts';
import type { Channel, Runbook } from '../lib/runbook/runbook.ts';

/** Somebody who is told, by the channel of an address. */
export interface Told {
  readonly contact: string;
  readonly channel: Channel;
}

/** Where drills run: with a service's own figures, and with an address for everybody whom its runbook names. */
export const environmentName = 'drill';

/** E.164 numbers that belong to nobody. */
const number = (index: number): string => `+1202555${String(1000 + index).slice(-4)}`;

export interface DrillEnvironment {
  readonly environment: Environment;
  /** By address. */
  readonly told: ReadonlyMap<string, Told>;
}

/** An environment whose addresses tell apart who is told by which channel. */
export function drillEnvironment({ escalation }: Pick<Runbook, 'escalation'>): DrillEnvironment {
  const told = new Map<string, Told>();
  const contacts: Record<string, Contact> = {};
  for (const { contact, channels } of escalation)
    for (const channel of channels) {
      const field = addressFields[channel];
      if (contacts[contact]?.[field] !== undefined) continue;
      const addresses: Readonly<Record<Channel, string>> = {
        Slack: `${contact}@slack.example.com`,
        PagerDuty: `https://events.pagerduty.example.com/integration/${contact}/enqueue`,
        email: `${contact}@example.com`,
        SMS: number(told.size),
        phone: number(told.size),
      };
      contacts[contact] = { ...contacts[contact], [field]: addresses[channel] };
      told.set(addresses[channel], { contact, channel });
    }
  const environment: Environment = {
    name: environmentName,
    region: 'eu-central-1',
    tokens: {
      issuer: 'https://login.example.com/',
      audience: 'steadysocket-drill',
      jwksUrl: 'https://login.example.com/.well-known/jwks.json',
    },
    allowedOrigins: ['https://app.example.com'],
    runbookBaseUrl: 'https://runbooks.example.com',
    contacts,
    removalPolicy: 'destroy',
    anonymous: false,
    limits: {},
  };
  return { environment, told };
}
