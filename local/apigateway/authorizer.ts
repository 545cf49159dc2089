import { runUnsafeSimulation } from '@cloud-copilot/iam-simulate';
import { z } from 'zod';
import type { Place } from '../assembly/resource.ts';
import type { Log } from '../aws/service.ts';
import type { Invoke } from './invocation.ts';
import type { AuthorizerContext, ConnectionFacts, HandshakeHeaders, QueryParameters } from './websocket-events.ts';
import { authorizerEvent } from './websocket-events.ts';
import type { WebSocketAuthorizer } from './websocket-model.ts';

/** "Quotas for configuring and running a WebSocket API": Lambda authorizer result size. */
const maxResultBytes = 8 * 1024;

/** API Gateway waits for an authorizer as long as for an integration. */
const timeoutMs = 29_000;

const actions = z.union([z.string(), z.array(z.string())]);
const statement = z.object({
  Effect: z.enum(['Allow', 'Deny']),
  Action: actions,
  Resource: actions,
  Condition: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
});

/** "Output from an API Gateway Lambda authorizer"; values of the context that are not flat make the result invalid. */
const authorizerResult = z.object({
  principalId: z.string(),
  policyDocument: z.object({
    Version: z.string().optional(),
    Statement: z.union([z.array(statement), statement.transform(single => [single])]),
  }),
  context: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).nullish(),
});

export type Verdict =
  | { readonly allowed: true; readonly context: AuthorizerContext }
  | { readonly allowed: false; readonly status: 401 | 403 | 500; readonly message: string };

const unauthorized: Verdict = { allowed: false, status: 401, message: 'Unauthorized' };
const misconfigured: Verdict = { allowed: false, status: 500, message: 'Internal server error' };

export interface Handshake {
  readonly facts: ConnectionFacts;
  readonly headers: HandshakeHeaders;
  readonly query: QueryParameters;
  readonly requestId: string;
}

function hasIdentity(source: string, { facts, headers, query }: Handshake): boolean {
  const [, name = ''] =
    /^(?:route\.request\.header|route\.request\.querystring|stageVariables|context)\.(.+)$/.exec(source) ?? [];
  if (source.startsWith('route.request.header.')) {
    return Object.entries(headers.headers).some(
      ([key, value]) => key.toLowerCase() === name.toLowerCase() && value !== '',
    );
  }
  if (source.startsWith('route.request.querystring.')) return Boolean(query.queryStringParameters[name]);
  if (source.startsWith('stageVariables.')) return Boolean(facts.stageVariables?.[name]);
  return true;
}

/** Decides on handshakes by a REQUEST authorizer; its results are not cached, as for every WebSocket API. */
export function createAuthorizer({
  authorizer,
  invoke,
  place,
  log,
}: {
  readonly authorizer: WebSocketAuthorizer;
  readonly invoke: Invoke;
  readonly place: Place;
  readonly log: Log;
}): (handshake: Handshake) => Promise<Verdict> {
  const { partition, region, account } = place;
  return async handshake => {
    const { facts, headers, query, requestId } = handshake;
    if (!authorizer.identitySources.every(source => hasIdentity(source, handshake))) return unauthorized;
    const methodArn = `arn:${partition}:execute-api:${region}:${account}:${facts.apiId}/${facts.stage}/$connect`;
    const startedAt = performance.now();
    const outcome = await invoke({
      functionArn: authorizer.functionArn,
      source: `${facts.apiId}/authorizers/${authorizer.id}`,
      event: authorizerEvent(facts, methodArn, headers, query, requestId),
      timeoutMs,
    });
    if (outcome.kind === 'failed' && outcome.errorMessage === 'Unauthorized') return unauthorized;
    if (outcome.kind !== 'answered') return misconfigured;
    const invalid = (why: string): Verdict => {
      log('error', 'apigateway', `the authorizer's result is invalid: ${why}`, { functionArn: authorizer.functionArn });
      return misconfigured;
    };
    const bytes = Buffer.byteLength(JSON.stringify(outcome.payload) ?? '');
    if (bytes > maxResultBytes) return invalid(`${bytes} bytes, the quota is ${maxResultBytes}`);
    const parsed = authorizerResult.safeParse(outcome.payload);
    if (!parsed.success) return invalid(z.prettifyError(parsed.error));
    const { principalId, policyDocument, context } = parsed.data;
    const decision = runUnsafeSimulation(
      {
        request: {
          principal: `arn:${partition}:iam::${account}:user/authorized`,
          action: 'execute-api:Invoke',
          resource: { resource: methodArn, accountId: account },
          contextVariables: { 'aws:SourceIp': facts.sourceIp },
        },
        identityPolicies: [{ name: 'authorizer', policy: policyDocument }],
        serviceControlPolicies: [],
        resourceControlPolicies: [],
      },
      {},
    );
    if (decision !== 'Allowed') {
      const explicit = decision === 'ExplicitlyDenied' ? ' with an explicit deny' : '';
      return { allowed: false, status: 403, message: `User is not authorized to access this resource${explicit}` };
    }
    // API Gateway passes values on as strings ("Input to / output from a Lambda authorizer").
    const strings = Object.entries(context ?? {}).map(([key, value]): [string, string] => [key, String(value)]);
    return {
      allowed: true,
      context: {
        ...Object.fromEntries(strings),
        principalId,
        integrationLatency: Math.round(performance.now() - startedAt),
      },
    };
  };
}
