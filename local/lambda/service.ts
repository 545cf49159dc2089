import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  type Authorization,
  type AwsCall,
  AwsError,
  type AwsReply,
  type AwsService,
  type Principal,
} from '../aws/service.ts';
import type { DeployedFunction, FunctionVersion } from './deployed-function.ts';
import type { Lambda } from './lambda.ts';

export interface LambdaServiceOptions {
  readonly lambda: Pick<Lambda, 'deployed' | 'invoke' | 'invokeAsync'>;
  readonly authorization: Authorization;
}

const updateAlias = z.strictObject({
  FunctionVersion: z.string().optional(),
  Description: z.string().max(256).optional(),
  RoutingConfig: z
    .strictObject({ AdditionalVersionWeights: z.record(z.string(), z.never('weights are not run')).optional() })
    .optional(),
  RevisionId: z.string().optional(),
});

const publishVersion = z.strictObject({
  Description: z.string().max(256).optional(),
  CodeSha256: z.string().optional(),
  RevisionId: z.undefined('is not run').optional(),
});

const path = /^\/2015-03-31\/functions\/([^/]+)(?:\/(configuration|versions|aliases|invocations)(?:\/([^/]+))?)?$/;

/** Lambda's API as far as releases and invocations go; "API reference", the actions of the same names. */
export function createLambdaService({ lambda, authorization }: LambdaServiceOptions): AwsService {
  /** Each change of an alias has a revision of its own. */
  const revisions = new Map<string, string>();

  const authorize = (principal: Principal, action: string, { arn }: DeployedFunction): Promise<void> =>
    authorization.authorize({ principal, action: `lambda:${action}`, resource: arn });

  const aliasOf = (deployed: DeployedFunction, name: string) => {
    const { version, description } = deployed.alias(name);
    const AliasArn = `${deployed.arn}:${name}`;
    let RevisionId = revisions.get(AliasArn);
    if (RevisionId === undefined) {
      RevisionId = randomUUID();
      revisions.set(AliasArn, RevisionId);
    }
    return { AliasArn, Name: name, FunctionVersion: version, Description: description, RevisionId };
  };

  async function invoke({ headers, body, principal }: AwsCall, reference: string): Promise<AwsReply> {
    const payload: unknown = body.length === 0 ? {} : parse(body);
    const type = headers['x-amz-invocation-type'] ?? 'RequestResponse';
    if (type === 'Event') {
      await lambda.invokeAsync(reference, payload, principal);
      return { status: 202, body: '' };
    }
    if (type !== 'RequestResponse')
      throw new AwsError(
        'InvalidParameterValueException',
        `The local environment does not run the invocation type ${type}`,
      );
    const result = await lambda.invoke(reference, payload, principal);
    const version = { 'x-amz-executed-version': lambda.deployed(reference).version(qualifierIn(reference)).version };
    if (result.ok) return { status: 200, headers: version, body: JSON.stringify(result.payload) ?? 'null' };
    const { errorType, errorMessage } = result;
    return {
      status: 200,
      headers: { ...version, 'x-amz-function-error': 'Unhandled' },
      body: JSON.stringify({ errorType, errorMessage }),
    };
  }

  return {
    async handle(call) {
      const { method, principal, body } = call;
      const url = new URL(call.url, 'http://lambda');
      const [, encoded = '', collection, item] = path.exec(url.pathname) ?? [];
      const name = decodeURIComponent(encoded);
      const parameter = url.searchParams.get('Qualifier') ?? undefined;
      const reference = parameter === undefined ? name : `${name}:${parameter}`;
      if (collection === 'invocations' && method === 'POST') return invoke(call, reference);

      const qualifier = qualifierIn(reference);
      const functionOf = async (action: string): Promise<DeployedFunction> => {
        const deployed = lambda.deployed(name);
        await authorize(principal, action, deployed);
        return deployed;
      };
      switch (`${method} ${collection ?? ''}${item === undefined ? '' : '/'}`) {
        case 'GET ': {
          const deployed = await functionOf('GetFunction');
          return json({ Configuration: configuration(deployed, deployed.version(qualifier), qualifier), Code: {} });
        }
        case 'GET configuration': {
          const deployed = await functionOf('GetFunctionConfiguration');
          return json(configuration(deployed, deployed.version(qualifier), qualifier));
        }
        case 'GET versions': {
          const deployed = await functionOf('ListVersionsByFunction');
          return json({ Versions: deployed.versions.map(each => configuration(deployed, each, each.version)) });
        }
        case 'POST versions': {
          const deployed = await functionOf('PublishVersion');
          const { Description, CodeSha256 } = checked(publishVersion, body);
          if (CodeSha256 !== undefined && CodeSha256 !== deployed.version().codeSha256)
            throw new AwsError(
              'InvalidParameterValueException',
              `CodeSHA256 (${CodeSha256}) is different from current CodeSHA256 in $LATEST`,
            );
          const version = deployed.publish(Description);
          return json(configuration(deployed, version, version.version), 201);
        }
        case 'GET aliases': {
          const deployed = await functionOf('ListAliases');
          return json({ Aliases: deployed.aliases.map(each => aliasOf(deployed, each)) });
        }
        case 'GET aliases/': {
          const deployed = await functionOf('GetAlias');
          return json(aliasOf(deployed, decodeURIComponent(item ?? '')));
        }
        case 'PUT aliases/': {
          const deployed = await functionOf('UpdateAlias');
          const current = aliasOf(deployed, decodeURIComponent(item ?? ''));
          const {
            FunctionVersion = current.FunctionVersion,
            Description = current.Description,
            RevisionId,
          } = checked(updateAlias, body);
          if (RevisionId !== undefined && RevisionId !== current.RevisionId)
            throw new AwsError(
              'PreconditionFailedException',
              'The Revision Id provided does not match the latest Revision Id.',
              412,
            );
          deployed.setAlias(current.Name, FunctionVersion, Description);
          revisions.delete(current.AliasArn);
          return json(aliasOf(deployed, current.Name));
        }
        default:
          throw new AwsError(
            'UnknownOperationException',
            `The local environment does not run ${method} ${url.pathname} of Lambda.`,
            404,
          );
      }
    },
  };
}

/** Version or alias of a name or an ARN. */
function qualifierIn(reference: string): string | undefined {
  const parts = reference.split(':');
  return reference.startsWith('arn:') ? parts[7] : parts[1];
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString() || '{}');
  } catch {
    throw new AwsError('InvalidRequestContentException', 'Could not parse request body into json');
  }
}

function checked<Schema extends z.ZodType>(schema: Schema, body: Buffer): z.output<Schema> {
  const result = schema.safeParse(parse(body));
  if (result.success) return result.data;
  throw new AwsError('InvalidParameterValueException', z.prettifyError(result.error));
}

const json = (answer: object, status = 200): AwsReply => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(answer),
});

function configuration(deployed: DeployedFunction, version: FunctionVersion, qualifier: string | undefined) {
  const { name, arn, role, handler, timeoutSeconds, memoryMegabytes } = deployed;
  return {
    FunctionName: name,
    FunctionArn: qualifier === undefined ? arn : `${arn}:${qualifier}`,
    Runtime: 'nodejs24.x',
    Role: role,
    Handler: handler,
    Timeout: timeoutSeconds,
    MemorySize: memoryMegabytes,
    // Lambda's own format, without a zone's colon.
    LastModified: new Date(version.lastModified).toISOString().replace('Z', '+0000'),
    CodeSha256: version.codeSha256,
    Description: version.description,
    Version: version.version,
    State: 'Active',
    LastUpdateStatus: 'Successful',
  };
}
