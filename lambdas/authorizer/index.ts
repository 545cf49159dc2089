import type { APIGatewayAuthorizerResult, APIGatewayRequestAuthorizerEvent } from 'aws-lambda';
import { createRemoteJWKSet } from 'jose';
import { logger } from '../shared/logger.ts';
import { sessionContext } from '../shared/session.ts';
import { readVariables } from '../shared/variables.ts';
import { type AdmissionRules, admit } from './admit.ts';
import { authorizerVariables } from './variables.ts';

const variables = readVariables(authorizerVariables);
const rules: AdmissionRules = {
  issuer: variables.TOKEN_ISSUER,
  audience: variables.TOKEN_AUDIENCE,
  // Keys are kept for 10 min, and asked for again at most every 30 s where a token names an unknown one.
  keys: createRemoteJWKSet(new URL(variables.JWKS_URL), { timeoutDuration: 3_000 }),
  allowedOrigins: variables.ALLOWED_ORIGINS,
  anonymous: variables.ANONYMOUS,
};

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

export async function handler(event: APIGatewayRequestAuthorizerEvent): Promise<APIGatewayAuthorizerResult> {
  const admission = await admit(
    { headers: lowerCaseNames(event.headers ?? {}), query: event.queryStringParameters ?? {} },
    rules,
  );
  if ('refused' in admission) {
    const { status, code, reason } = admission.refused;
    logger.warn('connection refused', { code, reason, ip: event.requestContext.identity.sourceIp });
    // The one way to answer 401 is an error with this message; a denying policy is answered 403.
    if (status === 401) throw new Error('Unauthorized');
    return verdict('Deny', event, 'refused');
  }
  const { session } = admission;
  return { ...verdict('Allow', event, session.user ?? 'anonymous'), context: sessionContext(session) };
}
