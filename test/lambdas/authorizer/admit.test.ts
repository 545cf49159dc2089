import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import {
  type CryptoKey,
  createLocalJWKSet,
  createRemoteJWKSet,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { type AdmissionRules, admit, type RefusedAdmission } from '../../../lambdas/authorizer/admit.ts';
import { probeAlgorithm, probeIssuer, probeToken } from '../../../lambdas/shared/probe-token.ts';
import { everything, mayRead, mayWrite, probeChannel } from '../../../lambdas/shared/rights.ts';

interface Signer {
  readonly alg: 'RS256' | 'ES256';
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}
const signer = async (alg: Signer['alg'], kid: string): Promise<Signer> => ({
  alg,
  kid,
  ...(await generateKeyPair(alg, { extractable: true })),
});

const probeSecret = new TextEncoder().encode('s'.repeat(64));
const issuer = 'https://issuer.example';
const audience = 'steadysocket';
const nowSeconds = () => Math.floor(Date.now() / 1000);

let rsa: Signer;
let ec: Signer;
/** Signs with an issuer's `kid`, but not with its key. */
let forger: Signer;
let rules: AdmissionRules;

beforeAll(async () => {
  [rsa, ec, forger] = await Promise.all([signer('RS256', 'rsa'), signer('ES256', 'ec'), signer('ES256', 'ec')]);
  const keys = await Promise.all(
    [rsa, ec].map(async ({ alg, kid, publicKey }) => ({ ...(await exportJWK(publicKey)), alg, kid, use: 'sig' })),
  );
  rules = {
    issuer,
    audience,
    keys: createLocalJWKSet({ keys }),
    allowedOrigins: ['https://app.example', 'http://localhost:5173'],
    anonymous: false,
    probe: { audience: 'chat', secret: async () => probeSecret },
  };
});

const channels = { read: ['room:*', 'world'], write: ['room:lobby'] };
const claims = (): JWTPayload => ({ iss: issuer, aud: audience, sub: 'alice', exp: nowSeconds() + 3600, channels });

function tokenOf(changes: Record<string, unknown> = {}, { alg, kid, privateKey }: Signer = ec): Promise<string> {
  return new SignJWT({ ...claims(), ...changes } as JWTPayload).setProtectedHeader({ alg, kid }).sign(privateKey);
}
const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

const admitBearer = (token: string, changes: Partial<AdmissionRules> = {}) =>
  admit({ headers: { authorization: `Bearer ${token}` }, query: {} }, { ...rules, ...changes });

async function refusalOf(token: string): Promise<RefusedAdmission> {
  const admission = await admitBearer(token);
  if ('session' in admission) throw new Error('admitted');
  return admission.refused;
}

describe('a token of the issuer', () => {
  test.each(['RS256', 'ES256'] as const)('signed with %s is admitted with its rights', async alg => {
    const exp = nowSeconds() + 60;
    expect(await admitBearer(await tokenOf({ exp }, alg === 'RS256' ? rsa : ec))).toEqual({
      session: { user: 'alice', rights: channels, tokenExpiresAt: exp * 1000 },
    });
  });

  test('without the channels claim may read and write nothing', async () => {
    expect(await admitBearer(await tokenOf({ channels: undefined }))).toMatchObject({
      session: { rights: { read: [], write: [] } },
    });
  });

  test('may name several audiences', async () => {
    expect(await admitBearer(await tokenOf({ aud: ['other', audience] }))).toHaveProperty('session');
  });

  test('may be five seconds off the clock', async () => {
    expect(await admitBearer(await tokenOf({ exp: nowSeconds() - 2 }))).toHaveProperty('session');
    expect(await admitBearer(await tokenOf({ nbf: nowSeconds() + 3 }))).toHaveProperty('session');
  });
});

describe('a token that is refused with 401', () => {
  test('expired', async () => {
    expect(await refusalOf(await tokenOf({ exp: nowSeconds() - 10 }))).toEqual({
      status: 401,
      code: 'token_expired',
      reason: 'the token has expired',
    });
  });

  test.each<[string, () => Promise<string>]>([
    ['not valid yet', () => tokenOf({ nbf: nowSeconds() + 60 })],
    ['of another issuer', () => tokenOf({ iss: 'https://other.example' })],
    ['for another audience', () => tokenOf({ aud: 'other' })],
    ['without an audience', () => tokenOf({ aud: undefined })],
    ['without an end', () => tokenOf({ exp: undefined })],
    ['with an end that is no number', () => tokenOf({ exp: 'never' })],
    ['without a subject', () => tokenOf({ sub: undefined })],
    ['signed with another key', () => tokenOf({}, forger)],
    ['signed with a key that is not published', () => tokenOf({}, { ...ec, kid: 'other' })],
    ['whose signature was cut off', async () => (await tokenOf()).replace(/[^.]*$/, '')],
    [
      'whose claims were changed',
      async () => {
        const [header, , signature] = (await tokenOf()).split('.');
        return `${header}.${encoded({ ...claims(), sub: 'mallory' })}.${signature}`;
      },
    ],
    ['that is unsigned', async () => `${encoded({ alg: 'none', typ: 'JWT' })}.${encoded(claims())}.`],
    ['that is unsigned, in capitals', async () => `${encoded({ alg: 'NONE' })}.${encoded(claims())}.`],
    [
      'signed by HMAC with the public key as the secret',
      async () => {
        const signed = `${encoded({ alg: 'HS256', kid: 'rsa' })}.${encoded(claims())}`;
        const secret = await exportSPKI(rsa.publicKey);
        return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
      },
    ],
    [
      'with the algorithm of another key',
      async () => `${encoded({ alg: 'RS256', kid: 'ec' })}.${encoded(claims())}.AA`,
    ],
    [
      'that brings its own key',
      async () => `${encoded({ alg: 'ES256', jwk: await exportJWK(forger.publicKey) })}.${encoded(claims())}.AA`,
    ],
    [
      'that asks for an unknown extension',
      async () => `${encoded({ alg: 'ES256', kid: 'ec', crit: ['x'], x: 1 })}.${encoded(claims())}.AA`,
    ],
    ['that is no JWT', async () => 'secret'],
  ])('%s', async (_, make) => {
    const token = await make();
    const refusal = await refusalOf(token);
    expect(refusal).toMatchObject({ status: 401, code: 'token_invalid' });
    expect(refusal.reason).not.toContain(token);
  });

  test('whatever it is: nothing that a client sends is an error', async () => {
    const part = fc.oneof(
      fc.string(),
      fc.object({ maxDepth: 1 }).map(encoded),
      fc
        .record(
          {
            alg: fc.oneof(fc.constantFrom('ES256', 'RS256'), fc.jsonValue()),
            kid: fc.jsonValue(),
            crit: fc.jsonValue(),
            b64: fc.boolean(),
          },
          { requiredKeys: [] },
        )
        .map(encoded),
    );
    const token = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(part, { minLength: 1, maxLength: 5 }).map(parts => parts.join('.')),
    );
    await fc.assert(
      fc.asyncProperty(token, async token => {
        expect(await admitBearer(token)).toMatchObject({ refused: { status: 401 } });
      }),
      { numRuns: 300 },
    );
  });
});

describe('claims that are refused with 403', () => {
  test.each<[string, Record<string, unknown>]>([
    ['a subject that is empty', { sub: '' }],
    ['a subject over 256 characters', { sub: 'a'.repeat(257) }],
    ['channels that are no object', { channels: ['room:*'] }],
    ['channels that are no lists', { channels: { read: 'room:*' } }],
    ['over 200 channels', { channels: { read: Array(201).fill('c') } }],
  ])('%s', async (_, changes) => {
    expect(await refusalOf(await tokenOf(changes))).toMatchObject({ status: 403, code: 'claims_invalid' });
  });

  test('more than the gateway carries along', async () => {
    const claim = (length: number) => ({ read: Array.from({ length }, (_, n) => `${n}`.padEnd(100, 'x')), write: [] });
    expect(await refusalOf(await tokenOf({ channels: claim(70) }))).toEqual({
      status: 403,
      code: 'claims_too_large',
      reason: expect.stringMatching(/^the channels claim makes \d+ bytes, 7168 are allowed$/),
    });
    expect(await admitBearer(await tokenOf({ channels: claim(60) }))).toHaveProperty('session');
  });
});

describe('where the token is', () => {
  const offered = async (...protocols: string[]) =>
    admit({ headers: { 'sec-websocket-protocol': protocols.join(', ') }, query: {} }, rules);

  test('beside the subprotocol, in any order', async () => {
    const token = await tokenOf();
    expect(await offered('steadysocket.v1', `bearer.${token}`)).toMatchObject({ session: { user: 'alice' } });
    expect(await offered('other', `bearer.${token}`, 'steadysocket.v1')).toMatchObject({ session: { user: 'alice' } });
  });

  test.each([
    ['without the subprotocol', (token: string) => [`bearer.${token}`]],
    ['beside a longer name', (token: string) => ['steadysocket.v10', `bearer.${token}`]],
    ['without its prefix', (token: string) => ['steadysocket.v1', token]],
  ])('%s it is missing', async (_, protocols) => {
    expect(await offered(...protocols(await tokenOf()))).toMatchObject({
      refused: { status: 401, code: 'token_missing' },
    });
  });

  test('Authorization comes before the subprotocol', async () => {
    const headers = {
      authorization: `bearer  ${await tokenOf({ sub: 'header' })}`,
      'sec-websocket-protocol': `steadysocket.v1, bearer.${await tokenOf({ sub: 'protocol' })}`,
    };
    expect(await admit({ headers, query: {} }, rules)).toMatchObject({ session: { user: 'header' } });
  });

  test('never in the query', async () => {
    const token = await tokenOf();
    const query = { token, access_token: token, authorization: `Bearer ${token}` };
    expect(await admit({ headers: {}, query }, rules)).toMatchObject({
      refused: { status: 401, code: 'token_missing' },
    });
  });

  test('another kind of Authorization is none', async () => {
    expect(await admit({ headers: { authorization: 'Basic YTpi' }, query: {} }, rules)).toMatchObject({
      refused: { status: 401, code: 'token_missing' },
    });
  });
});

describe('an anonymous client', () => {
  const anonymous = { anonymous: true };

  test('may everything where it is admitted', async () => {
    expect(await admit({ headers: {}, query: {} }, { ...rules, ...anonymous })).toEqual({
      session: { rights: everything },
    });
  });

  test('is not who comes with a token: a bad one is refused', async () => {
    expect(await admitBearer(await tokenOf({}, forger), anonymous)).toMatchObject({ refused: { status: 401 } });
    expect(await admitBearer(await tokenOf(), anonymous)).toMatchObject({ session: { user: 'alice' } });
  });
});

describe('the origin', () => {
  const from = async (origin: string | undefined) =>
    admit({ headers: { origin, authorization: `Bearer ${await tokenOf()}` }, query: {} }, rules);

  test.each(['https://app.example', 'http://localhost:5173', undefined])('%p is allowed', async origin => {
    expect(await from(origin)).toHaveProperty('session');
  });

  test.each([
    'https://app.example.evil.example',
    'http://app.example',
    'https://APP.example',
    'https://app.example:8443',
    'null',
    '',
    '*',
  ])('%p is not', async origin => {
    expect(await from(origin)).toMatchObject({ refused: { status: 403, code: 'origin_forbidden' } });
  });
});

test.each([
  ['my-app/1.4.0', 'my-app/1.4.0'],
  ['@org/app+2', '@org/app+2'],
  ['', undefined],
  ['two words', undefined],
  ['x'.repeat(65), undefined],
  ['<script>', undefined],
  [undefined, undefined],
])('the client version %p is kept as %p', async (client, clientVersion) => {
  const admission = await admit({ headers: {}, query: { client } }, { ...rules, anonymous: true });
  expect(admission).toEqual({ session: { rights: everything, ...(clientVersion && { clientVersion }) } });
});

describe('keys that cannot be had are no verdict on the client', () => {
  let answer: { status: number; body: string };
  const server = createServer((_, response) => response.writeHead(answer.status).end(answer.body));
  let url: URL;

  beforeAll(async () => {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`);
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  });

  test.each([
    ['the issuer fails', { status: 500, body: '' }],
    ['the answer is no JSON', { status: 200, body: 'sorry' }],
    ['the answer is no key set', { status: 200, body: '{"keys":5}' }],
  ])('%s', async (_, given) => {
    answer = given;
    await expect(admitBearer(await tokenOf(), { keys: createRemoteJWKSet(url) })).rejects.toThrow();
  });

  test('nobody listens', async () => {
    const keys = createRemoteJWKSet(new URL('http://127.0.0.1:1/jwks.json'));
    await expect(admitBearer(await tokenOf(), { keys })).rejects.toThrow();
  });

  test('a key set over HTTP is used', async () => {
    const jwk = { ...(await exportJWK(ec.publicKey)), alg: 'ES256', kid: 'ec' };
    answer = { status: 200, body: JSON.stringify({ keys: [jwk] }) };
    expect(await admitBearer(await tokenOf(), { keys: createRemoteJWKSet(url) })).toHaveProperty('session');
  });
});

describe('the probe', () => {
  const signed = (changes: Record<string, unknown>, secret = probeSecret, alg = probeAlgorithm) =>
    new SignJWT({ iss: probeIssuer, aud: 'chat', exp: nowSeconds() + 60, ...changes } as JWTPayload)
      .setProtectedHeader({ alg })
      .sign(secret);

  test('is admitted to its own channel, and to nothing else', async () => {
    const admission = await admitBearer(await probeToken('chat', probeSecret));
    if (!('session' in admission)) throw new Error('refused');
    const { user, probe, rights } = admission.session;
    expect({ user, probe }).toEqual({ user: probeIssuer, probe: true });
    expect([mayRead(rights, probeChannel), mayWrite(rights, probeChannel)]).toEqual([true, true]);
    expect([mayRead(rights, 'room:1'), mayWrite(rights, 'room:1')]).toEqual([false, false]);
  });

  test.each<[string, () => Promise<string>]>([
    ['another secret', () => signed({}, new TextEncoder().encode('t'.repeat(64)))],
    ['another service', () => signed({ aud: 'other' })],
    ['another algorithm', () => signed({}, probeSecret, 'HS512')],
    ['the key of the issuer', () => tokenOf({ iss: probeIssuer, aud: 'chat' })],
    ['no end', () => signed({ exp: undefined })],
  ])('is refused with %s', async (_, token) => {
    expect(await refusalOf(await token())).toMatchObject({ status: 401, code: 'token_invalid' });
  });

  test('is refused when its token has ended', async () => {
    expect(await refusalOf(await signed({ exp: nowSeconds() - 60 }))).toMatchObject({ code: 'token_expired' });
  });

  test('cannot be played by a token of the issuer signed with the secret', async () => {
    const token = await signed({ iss: issuer, aud: audience, sub: 'alice' });
    expect(await refusalOf(token)).toMatchObject({ status: 401, code: 'token_invalid' });
  });

  test('whose secret cannot be had is no verdict', async () => {
    const probe = { audience: 'chat', secret: () => Promise.reject(new Error('no secret')) };
    await expect(admitBearer(await probeToken('chat', probeSecret), { probe })).rejects.toThrow('no secret');
  });

  test('has its channel for itself: no claim names it, and no prefix reaches it', async () => {
    const named = await tokenOf({ channels: { read: [probeChannel], write: [] } });
    expect(await refusalOf(named)).toMatchObject({ status: 403, code: 'claims_invalid' });
    expect([mayRead(everything, probeChannel), mayWrite({ read: [], write: ['_*'] }, probeChannel)]).toEqual([
      false,
      false,
    ]);
  });
});
