import { importJWK, type JWK } from 'jose';
import { z } from 'zod';

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });

/** How many keys of an issuer tokens can be verified with. @throws Error where the address gives none */
export async function usableKeys(url: string, signal: AbortSignal): Promise<number> {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`the key set was answered with status ${response.status}`);
  const { keys } = keySet.parse(await response.json());
  const usable = await Promise.all(
    keys.map(key =>
      importJWK(key as JWK, key.kty === 'EC' ? 'ES256' : 'RS256').then(
        () => true,
        () => false,
      ),
    ),
  );
  const count = usable.filter(Boolean).length;
  if (count === 0) throw new Error(`the key set has no key that can be used, of ${keys.length}`);
  return count;
}
