import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import { z } from 'zod';
import { probeAlgorithm, probeIssuer } from '../shared/probe-token.ts';
import { subprotocol } from '../shared/protocol.ts';
import { everything, isReserved, probeChannel, type Rights, rightsSchema } from '../shared/rights.ts';
import { type Session, sessionContext } from '../shared/session.ts';

export interface AdmissionRules {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: JWTVerifyGetKey;
  readonly allowedOrigins: readonly string[];
  /** Whether a client without a token is admitted. */
  readonly anonymous: boolean;
  /** The service's own probe signs with a secret, for the service, and may use one channel. */
  readonly probe: { readonly audience: string; readonly secret: () => Promise<Uint8Array> };
}

/** Why a client is not admitted; `status` is what the handshake is answered with. */
export type RefusedAdmission = {
  readonly status: 401 | 403;
  readonly code:
    | 'token_missing'
    | 'token_invalid'
    | 'token_expired'
    | 'claims_invalid'
    | 'claims_too_large'
    | 'origin_forbidden';
  readonly reason: string;
};

export type Admission = { readonly session: Session } | { readonly refused: RefusedAdmission };

/** What a handshake tells. Header names are lower case. */
export interface Handshake {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly query: Readonly<Record<string, string | undefined>>;
}

const claimsSchema = z.object({
  sub: z.string().min(1).max(256),
  exp: z.number(),
  channels: rightsSchema
    .default({ read: [], write: [] })
    .refine(({ read, write }) => ![...read, ...write].some(isReserved), 'names a channel that is reserved'),
});

/** API Gateway refuses an authorizer result over 8 KB; the policy and the other fields need the rest. */
const maxContextBytes = 7 * 1024;

/** A token from `Authorization: Bearer …` or, for browsers, from the offered subprotocol `bearer.<token>`. */
function tokenOf(headers: Handshake['headers']): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '');
  if (bearer) return bearer[1];
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim());
  return offered.includes(subprotocol)
    ? offered.find(name => name.startsWith('bearer.'))?.slice('bearer.'.length)
    : undefined;
}

const refused = (status: 401 | 403, code: RefusedAdmission['code'], reason: string) => ({
  refused: { status, code, reason },
});

/** Who issued a token, as it says itself: which key it has to be verified with. */
function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    // No token at all; verifying it tells why.
    return undefined;
  }
}

const ofTheToken = [
  errors.JWTClaimValidationFailed,
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
];

/** Runs a verification; what is wrong with the token is a refusal. */
async function verified(
  verification: Promise<{ readonly payload: JWTPayload }>,
): Promise<{ readonly payload: JWTPayload } | Extract<Admission, { refused: unknown }>> {
  try {
    return await verification;
  } catch (error) {
    if (error instanceof errors.JWTExpired) return refused(401, 'token_expired', 'the token has expired');
    if (!ofTheToken.some(kind => error instanceof kind)) throw error;
    return refused(401, 'token_invalid', (error as errors.JOSEError).message);
  }
}

const clockTolerance = 5;
const probeRights: Rights = { read: [probeChannel], write: [probeChannel] };

async function admitProbe(token: string, { audience, secret }: AdmissionRules['probe']): Promise<Admission> {
  const options: JWTVerifyOptions = {
    issuer: probeIssuer,
    audience,
    algorithms: [probeAlgorithm],
    requiredClaims: ['exp'],
    clockTolerance,
  };
  const result = await verified(jwtVerify(token, await secret(), options));
  if ('refused' in result) return result;
  return { session: { user: probeIssuer, rights: probeRights, probe: true } };
}

/** Name and version that a client gives of itself: browsers can set no header, so it is a query parameter. */
const clientVersion = (query: Handshake['query']): string | undefined =>
  /^[\w.@/+-]{1,64}$/.test(query.client ?? '') ? query.client : undefined;

/**
 * Decides whether a client may connect, and as whom.
 * @throws Error where the issuer's keys cannot be had: that is no verdict on the client.
 */
export async function admit(handshake: Handshake, rules: AdmissionRules): Promise<Admission> {
  const { origin } = handshake.headers;
  if (origin !== undefined && !rules.allowedOrigins.includes(origin)) {
    return refused(403, 'origin_forbidden', `origin ${origin.slice(0, 200)} is not allowed`);
  }
  const version = clientVersion(handshake.query);
  const about = version === undefined ? {} : { clientVersion: version };
  const token = tokenOf(handshake.headers);
  if (token === undefined) {
    if (rules.anonymous) return { session: { rights: everything, ...about } };
    return refused(
      401,
      'token_missing',
      `no token in Authorization, nor beside ${subprotocol} in Sec-WebSocket-Protocol`,
    );
  }
  if (issuerOf(token) === probeIssuer) return admitProbe(token, rules.probe);
  const result = await verified(
    jwtVerify(token, rules.keys, {
      issuer: rules.issuer,
      audience: rules.audience,
      algorithms: ['RS256', 'ES256'],
      requiredClaims: ['sub', 'exp'],
      clockTolerance,
    }),
  );
  if ('refused' in result) return result;
  const claims = claimsSchema.safeParse(result.payload);
  if (!claims.success) return refused(403, 'claims_invalid', z.prettifyError(claims.error));
  const session: Session = {
    user: claims.data.sub,
    rights: claims.data.channels,
    tokenExpiresAt: claims.data.exp * 1000,
    ...about,
  };
  const bytes = Buffer.byteLength(JSON.stringify(sessionContext(session)));
  if (bytes > maxContextBytes) {
    return refused(403, 'claims_too_large', `the channels claim makes ${bytes} bytes, ${maxContextBytes} are allowed`);
  }
  return { session };
}
