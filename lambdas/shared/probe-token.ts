import { SignJWT } from 'jose';

/** The issuer of the probe's tokens, and its name as a user. */
export const probeIssuer = 'steadysocket-probe';
export const probeAlgorithm = 'HS256';

/** A token that outlives one run of the probe, and not the next. */
const lifetime = '2 min';

/**
 * A token that the authorizer takes for the service's own probe.
 * @param audience the service
 */
export const probeToken = (audience: string, secret: Uint8Array): Promise<string> =>
  new SignJWT()
    .setProtectedHeader({ alg: probeAlgorithm })
    .setIssuer(probeIssuer)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime(lifetime)
    .sign(secret);
