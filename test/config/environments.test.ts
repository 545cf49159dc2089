import { parseEnvironments } from '../../lib/config/environment-schema.ts';
import environments from '../../lib/config/environments.ts';

const named = (name: string) => environments.find(environment => environment.name === name);

test('the project’s own environments are valid', () => {
  expect(parseEnvironments('environments', environments).map(({ name }) => name)).toEqual(['dev', 'staging', 'prod']);
});

test('load can come to dev from one machine', () => {
  const limits = named('dev')?.limits;
  expect(limits?.maxConnectionsPerUser).toBeGreaterThanOrEqual(50);
  expect(limits?.maxConnectionsPerAddress).toBeGreaterThanOrEqual(20_000);
  expect(limits?.maxConnections).toBeGreaterThanOrEqual(20_000);
});

test('staging and prod take the runbooks’ settings as they are', () => {
  expect([named('staging')?.limits, named('prod')?.limits]).toEqual([{}, {}]);
});

test('no environment admits clients without a token, and only prod keeps its data', () => {
  expect(environments.map(({ anonymous }) => anonymous)).toEqual([false, false, false]);
  expect(environments.map(({ removalPolicy }) => removalPolicy)).toEqual(['destroy', 'destroy', 'retain']);
});

test('tokens of one environment are of no use in another', () => {
  expect(new Set(environments.map(({ tokens }) => tokens.audience)).size).toBe(environments.length);
  expect(new Set(environments.map(({ tokens }) => tokens.issuer)).size).toBe(environments.length);
});
