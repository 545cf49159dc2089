import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { createFaults, type Faults } from '../../../local/faults/faults.ts';
import { createIssuer } from '../../../local/tokens/issuer.ts';
import { type RunningTokenIssuer, startTokenIssuer } from '../../../local/tokens/server.ts';

const claims = { issuer: 'https://issuer.local', audience: 'steadysocket' };
let stateDirectory: string;
let faults: Faults;
let running: RunningTokenIssuer;
let token: string;

beforeEach(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), 'keys-'));
  faults = createFaults({ resources: [], log: () => {} });
  running = await startTokenIssuer({ stateDirectory, port: 0, faults, ...claims });
  const issuer = await createIssuer(stateDirectory);
  token = await issuer.sign({ user: 'alice', channels: { read: [], write: [] }, expires: '1h', ...claims });
});
afterEach(async () => {
  faults.close();
  await running.close();
  await rm(stateDirectory, { recursive: true });
});

/** As an authorizer that has no keys yet. */
const verified = (timeoutDuration = 5_000) =>
  jwtVerify(token, createRemoteJWKSet(new URL(running.jwksUrl), { timeoutDuration }), claims);

test.each(['error', 'cut', 'silence'] as const)('keys are not to be had: %s', async answer => {
  faults.inject({ fault: 'keys-outage', answer });
  await expect(verified(300)).rejects.toThrow();
  faults.clear();
  expect((await verified()).payload.sub).toBe('alice');
});

test('other keys do not verify what the issuer signed', async () => {
  const { id } = faults.inject({ fault: 'keys-other' });
  await expect(verified()).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
  faults.clear(id);
  expect((await verified()).payload.sub).toBe('alice');
});
