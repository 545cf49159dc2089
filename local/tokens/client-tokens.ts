import { createIssuer } from './issuer.ts';
import { readIssuerClaims } from './server.ts';

/**
 * Tokens for the clients of an environment that runs with a state directory: for 2 h, for all channels; the same one each time a
 * user asks.
 */
export async function clientTokens(stateDirectory: string): Promise<(user: string) => Promise<string>> {
  const [issuer, claims] = await Promise.all([createIssuer(stateDirectory), readIssuerClaims(stateDirectory)]);
  const tokens = new Map<string, Promise<string>>();
  const channels = { read: ['*'], write: ['*'] };
  return user => {
    const token = tokens.get(user) ?? issuer.sign({ ...claims, user, channels, expires: '2h', algorithm: 'ES256' });
    tokens.set(user, token);
    return token;
  };
}
