import { generateKeyPair, SignJWT } from 'jose';
import { tokenExpiry } from '../../client/token-expiry.ts';

const signed = async (claims: Record<string, unknown>) => {
  const { privateKey } = await generateKeyPair('ES256');
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
};

it.each(['alice', 'Zoë 🎈', '???>>>'])('reads the end of a token, whoever it is for: %s', async sub => {
  expect(tokenExpiry(await signed({ sub, exp: 1_900_000_000 }))).toBe(1_900_000_000_000);
});

it('knows none where the token does not say, or is no JWT', async () => {
  expect(tokenExpiry(await signed({ sub: 'alice' }))).toBeUndefined();
  for (const token of ['', 'secret', 'a.b.c', 'a.bnVsbA.c', 'a.e30']) expect(tokenExpiry(token)).toBeUndefined();
});
