import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, exportPKCS8, generateKeyPair, importPKCS8, type JSONWebKeySet, type JWK, SignJWT } from 'jose';
import { z } from 'zod';

/** Algorithms that the service accepts. */
export const algorithms = ['RS256', 'ES256'] as const;
export type Algorithm = (typeof algorithms)[number];

/** What the user may read and write: exact channel names, or prefixes that end in `*`. */
export interface ChannelPatterns {
  readonly read: readonly string[];
  readonly write: readonly string[];
}

export interface TokenRequest {
  readonly user: string;
  readonly channels: ChannelPatterns;
  /** Seconds, or a time span such as `1h` or `10 minutes`. */
  readonly expires: string | number;
  readonly issuer: string;
  readonly audience: string;
  /** @default RS256 */
  readonly algorithm?: Algorithm;
}

export interface Issuer {
  /** The public keys. */
  jwks(): JSONWebKeySet;
  /** @throws Error where `expires` is not a time span. */
  sign(request: TokenRequest): Promise<string>;
}

const storedKey = z.object({
  algorithm: z.enum(algorithms),
  kid: z.string(),
  privateKey: z.string(),
  publicKey: z.record(z.string(), z.unknown()),
});
const storedKeys = z.array(storedKey);
type StoredKey = z.output<typeof storedKey>;

function tokensDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'tokens');
}

/** Writes a file whole or not at all, since another process may read it at the same time. */
export async function writeState(stateDirectory: string, name: string, content: unknown, mode: number): Promise<void> {
  const directory = tokensDirectory(stateDirectory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = join(directory, `.${name}.${randomUUID()}`);
  await writeFile(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode });
  await rename(temporary, join(directory, name));
}

/** @returns undefined where the file does not exist. */
export async function readState(stateDirectory: string, name: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(tokensDirectory(stateDirectory), name), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function generateKey(algorithm: Algorithm): Promise<StoredKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return {
    algorithm,
    kid: `${algorithm.toLowerCase()}-${randomUUID()}`,
    privateKey: await exportPKCS8(privateKey),
    publicKey: { ...(await exportJWK(publicKey)) },
  };
}

const jwksOf = (keys: readonly StoredKey[]): JSONWebKeySet => ({
  keys: keys.map(({ algorithm, kid, publicKey }) => ({ ...publicKey, kid, alg: algorithm, use: 'sig' }) as JWK),
});

/** Public keys of an issuer that nobody has. */
export const generateJwks = async (): Promise<JSONWebKeySet> => jwksOf(await Promise.all(algorithms.map(generateKey)));

/**
 * The development issuer of a state directory. Its keys are made on first use and kept in `tokens/keys.json`, which
 * only its owner can read.
 */
export async function createIssuer(stateDirectory: string): Promise<Issuer> {
  const stored = await readState(stateDirectory, 'keys.json');
  const keys = stored === undefined ? await Promise.all(algorithms.map(generateKey)) : storedKeys.parse(stored);
  if (stored === undefined) await writeState(stateDirectory, 'keys.json', keys, 0o600);
  return {
    jwks: () => jwksOf(keys),
    async sign({ user, channels, expires, issuer, audience, algorithm = 'RS256' }) {
      const key = keys.find(candidate => candidate.algorithm === algorithm);
      if (!key) throw new Error(`there is no key for ${algorithm}`);
      const now = Math.floor(Date.now() / 1000);
      return new SignJWT({ channels: { read: [...channels.read], write: [...channels.write] } })
        .setProtectedHeader({ alg: algorithm, kid: key.kid, typ: 'JWT' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(user)
        .setIssuedAt(now)
        .setExpirationTime(typeof expires === 'number' ? now + expires : expires)
        .sign(await importPKCS8(key.privateKey, algorithm));
    },
  };
}
