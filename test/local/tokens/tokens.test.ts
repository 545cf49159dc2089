import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLocalJWKSet, createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { createIssuer } from '../../../local/tokens/issuer.ts';
import { type RunningTokenIssuer, startTokenIssuer } from '../../../local/tokens/server.ts';

const claims = { issuer: 'https://issuer.local', audience: 'steadysocket' };
const root = join(__dirname, '../../..');
let stateDirectory: string;
let running: RunningTokenIssuer | undefined;

beforeEach(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), 'tokens-'));
});
afterEach(async () => {
  await running?.close();
  running = undefined;
  await rm(stateDirectory, { recursive: true });
});

async function start() {
  running = await startTokenIssuer({ stateDirectory, port: 0, ...claims });
  return running;
}

/** Runs the command as `npm run token` does. */
function token(...options: string[]) {
  const node = join(root, 'node_modules/.bin/node');
  return promisify(execFile)(node, ['local/tokens/main.ts', '--state-dir', stateDirectory, ...options], { cwd: root });
}

test.each(['RS256', 'ES256'] as const)('a token of %s is verified by the served keys', async algorithm => {
  const { jwksUrl } = await start();
  const issuer = await createIssuer(stateDirectory);
  const channels = { read: ['room:*'], write: ['world'] };
  const jwt = await issuer.sign({ user: 'alice', channels, expires: 60, algorithm, ...claims });
  const { payload, protectedHeader } = await jwtVerify(jwt, createRemoteJWKSet(new URL(jwksUrl)), claims);
  expect(protectedHeader.alg).toBe(algorithm);
  expect(payload).toMatchObject({ sub: 'alice', iss: claims.issuer, aud: claims.audience, channels });
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
});

test('the keys survive a restart, and only their owner can read the private ones', async () => {
  const before = (await createIssuer(stateDirectory)).jwks();
  expect((await createIssuer(stateDirectory)).jwks()).toEqual(before);
  expect((await stat(join(stateDirectory, 'tokens/keys.json'))).mode & 0o777).toBe(0o600);
});

test('no private key is served', async () => {
  const { jwksUrl } = await start();
  const { keys } = (await (await fetch(jwksUrl)).json()) as { keys: Record<string, unknown>[] };
  expect(keys.map(({ alg }) => alg)).toEqual(['RS256', 'ES256']);
  for (const key of keys) expect(Object.keys(key)).not.toContain('d');
  expect((await fetch(new URL('/keys.json', jwksUrl))).status).toBe(404);
  expect((await fetch(jwksUrl, { method: 'POST' })).status).toBe(405);
});

test('a token of another state directory is not verified', async () => {
  const other = await mkdtemp(join(tmpdir(), 'tokens-'));
  const foreign = await (await createIssuer(other)).sign({
    user: 'a',
    channels: { read: [], write: [] },
    expires: '1h',
    ...claims,
  });
  const jwks = createLocalJWKSet((await createIssuer(stateDirectory)).jwks());
  await expect(jwtVerify(foreign, jwks)).rejects.toThrow();
  await rm(other, { recursive: true });
});

describe('the command', () => {
  test('prints a token for the running environment, and nothing else', async () => {
    await start();
    const { stdout, stderr } = await token(
      '--user',
      'alice',
      '--channels',
      'room:*, world',
      '--write',
      'world',
      '--expires',
      '15m',
    );
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const jwt = stdout.trim();
    expect(decodeProtectedHeader(jwt)).toMatchObject({ alg: 'RS256', kid: expect.any(String) });
    const payload = decodeJwt(jwt);
    expect(payload).toMatchObject({
      iss: claims.issuer,
      aud: claims.audience,
      sub: 'alice',
      channels: { read: ['room:*', 'world'], write: ['world'] },
    });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(900);
    await jwtVerify(jwt, createLocalJWKSet((await createIssuer(stateDirectory)).jwks()), claims);
  });

  test('grants every channel by default', async () => {
    await start();
    const { stdout } = await token('--user', 'alice');
    expect(decodeJwt(stdout.trim()).channels).toEqual({ read: ['*'], write: ['*'] });
  });

  test('fails clearly where no environment was started', async () => {
    await expect(token('--user', 'alice')).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('no environment was started'),
    });
    await expect(readFile(join(stateDirectory, 'tokens/keys.json'))).rejects.toThrow('ENOENT');
  });

  test('fails clearly with a span or pattern that is not one', async () => {
    await start();
    await expect(token('--user', 'alice', '--expires', 'soon')).rejects.toMatchObject({ code: 1, stdout: '' });
    await expect(token('--user', 'alice', '--channels', 'a*b')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("'a*b'"),
    });
    await expect(token()).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('--user') });
  });
});
