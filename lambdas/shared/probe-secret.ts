import { keptFor } from './cache.ts';

/** A secret that was rotated is known to all after this, in milliseconds. */
const keptMs = 300_000;

/**
 * The secret that the probe signs with and the authorizer verifies with. The client of Secrets Manager is loaded when the
 * first probe comes: no handshake of a user waits for it.
 */
export const probeSecret = (secretArn: string): (() => Promise<Uint8Array>) =>
  keptFor(keptMs, async () => {
    const { GetSecretValueCommand, SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager');
    const client = new SecretsManagerClient({
      maxAttempts: 2,
      requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
    });
    try {
      const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretArn }));
      if (!SecretString) throw new Error('the secret of the probe is empty');
      return new TextEncoder().encode(SecretString);
    } finally {
      client.destroy();
    }
  });
