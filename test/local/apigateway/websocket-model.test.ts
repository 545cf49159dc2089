import { readWebSocketApi } from '../../../local/apigateway/websocket-model.ts';
import type { Resource } from '../../../local/assembly/resource.ts';
import { TemplateError } from '../../../local/assembly/template-error.ts';
import { apiId, resource, webSocketResources } from './gateway.ts';

const log = () => {};

/** The resources, with a property of one type changed. */
function withProperty(type: string, name: string, value: unknown): Resource[] {
  return webSocketResources({ authorizer: { identitySource: [] } }).map(each =>
    each.type.endsWith(`::${type}`) ? { ...each, properties: { ...each.properties, [name]: value } } : each,
  );
}

test.each([
  ['Api', 'ApiKeySelectionExpression', '$request.header.x'],
  ['Api', 'RouteSelectionExpression', '$request.header.action'],
  ['Stage', 'AccessPolicyId', 'x'],
  ['Stage', 'DefaultRouteSettings', { ThrottlingRate: 5 }],
  ['Route', 'ModelSelectionExpression', '$default'],
  ['Route', 'AuthorizationType', 'AWS_IAM'],
  ['Route', 'ApiKeyRequired', true],
  ['RouteResponse', 'RouteResponseKey', 'other'],
  ['Integration', 'IntegrationType', 'HTTP_PROXY'],
  ['Integration', 'CredentialsArn', 'arn:aws:iam::1:role/x'],
  ['Integration', 'TimeoutInMillis', 29_001],
  ['Authorizer', 'AuthorizerResultTtlInSeconds', 300],
])('%s.%s that cannot be honoured is an error naming stack, logical id and property', (type, name, value) => {
  const property = typeof value === 'object' ? `${name}.ThrottlingRate` : name;
  expect(() => readWebSocketApi(withProperty(type, name, value), log)).toThrow(
    expect.objectContaining({
      name: 'TemplateError',
      message: expect.stringMatching(`^Test\\.${type}\\w* \\(AWS::ApiGatewayV2::${type}\\): property ${property}: `),
    }),
  );
});

test.each([
  ['Api', 'Description', 'text'],
  ['Api', 'Tags', { a: 'b' }],
  ['Stage', 'AccessLogSettings', { DestinationArn: 'x' }],
  ['Stage', 'DefaultRouteSettings', { ThrottlingRateLimit: '10', ThrottlingBurstLimit: 5, LoggingLevel: 'INFO' }],
  ['Route', 'OperationName', 'x'],
])('%s.%s is known to be without a local effect, or honoured', (type, name, value) => {
  expect(() => readWebSocketApi(withProperty(type, name, value), log)).not.toThrow();
});

test('a reference to nothing is an error', () => {
  expect(() => readWebSocketApi(withProperty('Route', 'Target', 'integrations/none'), log)).toThrow(
    /integrations\/none/,
  );
  expect(() => readWebSocketApi(withProperty('Route', 'AuthorizerId', 'none'), log)).toThrow(/AuthorizerId: 'none'/);
});

test('an authorizer on another route than $connect is an error', () => {
  expect(() => readWebSocketApi(withProperty('Route', 'AuthorizationType', 'CUSTOM'), log)).toThrow(
    /\$connect route only/,
  );
});

test('a stage to which nothing is deployed is an error', () => {
  expect(() => readWebSocketApi(withProperty('Stage', 'AutoDeploy', false), log)).toThrow(
    /AutoDeploy nor DeploymentId/,
  );
});

test('an integration response, which a Lambda proxy integration ignores, is an error', () => {
  const stray = resource('AWS::ApiGatewayV2::IntegrationResponse', 'ir', { ApiId: apiId, IntegrationId: 'x' });
  expect(() => readWebSocketApi([...webSocketResources(), stray], log)).toThrow(
    /Test\.IntegrationResponse.* has no effect/,
  );
});

test('a template without a WebSocket API, or with one that has no stage, is an error', () => {
  expect(() => readWebSocketApi([], log)).toThrow(
    new TemplateError('the template has no AWS::ApiGatewayV2::Api of protocol WEBSOCKET'),
  );
  const unstaged = webSocketResources().filter(({ type }) => !type.endsWith('::Stage'));
  expect(() => readWebSocketApi(unstaged, log)).toThrow(/^Test\.Api\w+ \(AWS::ApiGatewayV2::Api\): has no stage$/);
});

test('two WebSocket APIs are an error that names the second', () => {
  const second = resource('AWS::ApiGatewayV2::Api', 'other', { ProtocolType: 'WEBSOCKET' });
  expect(() => readWebSocketApi([...webSocketResources(), second], log)).toThrow(
    /Test\.Apiother .* a second API of protocol WEBSOCKET/,
  );
});
