import type { Resource } from '../assembly/resource.ts';
import { declarationError, propertyError, readProperties } from '../assembly/resource-properties.ts';
import type { Log } from '../aws/service.ts';
import { type Cors, findApi, functionArnOf, httpSchemas, reader } from './declarations.ts';
import { readStages, type Stage } from './stages.ts';

export interface HttpRoute {
  /** e.g. `POST /channels/{channel}/messages` or `$default`. */
  readonly key: string;
  readonly method: string;
  /** Template of the path, `/` for `$default`. */
  readonly path: string;
  readonly functionArn: string;
  readonly timeoutMs: number;
  readonly iam: boolean;
}

export interface HttpModel {
  readonly apiId: string;
  readonly stages: ReadonlyMap<string, Stage>;
  readonly routes: readonly HttpRoute[];
  readonly cors?: Cors;
}

export interface RouteMatch {
  readonly route: HttpRoute;
  readonly pathParameters: Readonly<Record<string, string>>;
}

/** The parameters of a path that a template matches, else undefined. Both are compared segment by segment. */
function parametersOf(template: string, path: string): Record<string, string> | undefined {
  const wanted = template.split('/');
  const given = path.split('/');
  const parameters: Record<string, string> = {};
  for (const [i, segment] of wanted.entries()) {
    const [, name, greedy] = /^\{([^}+]+)(\+?)\}$/.exec(segment) ?? [];
    const value = given[i];
    if (value === undefined || (name !== undefined && value === '')) return undefined;
    if (name === undefined) {
      if (segment !== value) return undefined;
    } else if (greedy) {
      parameters[name] = given.slice(i).join('/');
      return parameters;
    } else {
      parameters[name] = value;
    }
  }
  return wanted.length === given.length ? parameters : undefined;
}

/** Sorts before what is less specific: literal segments, then variables, then greedy ones; a method before ANY. */
function specificity({ key, method, path }: HttpRoute): string {
  if (key === '$default') return '9';
  const segments = path
    .split('/')
    .map(segment => (!segment.startsWith('{') ? '1' : segment.endsWith('+}') ? '3' : '2'));
  return `${path.endsWith('+}') ? '2' : '1'}${segments.join('')}${method === 'ANY' ? '2' : '1'}`;
}

/** Finds the route of a request by its decoded path: the full match, then a greedy one, then `$default` ("Create routes for HTTP APIs"). */
export function matchRoute(routes: readonly HttpRoute[], method: string, path: string): RouteMatch | undefined {
  return routes
    .flatMap((route): RouteMatch[] => {
      if (route.key === '$default') return [{ route, pathParameters: {} }];
      if (route.method !== 'ANY' && route.method !== method) return [];
      const pathParameters = parametersOf(route.path, path);
      return pathParameters ? [{ route, pathParameters }] : [];
    })
    .sort((a, b) => (specificity(a.route) < specificity(b.route) ? -1 : 1))[0];
}

/**
 * Reads the HTTP API of a template.
 * @throws TemplateError that names stack, logical id and property of what cannot run here.
 */
export function readHttpApi(resources: readonly Resource[], log: Log): HttpModel {
  const { api, members } = findApi(resources, 'HTTP');
  const read = reader(members, httpSchemas);

  const { CorsConfiguration: cors } = readProperties(api, httpSchemas['AWS::ApiGatewayV2::Api']);
  if (
    cors?.AllowCredentials &&
    [cors.AllowOrigins, cors.AllowMethods, cors.AllowHeaders].some(list => list?.includes('*'))
  ) {
    throw propertyError(
      api,
      'CorsConfiguration',
      'AllowCredentials is not possible with * ("Configure CORS for HTTP APIs")',
    );
  }
  const stray = members.find(({ type }) => !(type in httpSchemas));
  if (stray) throw declarationError(stray, 'is not supported for an HTTP API locally');
  read('AWS::ApiGatewayV2::Deployment');

  const stages = readStages(api, read('AWS::ApiGatewayV2::Stage'), log);
  const integrations = new Map(
    read('AWS::ApiGatewayV2::Integration').map(({ resource, properties }) => [
      resource.physicalId,
      { functionArn: functionArnOf(resource, properties.IntegrationUri), timeoutMs: properties.TimeoutInMillis },
    ]),
  );
  const routes = read('AWS::ApiGatewayV2::Route').map(({ resource, properties }): HttpRoute => {
    const integration = integrations.get(properties.Target.replace(/^integrations\//, ''));
    if (!integration)
      throw propertyError(resource, 'Target', `'${properties.Target}' is not an integration of this API`);
    const [method = '', path = '/'] = properties.RouteKey.split(' ');
    return { key: properties.RouteKey, method, path, ...integration, iam: properties.AuthorizationType === 'AWS_IAM' };
  });
  return { apiId: api.physicalId, stages, routes, ...(cors ? { cors } : {}) };
}
