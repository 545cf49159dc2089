import type { Settings } from '../runbook/settings.ts';

/** Where a contact is reached, by channel. */
export interface Contact {
  /** The email address of a channel (Slack: "Send emails to Slack"), since SNS cannot post to a webhook. */
  readonly slack?: string;
  /** https URL of a PagerDuty integration. */
  readonly pagerduty?: string;
  readonly email?: string;
  /** A number for text messages in E.164: `+493012345678`. */
  readonly sms?: string;
  /** A number in E.164 for text messages to a phone: SNS cannot ring, PagerDuty can. */
  readonly phone?: string;
}

/** Where and for whom a service is deployed. */
export interface Environment {
  readonly name: string;
  /** AWS account id; where absent, the account of the deploying credentials. */
  readonly account?: string;
  readonly region: string;
  readonly tokens: {
    readonly issuer: string;
    readonly audience: string;
    /** Where the issuer publishes its public keys (https). */
    readonly jwksUrl: string;
  };
  /** Origins of the pages that may connect, e.g. `https://app.example.com`. Clients that send no Origin are not browsers. */
  readonly allowedOrigins: readonly string[];
  /** Where the runbooks are published; `<runbookBaseUrl>/<service>.md#<anchor>` is a link. */
  readonly runbookBaseUrl: string;
  /** What happens to tables and queues when the stack is deleted. */
  readonly removalPolicy: 'retain' | 'destroy';
  /** Admits clients without a token. Only ever in an environment named `dev`. */
  readonly anonymous: boolean;
  /** Who is told of incidents, by the names that the runbooks' `## Escalation` tables use. */
  readonly contacts: Readonly<Record<string, Contact>>;
  /** Settings that this environment takes instead of the runbook's. */
  readonly limits: Partial<Settings>;
}
