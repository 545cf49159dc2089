import type { APIGatewayAuthorizerResult, APIGatewayRequestAuthorizerEvent } from 'aws-lambda';
import { createRemoteJWKSet } from 'jose';
import { readTimeoutMs } from '../shared/control.ts';
import { environmentOf, functionControl } from '../shared/environment.ts';
import { logger } from '../shared/logger.ts';
import { serviceMetrics } from '../shared/metrics.ts';
import { probeSecret } from '../shared/probe-secret.ts';
import { sessionContext } from '../shared/session.ts';
import { readVariables } from '../shared/variables.ts';
import { type AdmissionRules, admit } from './admit.ts';
import { authorizerVariables } from './variables.ts';

const variables = readVariables(authorizerVariables);
const metrics = serviceMetrics();
const environment = environmentOf({
  // A handshake needs nothing of it: at first, too, it is not held up for longer than this.
  control: functionControl(variables.OPERATIONS_TABLE, { firstTimeoutMs: readTimeoutMs }),
  reads: 'alongside',
  open() {
    const rules: AdmissionRules = {
      issuer: variables.TOKEN_ISSUER,
      audience: variables.TOKEN_AUDIENCE,
      // Keys are kept for 10 min, and asked for again at most every 30 s where a token names an unknown one. The socket is
      // not: `fetch` would keep it in a pool of the whole process, which nobody could end.
      keys: createRemoteJWKSet(new URL(variables.JWKS_URL), {
        timeoutDuration: 3_000,
        headers: { connection: 'close' },
      }),
      allowedOrigins: variables.ALLOWED_ORIGINS,
      anonymous: variables.ANONYMOUS,
      probe: { audience: variables.PROBE_AUDIENCE, secret: probeSecret(variables.PROBE_SECRET_ARN) },
    };
    // No sockets: what it drops are the keys and the secret.
    return { rules, end() {} };
  },
});

const lowerCaseNames = (headers: Readonly<Record<string, string | undefined>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

const verdict = (
  effect: 'Allow' | 'Deny',
  event: APIGatewayRequestAuthorizerEvent,
  principalId: string,
): APIGatewayAuthorizerResult => ({
  principalId,
  policyDocument: {
    Version: '2012-10-17',
    Statement: [{ Action: 'execute-api:Invoke', Effect: effect, Resource: event.methodArn }],
  },
});

/** The one way to answer 401 is an error with this message; a denying policy is answered 403. */
class Unauthorized extends Error {
  constructor() {
    super('Unauthorized');
  }
}

export async function handler(event: APIGatewayRequestAuthorizerEvent): Promise<APIGatewayAuthorizerResult> {
  try {
    return await environment.run(({ rules }) => authorize(event, rules));
  } catch (error) {
    if (!(error instanceof Unauthorized)) metrics.put('ConnectionErrors', 1, 'internal');
    throw error;
  } finally {
    metrics.flush();
  }
}

async function authorize(
  event: APIGatewayRequestAuthorizerEvent,
  rules: AdmissionRules,
): Promise<APIGatewayAuthorizerResult> {
  const admission = await admit(
    { headers: lowerCaseNames(event.headers ?? {}), query: event.queryStringParameters ?? {} },
    rules,
  );
  if ('refused' in admission) {
    const { status, code, reason } = admission.refused;
    metrics.put('ConnectionErrors', 1, code === 'origin_forbidden' ? 'origin' : 'token');
    logger.warn('connection refused', { code, reason, ip: event.requestContext.identity.sourceIp });
    if (status === 401) throw new Unauthorized();
    return verdict('Deny', event, 'refused');
  }
  const { session } = admission;
  return { ...verdict('Allow', event, session.user ?? 'anonymous'), context: sessionContext(session) };
}
