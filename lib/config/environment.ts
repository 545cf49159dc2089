import type { Settings } from '../runbook/settings.ts';

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
  /** Settings that this environment takes instead of the runbook's. */
  readonly limits: Partial<Settings>;
}
