import { z } from 'zod';
import { contactPattern } from '../runbook/escalation-section.ts';
import { nearestName } from '../runbook/nearest-name.ts';
import { share } from '../runbook/quantity.ts';
import { inRange, rangeOf, type SettingDefinition, settingsCatalogue } from '../runbook/settings-catalogue.ts';
import type { Environment } from './environment.ts';
import { EnvironmentErrors } from './environment-errors.ts';

/** The one environment that may admit clients without a token and pages without TLS. */
const development = 'dev';
const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);

const text = z.string({ error: 'expected text' }).trim().min(1, { error: 'expected text' });

const httpsUrl = text.refine(value => URL.parse(value)?.protocol === 'https:', {
  error: 'expected an https URL',
});

const origin = text.refine(
  value => {
    const url = URL.parse(value);
    return (
      url?.origin === value && (url.protocol === 'https:' || (url.protocol === 'http:' && loopback.has(url.hostname)))
    );
  },
  {
    error:
      'expected an origin without path or wildcard, such as `https://app.example.com`, or of a page on this machine, such as `http://localhost:3000`',
  },
);

function figure(setting: SettingDefinition) {
  const whole = setting.quantity === share ? '' : 'whole ';
  // Environments give plain numbers in the unit of the field, unlike runbooks: the range is told both ways.
  const error = `expected a ${whole}number from ${setting.minimum} to ${setting.maximum}, that is ${rangeOf(setting)}`;
  const figures = setting.quantity === share ? z.number({ error }) : z.int({ error });
  return figures.refine(value => inRange(setting, value), { error }).optional();
}

const limits = z.strictObject(Object.fromEntries(settingsCatalogue.map(setting => [setting.field, figure(setting)])), {
  error: 'expected an object of settings',
});

const emailAddress = z.email({ error: 'expected an email address' });
// SNS notifies a Slack channel by the address that the channel has for email; a webhook cannot confirm a subscription.
const slack = z.email({ error: 'expected the email address of a channel, such as `alerts-aaaa@example.slack.com`' });
const phoneNumber = z
  .string({ error: 'expected a number in E.164, in quotes, such as `+493012345678`' })
  .regex(/^\+[1-9]\d{6,14}$/, { error: 'expected a number in E.164, such as `+493012345678`' });

const contact = z.strictObject(
  {
    slack: slack.optional(),
    pagerduty: httpsUrl.optional(),
    email: emailAddress.optional(),
    sms: phoneNumber.optional(),
    phone: phoneNumber.optional(),
  },
  { error: 'expected an object of addresses' },
);

const contacts = z.record(
  z.string().regex(contactPattern, { error: 'expected lower-case letters, digits and single hyphens' }),
  contact,
  { error: 'expected an object of contacts' },
);

const environment = z.strictObject(
  {
    // Part of every resource's name, of which the service's takes up to 32 characters.
    name: z.string({ error: 'expected text' }).regex(/^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,15}$/, {
      error: 'expected at most 16 lower-case letters, digits and single hyphens, beginning with a letter',
    }),
    account: z
      .string({ error: 'expected an AWS account id of 12 digits, in quotes' })
      .regex(/^\d{12}$/, { error: 'expected an AWS account id of 12 digits' })
      .optional(),
    region: z
      .string({ error: 'expected an AWS Region such as `eu-central-1`' })
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, { error: 'expected an AWS Region such as `eu-central-1`' }),
    tokens: z.strictObject(
      { issuer: text, audience: text, jwksUrl: httpsUrl },
      { error: 'expected issuer, audience, jwksUrl' },
    ),
    allowedOrigins: z.array(origin, { error: 'expected a list of origins' }),
    runbookBaseUrl: httpsUrl.refine(value => !value.endsWith('/'), { error: 'expected no slash at the end' }),
    removalPolicy: z.enum(['retain', 'destroy'], { error: 'expected `retain` or `destroy`' }),
    anonymous: z.boolean({ error: 'expected true or false' }).default(false),
    contacts: contacts.default({}),
    limits: limits.default({}),
  },
  { error: 'expected an environment' },
);

/**
 * Checks a list of environments as a user wrote it; `anonymous` and `limits` may be left out.
 * @param source where it is from, for the messages
 * @throws EnvironmentErrors with all that is wrong
 */
export function parseEnvironments(source: string, value: unknown): Environment[] {
  const parsed = z
    .array(environment, { error: 'expected a list of environments' })
    .min(1, { error: 'expected at least one environment' })
    .safeParse(value);
  const problems = [
    ...(parsed.error?.issues ?? []).flatMap(issue => describe(issue, value)),
    ...(Array.isArray(value) ? [...onlyInDevelopment(value), ...namedTwice(value)] : []),
  ];
  if (!parsed.success || problems.length > 0) throw new EnvironmentErrors(source, problems);
  return parsed.data.map(({ account, contacts: addresses, limits: overrides, ...rest }) => ({
    ...rest,
    ...(account === undefined ? {} : { account }),
    contacts: Object.fromEntries(Object.entries(addresses).map(([name, given]) => [name, whatIsThere(given)])),
    limits: whatIsThere(overrides),
  }));
}

/** Without the keys that were left out, which zod has as undefined. */
function whatIsThere<Value>(given: Readonly<Record<string, Value | undefined>>): Record<string, Value> {
  const there = Object.entries(given).filter((entry): entry is [string, Value] => entry[1] !== undefined);
  return Object.fromEntries(there);
}

// These two look at the value as it was written: zod checks a whole only when each part is right, and a user wants all at once.
function onlyInDevelopment(environments: readonly unknown[]): string[] {
  return environments.flatMap((candidate, index) => {
    if (at(candidate, 'name') === development) return [];
    const problems: string[] = [];
    if (at(candidate, 'anonymous') === true) {
      const place = placeOf([index, 'anonymous'], environments);
      problems.push(`${place}: read true; expected false: only \`${development}\` may admit clients without a token`);
    }
    const origins = at(candidate, 'allowedOrigins');
    for (const [number, allowed] of Array.isArray(origins) ? origins.entries() : []) {
      if (!String(allowed).startsWith('http:')) continue;
      const place = placeOf([index, 'allowedOrigins', number], environments);
      problems.push(`${place}: read "${allowed}"; expected https: only \`${development}\` may admit pages without TLS`);
    }
    return problems;
  });
}

function namedTwice(environments: readonly unknown[]): string[] {
  const names = environments.map(candidate => at(candidate, 'name')).filter(name => name !== undefined);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  return twice.map(name => `a second environment \`${String(name)}\`; expected each name once`);
}

function describe(issue: z.core.$ZodIssue, value: unknown): string[] {
  const place = placeOf(issue.path, value);
  const prefix = place === '' ? '' : `${place}: `;
  if (issue.code === 'invalid_key') {
    return [`${prefix}the name of a contact; ${issue.issues.map(({ message }) => message).join(', ')}`];
  }
  if (issue.code !== 'unrecognized_keys') return [`${prefix}${readAt(issue.path, value)}; ${issue.message}`];
  const known = knownKeys(issue.path);
  return issue.keys.map(key => {
    const meant = nearestName(key, known);
    const suggestion = meant === undefined ? '' : ` (did you mean ${meant}?)`;
    return `${prefix}unknown key \`${key}\`; expected one of ${known.join(', ')}${suggestion}`;
  });
}

function knownKeys(path: readonly PropertyKey[]): string[] {
  const { shape } = environment;
  if (path.includes('contacts')) return Object.keys(contact.shape);
  if (path.includes('limits')) return Object.keys(limits.shape);
  if (path.includes('tokens')) return Object.keys(shape.tokens.shape);
  return Object.keys(shape);
}

/** `prod.tokens.jwksUrl`: the environment by its name where it has one, by its number where not. */
function placeOf(path: readonly PropertyKey[], value: unknown): string {
  const [index, ...rest] = path;
  if (index === undefined) return '';
  const name = at(at(value, index), 'name');
  return [typeof name === 'string' ? name : `environment ${Number(index) + 1}`, ...rest.map(String)].join('.');
}

function readAt(path: readonly PropertyKey[], value: unknown): string {
  const found = path.reduce(at, value);
  if (found === undefined) return 'missing';
  return `read ${typeof found === 'object' ? (found === null ? 'null' : 'an object or list') : JSON.stringify(found)}`;
}

function at(container: unknown, key: PropertyKey): unknown {
  return typeof container === 'object' && container !== null ? Reflect.get(container, key) : undefined;
}
