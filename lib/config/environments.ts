import type { Contact, Environment } from './environment.ts';

/** Everybody whom the runbooks' `## Escalation` tables name. */
const contactNames = [
  'api-lead',
  'api-oncall',
  'backend-lead',
  'backend-oncall',
  'clinical-desk',
  'cto',
  'engineering-leadership',
  'engineering-manager',
  'frontend-team',
  'incident-channel',
  'infra-team',
  'infrastructure-oncall',
  'operator',
  'platform-lead',
  'platform-team',
  'status-page',
  'team-lead',
  'websocket-oncall',
  'websocket-team',
];

/** Placeholders for everybody, on every channel; the numbers are of those that belong to nobody. */
function placeholders(domain: string): Record<string, Contact> {
  return Object.fromEntries(
    contactNames.map((name, index) => {
      const number = `+120255501${String(index).padStart(2, '0')}`;
      const slack = `${name}@slack.${domain}`;
      const pagerduty = `https://events.pagerduty.${domain}/integration/${name}/enqueue`;
      return [name, { slack, pagerduty, email: `${name}@${domain}`, sms: number, phone: number }];
    }),
  );
}

/**
 * The environments that the project comes with. Hosts are under example.com until they are yours: copy this file, change it, and
 * give it with `-c environments=FILE`. Where `account` is absent, the account of the deploying credentials is taken.
 */
const environments: readonly Environment[] = [
  {
    name: 'dev',
    region: 'eu-central-1',
    tokens: {
      issuer: 'https://login.dev.example.com/',
      audience: 'steadysocket-dev',
      jwksUrl: 'https://login.dev.example.com/.well-known/jwks.json',
    },
    // The ports that web frameworks' development servers take: Next.js and others, Vite, webpack.
    allowedOrigins: [
      'https://app.dev.example.com',
      ...['localhost', '127.0.0.1'].flatMap(host => [3000, 5173, 8080].map(port => `http://${host}:${port}`)),
    ],
    runbookBaseUrl: 'https://runbooks.dev.example.com',
    contacts: placeholders('dev.example.com'),
    removalPolicy: 'destroy',
    anonymous: false,
    limits: {
      // A load test comes from one address, and one service runs at a time: it may use most of the account's quota, with few
      // fan-out invocations, among which the quota is divided.
      maxConnections: 20_000,
      maxConnectionsPerAddress: 20_000,
      maxConnectionsPerUser: 50,
      requestQuotaShare: 0.8,
      fanOutConcurrency: 4,
      // For that many connections at 400 a second.
      drainWindowSeconds: 60,
    },
  },
  {
    name: 'staging',
    region: 'eu-central-1',
    tokens: {
      issuer: 'https://login.staging.example.com/',
      audience: 'steadysocket-staging',
      jwksUrl: 'https://login.staging.example.com/.well-known/jwks.json',
    },
    allowedOrigins: ['https://app.staging.example.com'],
    runbookBaseUrl: 'https://runbooks.staging.example.com',
    contacts: placeholders('staging.example.com'),
    removalPolicy: 'destroy',
    anonymous: false,
    limits: {},
  },
  {
    name: 'prod',
    region: 'eu-central-1',
    tokens: {
      issuer: 'https://login.example.com/',
      audience: 'steadysocket',
      jwksUrl: 'https://login.example.com/.well-known/jwks.json',
    },
    allowedOrigins: ['https://app.example.com'],
    runbookBaseUrl: 'https://runbooks.example.com',
    contacts: placeholders('example.com'),
    removalPolicy: 'retain',
    anonymous: false,
    limits: {},
  },
];

export default environments;
