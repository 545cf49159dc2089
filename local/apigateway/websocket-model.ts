import type { Resource } from '../assembly/resource.ts';
import { declarationError, propertyError, readProperties } from '../assembly/resource-properties.ts';
import type { Log } from '../aws/service.ts';
import { findApi, functionArnOf, reader, webSocketSchemas } from './declarations.ts';
import { readStages, type Stage } from './stages.ts';

export interface WebSocketAuthorizer {
  readonly id: string;
  readonly functionArn: string;
  readonly identitySources: readonly string[];
}

export interface WebSocketRoute {
  readonly key: string;
  readonly functionArn: string;
  readonly timeoutMs: number;
  /** Whether what the function answers is sent to the client. */
  readonly returnsResponse: boolean;
  readonly authorizer?: WebSocketAuthorizer;
}

export interface WebSocketModel {
  readonly apiId: string;
  readonly stages: ReadonlyMap<string, Stage>;
  readonly routes: ReadonlyMap<string, WebSocketRoute>;
  /** Path of the JSON property that selects the route of a message. */
  readonly selectionPath: readonly string[];
}

/** A client cannot select these by a message. */
const reservedKeys = new Set(['$connect', '$disconnect', '$default']);

/** The route of a message's text, or undefined where none matches and there is no `$default`. */
export function selectRoute({ routes, selectionPath }: WebSocketModel, text: string): WebSocketRoute | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return routes.get('$default');
  }
  for (const key of selectionPath) {
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as never)[key] : undefined;
  }
  const key = typeof value === 'object' ? '' : String(value ?? '');
  return (reservedKeys.has(key) ? undefined : routes.get(key)) ?? routes.get('$default');
}

/**
 * Reads the WebSocket API of a template.
 * @throws TemplateError that names stack, logical id and property of what cannot run here.
 */
export function readWebSocketApi(resources: readonly Resource[], log: Log): WebSocketModel {
  const { api, members } = findApi(resources, 'WEBSOCKET');
  const read = reader(members, webSocketSchemas);

  const { RouteSelectionExpression } = readProperties(api, webSocketSchemas['AWS::ApiGatewayV2::Api']);
  const stray = members.find(({ type }) => type !== api.type && !(type in webSocketSchemas));
  if (stray)
    throw declarationError(stray, 'has no effect on Lambda proxy integrations, the only ones that run locally');
  read('AWS::ApiGatewayV2::Deployment');

  const stages = readStages(api, read('AWS::ApiGatewayV2::Stage'), log);
  const integrations = new Map(
    read('AWS::ApiGatewayV2::Integration').map(({ resource, properties }) => [
      resource.physicalId,
      { functionArn: functionArnOf(resource, properties.IntegrationUri), timeoutMs: properties.TimeoutInMillis },
    ]),
  );
  const authorizers = new Map(
    read('AWS::ApiGatewayV2::Authorizer').map(({ resource, properties }) => [
      resource.physicalId,
      {
        id: resource.physicalId,
        functionArn: functionArnOf(resource, properties.AuthorizerUri),
        identitySources: properties.IdentitySource.map(source => {
          if (!identitySourcePattern.test(source))
            throw propertyError(resource, 'IdentitySource', `'${source}' is not known`);
          return source;
        }),
      },
    ]),
  );
  const routesWithResponse = new Set(
    read('AWS::ApiGatewayV2::RouteResponse').map(({ properties }) => properties.RouteId),
  );

  const routes = new Map<string, WebSocketRoute>();
  for (const { resource, properties } of read('AWS::ApiGatewayV2::Route')) {
    const integration = integrations.get(properties.Target.replace(/^integrations\//, ''));
    if (!integration)
      throw propertyError(resource, 'Target', `'${properties.Target}' is not an integration of this API`);
    const custom = properties.AuthorizationType === 'CUSTOM';
    const authorizer = authorizers.get(properties.AuthorizerId ?? '');
    if (custom && properties.RouteKey !== '$connect') {
      throw propertyError(resource, 'AuthorizationType', 'CUSTOM is possible for the $connect route only');
    }
    if (custom && !authorizer)
      throw propertyError(resource, 'AuthorizerId', `'${properties.AuthorizerId}' is not known`);
    routes.set(properties.RouteKey, {
      key: properties.RouteKey,
      ...integration,
      returnsResponse:
        properties.RouteResponseSelectionExpression !== undefined && routesWithResponse.has(resource.physicalId),
      ...(custom && authorizer ? { authorizer } : {}),
    });
  }

  return {
    apiId: api.physicalId,
    stages,
    routes,
    selectionPath: RouteSelectionExpression.replace(/^\$\{?request\.body\.|\}$/g, '').split('.'),
  };
}

const identitySourcePattern = /^(route\.request\.(header|querystring)|context|stageVariables)\..+$/;
