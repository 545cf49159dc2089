import { identities } from '../../../local/apigateway/identities.ts';
import { place } from './gateway.ts';

function identify(type: string, properties: Record<string, unknown> = {}, stack = 'S', logicalId = 'L') {
  return identities[`AWS::ApiGatewayV2::${type}`]?.({ stack, logicalId, property: name => properties[name] }, place);
}

test('an API has an id of its declaration, and its endpoint', () => {
  const api = identify('Api', { ProtocolType: 'WEBSOCKET' });
  expect(api?.physicalId).toMatch(/^[a-z0-9]{10}$/);
  expect(api).toEqual(identify('Api', { ProtocolType: 'WEBSOCKET' }));
  expect(api?.attributes).toEqual({
    ApiId: api?.physicalId,
    ApiEndpoint: `wss://${api?.physicalId}.execute-api.eu-central-1.amazonaws.com`,
  });
  expect(identify('Api', { ProtocolType: 'HTTP' })?.attributes.ApiEndpoint).toMatch(/^https:/);
  expect(identify('Api', {}, 'Other')?.physicalId).not.toBe(api?.physicalId);
});

test('a stage is called by its name', () => {
  expect(identify('Stage', { StageName: '$default' })?.physicalId).toBe('$default');
});

test.each(['Route', 'RouteResponse', 'Integration', 'IntegrationResponse', 'Authorizer', 'Deployment'])(
  '%s has an id',
  type => {
    expect(identify(type)?.physicalId).toMatch(/^[a-z0-9]{7}$/);
    expect(identify(type)?.attributes[`${type}Id`]).toBe(identify(type)?.physicalId);
  },
);
