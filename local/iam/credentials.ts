import {
  createHash,
  createHmac,
  createSecretKey,
  hash,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { SignatureV4Base } from '@smithy/signature-v4';
import type { Place } from '../assembly/resource.ts';
import { AwsError, type Principal } from '../aws/service.ts';

/** An HTTP request as received. */
export interface SignedRequest {
  readonly method: string;
  /** Path with query string, as received. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface KeyPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface Authenticated {
  readonly principal: Principal;
  /** Signing name of the credential scope, e.g. `dynamodb`. */
  readonly service: string;
}

/**
 * Verifies the Signature Version 4 of a request, in the `Authorization` header.
 * @throws AwsError as the service that the credential scope names answers it.
 */
export type Authenticate = (request: SignedRequest) => Promise<Authenticated>;

export interface Credentials {
  /** The key pair of `user/developer`, the same in every environment: these keys open nothing beyond this machine. */
  readonly developer: KeyPair;
  /** Issues the key pair of a session of a role, e.g. of a function's environment. The same session has the same keys. */
  forRole(roleArn: string, sessionName: string): KeyPair;
  readonly authenticate: Authenticate;
}

/** A signature is accepted for 5 minutes (IAM User Guide, "Elements of an AWS API request signature"). */
const maxClockSkewMs = 5 * 60 * 1000;

/** These answer with the error codes of the query protocol, even where their SDK clients speak JSON. */
const queryServices = new Set(['sqs', 'sns', 'sts', 'iam', 'monitoring', 'cloudformation']);

type Failure = 'missing' | 'unknownKey' | 'mismatch' | 'expired';

function failure(kind: Failure, service: string, message: string): AwsError {
  if (queryServices.has(service)) {
    const codes = {
      missing: 'MissingAuthenticationToken',
      unknownKey: 'InvalidClientTokenId',
      mismatch: 'SignatureDoesNotMatch',
      expired: 'RequestExpired',
    };
    return new AwsError(codes[kind], message, kind === 'expired' ? 400 : 403);
  }
  const codes = {
    missing: 'MissingAuthenticationTokenException',
    unknownKey: 'UnrecognizedClientException',
    mismatch: 'InvalidSignatureException',
    expired: 'InvalidSignatureException',
  };
  // API Gateway answers 403, services of the JSON protocols 400 (their "Common errors" pages).
  return new AwsError(codes[kind], message, service === 'execute-api' ? 403 : 400);
}

class NodeHash {
  readonly #hash;
  constructor(secret?: unknown) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as Uint8Array);
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {
    throw new Error('a hash is used once');
  }
}

/** The canonical request of the AWS SDK's own signer: another implementation than what functions may sign with. */
class CanonicalRequests extends SignatureV4Base {
  constructor(uriEscapePath: boolean) {
    super({
      service: '',
      region: '',
      credentials: { accessKeyId: '', secretAccessKey: '' },
      sha256: NodeHash,
      uriEscapePath,
    });
  }
  of(request: SignedRequest, signedHeaders: Record<string, string>, payloadHash: string): string {
    const question = request.url.indexOf('?');
    const path = question < 0 ? request.url : request.url.slice(0, question);
    return this.createCanonicalRequest(
      {
        method: request.method,
        protocol: 'http:',
        hostname: '',
        path,
        query: question < 0 ? {} : queryOf(request.url.slice(question + 1)),
        headers: {},
      },
      signedHeaders,
      payloadHash,
    );
  }
}

/** S3 alone does not encode the path a second time (IAM User Guide, "Create a signed AWS API request"). */
const plainPaths = new CanonicalRequests(false);
const escapedPaths = new CanonicalRequests(true);

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function queryOf(queryString: string): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = Object.create(null);
  for (const pair of queryString.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1));
    const earlier = query[name];
    query[name] = earlier === undefined ? value : [earlier, value].flat();
  }
  return query;
}

const authorizationPattern =
  /^AWS4-HMAC-SHA256 +Credential=([^/\s,]+)\/(\d{8})\/([^/\s,]+)\/([^/\s,]+)\/aws4_request *, *SignedHeaders=([^\s,]+) *, *Signature=([0-9a-f]{64})$/;

function dateOf(longDate: string): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(longDate);
  if (!parts) return Number.NaN;
  return Date.parse(`${parts[1]}-${parts[2]}-${parts[3]}T${parts[4]}:${parts[5]}:${parts[6]}Z`);
}

function hmac(key: string | Buffer | KeyObject, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/**
 * Issues key pairs and verifies what is signed with them.
 * @param now Clock in epoch milliseconds.
 */
export function createCredentials({
  place,
  now = Date.now,
}: {
  readonly place: Place;
  readonly now?: () => number;
}): Credentials {
  const { partition, account, region } = place;
  const developer: KeyPair = {
    accessKeyId: 'AKIASTEADYSOCKETDEV0',
    secretAccessKey: createHash('sha256').update('steadysocket developer').digest('base64').slice(0, 40),
  };
  const holders = new Map<string, { readonly keys: KeyPair; readonly principal: Principal }>([
    [
      developer.accessKeyId,
      { keys: developer, principal: { kind: 'user', arn: `arn:${partition}:iam::${account}:user/developer` } },
    ],
  ]);
  const sessions = new Map<string, KeyPair>();
  const signingKeys = new Map<string, KeyObject>();

  function forRole(roleArn: string, sessionName: string): KeyPair {
    const name = roleArn.slice(roleArn.lastIndexOf('/') + 1);
    const arn = `arn:${partition}:sts::${account}:assumed-role/${name}/${sessionName}`;
    const earlier = sessions.get(arn);
    if (earlier) return earlier;
    const keys: KeyPair = {
      accessKeyId: `ASIA${randomBytes(10).toString('hex').toUpperCase().slice(0, 16)}`,
      secretAccessKey: randomBytes(30).toString('base64'),
      sessionToken: randomBytes(96).toString('base64'),
    };
    sessions.set(arn, keys);
    holders.set(keys.accessKeyId, { keys, principal: { kind: 'role', arn } });
    return keys;
  }

  function signingKey(keys: KeyPair, scopeDate: string, service: string): KeyObject {
    const id = `${keys.accessKeyId}/${scopeDate}/${service}`;
    let key = signingKeys.get(id);
    if (key === undefined) {
      // As a KeyObject: with a Buffer, Node 24 takes 25 µs more for each signature.
      key = createSecretKey(
        [region, service, 'aws4_request'].reduce(hmac, hmac(`AWS4${keys.secretAccessKey}`, scopeDate)),
      );
      // A day's scopes are few; dates of the past are not needed again.
      if (signingKeys.size > 10_000) signingKeys.clear();
      signingKeys.set(id, key);
    }
    return key;
  }

  async function authenticate(request: SignedRequest): Promise<Authenticated> {
    const { headers } = request;
    if (headers.authorization === undefined) {
      throw failure('missing', '', 'Missing Authentication Token');
    }
    const parts = authorizationPattern.exec(headers.authorization);
    if (!parts) {
      throw new AwsError(
        'IncompleteSignatureException',
        'Authorization header requires Credential, SignedHeaders and Signature of AWS4-HMAC-SHA256.',
      );
    }
    const [, accessKeyId = '', scopeDate = '', scopeRegion = '', service = '', signedNames = '', signature = ''] =
      parts;
    const holder = holders.get(accessKeyId);
    if (!holder || holder.keys.sessionToken !== headers['x-amz-security-token']) {
      throw failure('unknownKey', service, 'The security token included in the request is invalid.');
    }
    if (scopeRegion !== region) {
      throw failure('mismatch', service, `Credential should be scoped to a valid region, not '${scopeRegion}'.`);
    }
    const longDate = headers['x-amz-date'];
    const time = typeof longDate === 'string' ? dateOf(longDate) : Number.NaN;
    if (typeof longDate !== 'string' || Number.isNaN(time) || !longDate.startsWith(scopeDate)) {
      throw failure(
        'mismatch',
        service,
        'X-Amz-Date must be an ISO 8601 basic date of the day of the credential scope.',
      );
    }
    const skewMs = now() - time;
    if (Math.abs(skewMs) > maxClockSkewMs) {
      throw failure(
        'expired',
        service,
        skewMs > 0
          ? `Signature expired: ${longDate} is more than 5 minutes old.`
          : `Signature not yet current: ${longDate} is more than 5 minutes in the future.`,
      );
    }
    const signed = signedHeadersOf(headers, signedNames);
    if (signed === undefined) {
      throw failure('mismatch', service, "'host' and every x-amz- header must be among the signed headers.");
    }
    const payloadHash = hash('sha256', request.body);
    const declaredHash = headers['x-amz-content-sha256'];
    const canonical = (service === 's3' ? plainPaths : escapedPaths).of(request, signed, payloadHash);
    const scope = `${scopeDate}/${region}/${service}/aws4_request`;
    const canonicalHash = hash('sha256', canonical);
    const expected = hmac(
      signingKey(holder.keys, scopeDate, service),
      `AWS4-HMAC-SHA256\n${longDate}\n${scope}\n${canonicalHash}`,
    );
    if (
      !timingSafeEqual(expected, Buffer.from(signature, 'hex')) ||
      (declaredHash !== undefined && declaredHash !== payloadHash)
    ) {
      throw failure(
        'mismatch',
        service,
        'The request signature we calculated does not match the signature you provided. ' +
          'Check your AWS Secret Access Key and signing method.',
      );
    }
    return { principal: holder.principal, service };
  }

  return { developer, forRole, authenticate };
}

/** The signed headers with their values in canonical form, or undefined where one that must be signed is not. */
function signedHeadersOf(headers: IncomingHttpHeaders, signedNames: string): Record<string, string> | undefined {
  const names = signedNames.split(';');
  const signed: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    signed[name] = (Array.isArray(value) ? value.join(',') : (value ?? '')).replace(/\s+/g, ' ').trim();
  }
  if (signed.host === undefined) return undefined;
  for (const name in headers) {
    if (name.startsWith('x-amz-') && signed[name] === undefined) return undefined;
  }
  return signed;
}
