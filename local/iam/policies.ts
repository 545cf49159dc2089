import {
  getDenialReasons,
  type RunSimulationResults,
  runSimulation,
  runUnsafeSimulation,
} from '@cloud-copilot/iam-simulate';
import type { Place, Resource } from '../assembly/resource.ts';
import { declarationError, declared } from '../assembly/resource-properties.ts';
import {
  type Authorization,
  type AuthorizationRequest,
  AwsError,
  type PolicyDocument,
  type Principal,
} from '../aws/service.ts';
import { managedPolicyProperties, policyProperties, roleProperties } from './declarations.ts';
import { awsManagedPolicies } from './managed-policies.ts';

interface NamedPolicy {
  readonly name: string;
  readonly policy: PolicyDocument;
}

interface RolePolicies {
  readonly identity: readonly NamedPolicy[];
  readonly boundary?: NamedPolicy;
}

/** `undefined` when allowed, else the end of AWS's message. */
type Decision = string | undefined;

/** Bounds memory: connection ids are part of the resources that are asked for. */
const maxCachedDecisions = 100_000;

function managedPolicyOf(arn: string, fromTemplate: ReadonlyMap<string, PolicyDocument>, user: Resource): NamedPolicy {
  const policy = fromTemplate.get(arn) ?? awsManagedPolicies[/^arn:aws:iam::aws:policy\/(.+)$/.exec(arn)?.[1] ?? ''];
  if (policy === undefined) {
    throw declarationError(
      user,
      `the content of managed policy ${arn} is not known here. ` +
        `Known AWS managed policies: ${Object.keys(awsManagedPolicies).join(', ')}`,
    );
  }
  return { name: arn, policy };
}

function policiesByRole(resources: readonly Resource[]): ReadonlyMap<string, RolePolicies> {
  const attached = new Map<string, NamedPolicy[]>();
  const fromTemplate = new Map<string, PolicyDocument>();
  const attach = (roles: readonly string[], policy: NamedPolicy) => {
    for (const role of roles) attached.set(role, [...(attached.get(role) ?? []), policy]);
  };
  for (const { resource, properties } of declared(resources, 'AWS::IAM::ManagedPolicy', managedPolicyProperties)) {
    fromTemplate.set(resource.physicalId, properties.PolicyDocument);
    attach(properties.Roles, { name: resource.physicalId, policy: properties.PolicyDocument });
  }
  for (const { properties } of declared(resources, 'AWS::IAM::Policy', policyProperties)) {
    attach(properties.Roles, { name: properties.PolicyName, policy: properties.PolicyDocument });
  }
  return new Map(
    declared(resources, 'AWS::IAM::Role', roleProperties).map(({ resource, properties }): [string, RolePolicies] => {
      const managed = properties.ManagedPolicyArns.map(arn => managedPolicyOf(arn, fromTemplate, resource));
      const inline = properties.Policies.map(({ PolicyName, PolicyDocument }) => ({
        name: PolicyName,
        policy: PolicyDocument,
      }));
      const identity = [...managed, ...inline, ...(attached.get(resource.physicalId) ?? [])];
      const boundary = properties.PermissionsBoundary;
      return [
        resource.physicalId,
        boundary === undefined
          ? { identity }
          : { identity, boundary: managedPolicyOf(boundary, fromTemplate, resource) },
      ];
    }),
  );
}

/** The role's name from `arn:aws:iam::…:role/path/name` or `arn:aws:sts::…:assumed-role/name/session`. */
function roleNameOf(arn: string): string | undefined {
  return /:assumed-role\/([^/]+)\//.exec(arn)?.[1] ?? /:role\/(?:.*\/)?([^/]+)$/.exec(arn)?.[1];
}

const denialKinds: Readonly<Record<string, string>> = {
  identity: 'identity-based policy',
  resource: 'resource-based policy',
  pb: 'permissions boundary',
};

const articles: Readonly<Record<string, string>> = { identity: 'an' };

/** The reasons as AWS words them (IAM User Guide, "Troubleshoot access denied error messages"). */
function reasonOf(result: RunSimulationResults, request: AuthorizationRequest): string {
  if (result.resultType === 'error') throw new Error('no reason without a decision');
  const analyses = result.resultType === 'single' ? [result.result] : result.results;
  const reasons = analyses.flatMap(({ analysis }) => getDenialReasons(analysis));
  const explicit = reasons.find(({ denialType }) => denialType === 'Explicit');
  if (explicit)
    return `with an explicit deny in ${articles[explicit.policyType] ?? 'a'} ${denialKinds[explicit.policyType] ?? `${explicit.policyType} policy`}`;
  const boundary = reasons.find(({ policyType, blocking }) => policyType === 'pb' && blocking);
  const kind = request.principal.kind === 'service' ? 'resource' : boundary ? 'pb' : 'identity';
  return `because no ${denialKinds[kind]} allows the ${request.action} action`;
}

function nameOf(principal: Principal): string {
  return principal.kind === 'service' ? principal.service : principal.arn;
}

type Context = Readonly<Record<string, string | readonly string[]>>;

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

/** The condition keys that statements on a resource ask for, in lower case. */
function conditionKeys(policies: readonly PolicyDocument[], resource: string): ReadonlySet<string> {
  const statements = policies.flatMap(({ Statement }) => asList(Statement) as readonly Record<string, unknown>[]);
  const meant = statements.filter(({ Resource }) =>
    asList(Resource).some(each => each === resource || String(each).includes('*')),
  );
  const keys = meant.flatMap(({ Condition = {} }) =>
    Object.values(Condition as Record<string, Record<string, unknown>>).flatMap(condition => Object.keys(condition)),
  );
  return new Set(keys.map(key => key.toLowerCase()));
}

function contextOf({ principal, context }: AuthorizationRequest): Record<string, string | string[]> {
  if (principal.kind !== 'service')
    return Object.fromEntries(
      Object.entries(context ?? {}).map(([key, value]) => [key, typeof value === 'string' ? value : [...value]]),
    );
  const account = principal.sourceArn?.split(':')[4];
  return {
    ...(principal.sourceArn ? { 'aws:SourceArn': principal.sourceArn } : {}),
    ...(account ? { 'aws:SourceAccount': account } : {}),
    'aws:PrincipalIsAWSService': 'true',
    'aws:PrincipalServiceName': principal.service,
    ...(context as Record<string, string>),
  };
}

/**
 * Evaluates the identity policies of a synthesized template and the resource policies of each request as IAM does.
 * A service principal is allowed only by a resource policy, with `aws:SourceArn` and `aws:SourceAccount` in the
 * context. A `user` has AdministratorAccess, a role that the template does not declare has no policies.
 * @throws TemplateError at once where a role has a managed policy whose content is not known.
 */
export function createAuthorization({
  resources,
  place,
}: {
  readonly resources: readonly Resource[];
  readonly place: Place;
}): Authorization {
  const roles = policiesByRole(resources);
  const decisions = new Map<string, Decision>();
  /** Principals whose policies were found valid. */
  const checked = new Set<string>();
  const policyKeys = new WeakMap<PolicyDocument, string>();

  function identityPoliciesOf(principal: Principal): RolePolicies {
    if (principal.kind === 'service') return { identity: [] };
    if (principal.kind === 'user') {
      return {
        identity: [{ name: 'AdministratorAccess', policy: awsManagedPolicies.AdministratorAccess as PolicyDocument }],
      };
    }
    return roles.get(roleNameOf(principal.arn) ?? '') ?? { identity: [] };
  }

  function keyOf(policy: PolicyDocument): string {
    let key = policyKeys.get(policy);
    if (key === undefined) {
      key = JSON.stringify(policy);
      policyKeys.set(policy, key);
    }
    return key;
  }

  async function decide(request: AuthorizationRequest): Promise<Decision> {
    const { identity, boundary } = identityPoliciesOf(request.principal);
    const simulation = {
      request: {
        principal: nameOf(request.principal),
        action: request.action,
        resource: { resource: request.resource, accountId: place.account },
        contextVariables: contextOf(request),
      },
      identityPolicies: [...identity],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(request.resourcePolicy ? { resourcePolicy: request.resourcePolicy } : {}),
      ...(boundary ? { permissionBoundaryPolicies: [boundary] } : {}),
    };
    // The simulation that checks its input first takes 2 ms for an execute-api ARN (every connection has its own), and
    // knows none of a WebSocket route or of an HTTP API's root. It has checked the policies before, and words denials.
    const quick = request.action.startsWith('execute-api:') && checked.has(nameOf(request.principal));
    if (quick && runUnsafeSimulation(simulation, {}) === 'Allowed') return undefined;
    const result = await runSimulation(simulation, {});
    if (result.resultType === 'error') {
      if (result.errors.message === 'no.resource.types' && request.action === 'execute-api:Invoke') {
        const outcome = runUnsafeSimulation(simulation, {});
        if (outcome === 'Allowed') return undefined;
        return outcome === 'ExplicitlyDenied'
          ? 'with an explicit deny in an identity-based policy'
          : `because no identity-based policy allows the ${request.action} action`;
      }
      throw new Error(
        `cannot evaluate ${request.action} on ${request.resource} for ${nameOf(request.principal)}: ` +
          JSON.stringify(result.errors),
      );
    }
    checked.add(nameOf(request.principal));
    return result.overallResult === 'Allowed' ? undefined : reasonOf(result, request);
  }

  const keysAsked = new Map<string, ReadonlySet<string>>();
  /** What no statement asks for cannot change a decision, and would make each request's another one to keep. */
  function asked({ principal, resource, context }: AuthorizationRequest): Context | undefined {
    if (principal.kind === 'service' || context === undefined) return context;
    const about = `${nameOf(principal)}\n${resource}`;
    let keys = keysAsked.get(about);
    if (!keys) {
      if (keysAsked.size >= maxCachedDecisions) keysAsked.clear();
      const { identity, boundary } = identityPoliciesOf(principal);
      keys = conditionKeys(
        [...identity, ...(boundary ? [boundary] : [])].map(({ policy }) => policy),
        resource,
      );
      keysAsked.set(about, keys);
    }
    const kept = Object.entries(context).filter(([key]) => keys.has(key.toLowerCase()));
    return kept.length > 0 ? Object.fromEntries(kept) : undefined;
  }

  return {
    async authorize(given) {
      const { principal, action, resource, resourcePolicy } = given;
      const context = resourcePolicy ? given.context : asked(given);
      const { context: _, ...others } = given;
      const request: AuthorizationRequest = { ...others, ...(context && { context }) };
      const source = principal.kind === 'service' ? (principal.sourceArn ?? '') : '';
      const key =
        `${principal.kind}\n${nameOf(principal)}\n${source}\n${action}\n${resource}\n` +
        `${resourcePolicy ? keyOf(resourcePolicy) : ''}\n${context ? JSON.stringify(context) : ''}`;
      let reason = decisions.get(key);
      if (reason === undefined && !decisions.has(key)) {
        reason = await decide(request);
        if (decisions.size >= maxCachedDecisions) decisions.clear();
        decisions.set(key, reason);
      }
      if (reason !== undefined) {
        throw new AwsError(
          'AccessDeniedException',
          `User: ${nameOf(principal)} is not authorized to perform: ${action} on resource: ${resource} ${reason}`,
        );
      }
    },
  };
}
