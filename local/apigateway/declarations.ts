import { z } from 'zod';
import type { Resource } from '../assembly/resource.ts';
import { type Declared, declarationError, declared } from '../assembly/resource-properties.ts';
import { TemplateError } from '../assembly/template-error.ts';

/** Template values can be strings where the property is a number or a boolean. */
const number = z.union([
  z.number(),
  z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .transform(Number),
]);
const boolean = z.union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')]);
const off = boolean.refine(value => !value, 'only false is supported locally');

/** A property that changes nothing on this machine. */
const noLocalEffect = z.unknown().optional();

const routeSettings = z.strictObject({
  ThrottlingRateLimit: number.optional(),
  ThrottlingBurstLimit: number.optional(),
  DetailedMetricsEnabled: boolean.optional(),
  LoggingLevel: noLocalEffect,
  DataTraceEnabled: noLocalEffect,
});

const cors = z.strictObject({
  AllowOrigins: z.array(z.string()).optional(),
  AllowMethods: z.array(z.string()).optional(),
  AllowHeaders: z.array(z.string()).optional(),
  ExposeHeaders: z.array(z.string()).optional(),
  MaxAge: number.optional(),
  AllowCredentials: boolean.optional(),
});

const api = {
  Name: z.string(),
  Description: noLocalEffect,
  Version: noLocalEffect,
  Tags: noLocalEffect,
  IpAddressType: noLocalEffect,
  FailOnWarnings: noLocalEffect,
  DisableExecuteApiEndpoint: off.optional(),
};

export const stageProperties = z.strictObject({
  ApiId: z.string(),
  StageName: z.string(),
  DefaultRouteSettings: routeSettings.optional(),
  RouteSettings: z.record(z.string(), routeSettings).default({}),
  StageVariables: z.record(z.string(), z.string()).optional(),
  AutoDeploy: boolean.optional(),
  DeploymentId: z.string().optional(),
  Description: noLocalEffect,
  Tags: noLocalEffect,
  AccessLogSettings: noLocalEffect,
});

const route = {
  ApiId: z.string(),
  RouteKey: z.string(),
  Target: z.string(),
  ApiKeyRequired: off.optional(),
  OperationName: noLocalEffect,
};

const integration = {
  ApiId: z.string(),
  IntegrationType: z.literal('AWS_PROXY'),
  IntegrationUri: z.string(),
  IntegrationMethod: z.literal('POST').optional(),
  ConnectionType: z.literal('INTERNET').optional(),
  PassthroughBehavior: noLocalEffect,
  Description: noLocalEffect,
};

/** Which properties are honoured for a protocol, and which are known to have no local effect. */
export const webSocketSchemas = {
  'AWS::ApiGatewayV2::Api': z.strictObject({
    ...api,
    ProtocolType: z.literal('WEBSOCKET'),
    RouteSelectionExpression: z
      .string()
      .regex(
        /^(\$request\.body\.[\w-]+(\.[\w-]+)*|\$\{request\.body\.[\w-]+(\.[\w-]+)*\})$/,
        'expected $request.body.<key>',
      ),
    DisableSchemaValidation: noLocalEffect,
  }),
  'AWS::ApiGatewayV2::Stage': stageProperties,
  'AWS::ApiGatewayV2::Route': z.strictObject({
    ...route,
    AuthorizationType: z.enum(['NONE', 'CUSTOM']).default('NONE'),
    AuthorizerId: z.string().optional(),
    RouteResponseSelectionExpression: z.literal('$default').optional(),
  }),
  'AWS::ApiGatewayV2::RouteResponse': z.strictObject({
    ApiId: z.string(),
    RouteId: z.string(),
    RouteResponseKey: z.literal('$default'),
  }),
  'AWS::ApiGatewayV2::Integration': z.strictObject({
    ...integration,
    PayloadFormatVersion: z.literal('1.0').optional(),
    // "Quotas for configuring and running a WebSocket API": 50 ms to 29 s.
    TimeoutInMillis: number.pipe(z.number().min(50).max(29_000)).default(29_000),
  }),
  'AWS::ApiGatewayV2::Authorizer': z.strictObject({
    ApiId: z.string(),
    Name: z.string(),
    AuthorizerType: z.literal('REQUEST'),
    AuthorizerUri: z.string(),
    IdentitySource: z.array(z.string()).default([]),
  }),
  'AWS::ApiGatewayV2::Deployment': z.strictObject({
    ApiId: z.string(),
    StageName: noLocalEffect,
    Description: noLocalEffect,
  }),
};

export const httpSchemas = {
  'AWS::ApiGatewayV2::Api': z.strictObject({
    ...api,
    ProtocolType: z.literal('HTTP'),
    CorsConfiguration: cors.optional(),
    RouteSelectionExpression: z.literal(`\${request.method} \${request.path}`).optional(),
  }),
  'AWS::ApiGatewayV2::Stage': stageProperties,
  'AWS::ApiGatewayV2::Route': z.strictObject({
    ...route,
    RouteKey: z.string().regex(/^(\$default|(ANY|GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) \/\S*)$/),
    AuthorizationType: z.enum(['NONE', 'AWS_IAM']).default('NONE'),
  }),
  'AWS::ApiGatewayV2::Integration': z.strictObject({
    ...integration,
    PayloadFormatVersion: z.literal('2.0'),
    // "Quotas for configuring and running an HTTP API": 50 ms to 30 s.
    TimeoutInMillis: number.pipe(z.number().min(50).max(30_000)).default(30_000),
  }),
  'AWS::ApiGatewayV2::Deployment': webSocketSchemas['AWS::ApiGatewayV2::Deployment'],
};

export type RouteSettings = z.output<typeof routeSettings>;
export type Cors = z.output<typeof cors>;

/** Reads the resources of one API by their type. */
export function reader<S extends Record<string, z.ZodType>>(members: readonly Resource[], schemas: S) {
  return <T extends keyof S & string>(type: T): Declared<z.output<S[T]>>[] =>
    declared(members, type, schemas[type] as S[T]);
}

/** The API of a protocol that a template declares, with the resources that belong to it. */
export interface DeclaredApi {
  readonly api: Resource;
  readonly members: readonly Resource[];
}

/** @throws TemplateError where a template has no API of a protocol, or more than one: one port serves one. */
export function findApi(resources: readonly Resource[], protocol: 'WEBSOCKET' | 'HTTP'): DeclaredApi {
  const apis = resources.filter(
    ({ type, properties }) => type === 'AWS::ApiGatewayV2::Api' && properties.ProtocolType === protocol,
  );
  const [api, second] = apis;
  if (second) throw declarationError(second, `a second API of protocol ${protocol} cannot run beside another one`);
  if (!api) throw new TemplateError(`the template has no AWS::ApiGatewayV2::Api of protocol ${protocol}`);
  const members = resources.filter(
    ({ type, properties }) => type.startsWith('AWS::ApiGatewayV2::') && properties.ApiId === api.physicalId,
  );
  return { api, members };
}

/**
 * The function that a Lambda proxy integration or authorizer invokes, from its URI
 * (`arn:aws:apigateway:…:lambda:path/2015-03-31/functions/<arn>/invocations`, or the function's ARN with an HTTP API).
 * @throws TemplateError where it is neither
 */
export function functionArnOf(resource: Resource, uri: string): string {
  const arn =
    /^arn:aws:apigateway:[^:]+:lambda:path\/2015-03-31\/functions\/(arn:aws:lambda:.+)\/invocations$/.exec(uri)?.[1] ??
    /^arn:aws:lambda:\S+$/.exec(uri)?.[0];
  if (arn === undefined) throw declarationError(resource, `'${uri}' is not the invocation URI of a Lambda function`);
  return arn;
}
