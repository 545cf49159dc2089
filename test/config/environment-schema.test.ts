import { EnvironmentErrors } from '../../lib/config/environment-errors.ts';
import { parseEnvironments } from '../../lib/config/environment-schema.ts';

const tokens = { issuer: 'https://login.test/', audience: 'api', jwksUrl: 'https://login.test/jwks.json' };
const dev = {
  name: 'dev',
  region: 'eu-central-1',
  tokens,
  allowedOrigins: ['https://app.test', 'http://localhost:3000'],
  runbookBaseUrl: 'https://runbooks.test',
  removalPolicy: 'destroy',
};
const prod = { ...dev, name: 'prod', account: '123456789012', allowedOrigins: ['https://app.test'] };

function problems(value: unknown): readonly string[] {
  try {
    parseEnvironments('mine.ts', value);
    return [];
  } catch (error) {
    if (!(error instanceof EnvironmentErrors)) throw error;
    return error.problems;
  }
}

test('what an environment leaves out is filled in', () => {
  expect(parseEnvironments('mine.ts', [dev, prod])).toEqual([
    { ...dev, anonymous: false, contacts: {}, limits: {} },
    { ...prod, anonymous: false, contacts: {}, limits: {} },
  ]);
});

test('limits take the place of settings', () => {
  const limits = { maxConnectionsPerUser: 50, requestQuotaShare: 1 / 3 };
  expect(parseEnvironments('mine.ts', [{ ...dev, limits }])[0]?.limits).toEqual(limits);
});

test('a contact has the addresses that it was given', () => {
  const contacts = {
    'on-call': { slack: 'on-call@slack.example.test', phone: '+493012345678' },
    cto: { email: 'cto@example.test' },
  };
  expect(parseEnvironments('mine.ts', [{ ...dev, contacts }])[0]?.contacts).toEqual(contacts);
});

test('the environment dev, and no other, admits clients without a token', () => {
  expect(problems([{ ...dev, anonymous: true }])).toEqual([]);
  expect(problems([{ ...prod, anonymous: true }])).toEqual([
    'prod.anonymous: read true; expected false: only `dev` may admit clients without a token',
  ]);
});

test('the environment dev, and no other, admits pages of this machine without TLS', () => {
  expect(problems([{ ...prod, allowedOrigins: ['http://localhost:3000'] }])).toEqual([
    'prod.allowedOrigins.0: read "http://localhost:3000"; expected https: only `dev` may admit pages without TLS',
  ]);
});

test.each([
  ['http://app.test'],
  ['https://app.test/'],
  ['https://app.test/path'],
  ['https://*.app.test/*'],
  ['app.test'],
  ['*'],
  ['null'],
  ['ws://app.test'],
  ['http://localhost.evil.test'],
])('%j is no origin that dev may allow', origin => {
  expect(problems([{ ...dev, allowedOrigins: [origin] }])).toEqual([
    expect.stringMatching(/^dev\.allowedOrigins\.0: read ".*"; expected an origin without path or wildcard/),
  ]);
});

test.each([
  [
    { name: 'Prod!' },
    'Prod!.name: read "Prod!"; expected at most 16 lower-case letters, digits and single hyphens, beginning with a letter',
  ],
  [{ name: undefined }, 'environment 1.name: missing; expected text'],
  [{ account: 123456789012 }, 'prod.account: read 123456789012; expected an AWS account id of 12 digits, in quotes'],
  [{ account: '1234' }, 'prod.account: read "1234"; expected an AWS account id of 12 digits'],
  [{ region: 'Frankfurt' }, 'prod.region: read "Frankfurt"; expected an AWS Region such as `eu-central-1`'],
  [
    { tokens: { ...tokens, jwksUrl: 'http://login.test/jwks.json' } },
    'prod.tokens.jwksUrl: read "http://login.test/jwks.json"; expected an https URL',
  ],
  [{ tokens: { ...tokens, audience: '' } }, 'prod.tokens.audience: read ""; expected text'],
  [
    { tokens: { ...tokens, jwkUrl: 'x' } },
    'prod.tokens: unknown key `jwkUrl`; expected one of issuer, audience, jwksUrl (did you mean jwksUrl?)',
  ],
  [{ tokens: undefined }, 'prod.tokens: missing; expected issuer, audience, jwksUrl'],
  [{ allowedOrigins: 'https://app.test' }, 'prod.allowedOrigins: read "https://app.test"; expected a list of origins'],
  [
    { runbookBaseUrl: 'https://runbooks.test/' },
    'prod.runbookBaseUrl: read "https://runbooks.test/"; expected no slash at the end',
  ],
  [{ removalPolicy: 'keep' }, 'prod.removalPolicy: read "keep"; expected `retain` or `destroy`'],
  [{ anonymous: 'no' }, 'prod.anonymous: read "no"; expected true or false'],
  [
    { regoin: 'eu-central-1' },
    'prod: unknown key `regoin`; expected one of name, account, region, tokens, allowedOrigins, runbookBaseUrl, removalPolicy, anonymous, contacts, limits (did you mean region?)',
  ],
  [
    { limits: { maxConnectionsPerUser: 0 } },
    'prod.limits.maxConnectionsPerUser: read 0; expected a whole number from 1 to 3600000, that is 1 to 3600000 (as for the maximum of connections)',
  ],
  [
    { limits: { fanOutConcurrency: 2.5 } },
    'prod.limits.fanOutConcurrency: read 2.5; expected a whole number from 2 to 1000, that is 2 to 1000 (the maximum concurrency of an SQS event source is 2 to 1000)',
  ],
  [
    { limits: { functionMemoryMegabytes: '1024 MB' } },
    'prod.limits.functionMemoryMegabytes: read "1024 MB"; expected a whole number from 128 to 10240, that is 128 MB to 10240 MB (what Lambda offers)',
  ],
  [
    { contacts: { 'On Call': {} } },
    'prod.contacts.On Call: the name of a contact; expected lower-case letters, digits and single hyphens',
  ],
  [
    { contacts: { cto: { slak: 'C0123456789' } } },
    'prod.contacts.cto: unknown key `slak`; expected one of slack, pagerduty, email, sms, phone (did you mean slack?)',
  ],
  [
    { contacts: { cto: { slack: '#general' } } },
    'prod.contacts.cto.slack: read "#general"; expected the email address of a channel, such as `alerts-aaaa@example.slack.com`',
  ],
  [
    { contacts: { cto: { phone: '030 12345678' } } },
    'prod.contacts.cto.phone: read "030 12345678"; expected a number in E.164, such as `+493012345678`',
  ],
  [{ contacts: { cto: { email: 'cto' } } }, 'prod.contacts.cto.email: read "cto"; expected an email address'],
  [{ limits: null }, 'prod.limits: read null; expected an object of settings'],
])('%j is refused', (change, problem) => {
  expect(problems([{ ...prod, ...change }])).toEqual([problem]);
});

test('an unknown limit is answered with the nearest name', () => {
  expect(problems([{ ...prod, limits: { maxConectionsPerUser: 50 } }])).toEqual([
    expect.stringMatching(
      /^prod\.limits: unknown key `maxConectionsPerUser`; expected one of maxConnections, .* \(did you mean maxConnectionsPerUser\?\)$/,
    ),
  ]);
});

test.each([
  [undefined, 'missing; expected a list of environments'],
  [{ dev }, 'read an object or list; expected a list of environments'],
  [[], 'read an object or list; expected at least one environment'],
  [['dev'], 'environment 1: read "dev"; expected an environment'],
])('%j is no list of environments', (value, problem) => {
  expect(problems(value)).toEqual([problem]);
});

test('a name is given once', () => {
  expect(problems([dev, prod, dev])).toEqual(['a second environment `dev`; expected each name once']);
});

test('all problems of all environments are listed at once, each with the file', () => {
  const value = [{ ...dev, region: 1 }, { ...prod, anonymous: true, account: '1', limits: { colour: 1 } }, prod];
  expect(problems(value).map(problem => problem.split(/[:;] /)[0])).toEqual([
    'dev.region',
    'prod.account',
    'prod.limits',
    'prod.anonymous',
    'a second environment `prod`',
  ]);
  expect(() => parseEnvironments('mine.ts', value)).toThrow(
    /^mine\.ts: dev\.region: .*\n(mine\.ts: .*\n){3}mine\.ts: a second/,
  );
});
