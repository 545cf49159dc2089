import { createHash } from 'node:crypto';
import type { Declaration, Identities, Identity, Place } from '../assembly/resource.ts';

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Ids as API Gateway's, but derived from the declaration so that they survive a restart. */
function generatedId({ stack, logicalId }: Declaration, length: number): string {
  const digest = createHash('sha256').update(`${stack}/${logicalId}`).digest();
  return Array.from(digest.subarray(0, length), byte => alphabet[byte % alphabet.length]).join('');
}

function api(declaration: Declaration, { region }: Place): Identity {
  const id = generatedId(declaration, 10);
  const scheme = declaration.property('ProtocolType') === 'WEBSOCKET' ? 'wss' : 'https';
  return {
    physicalId: id,
    attributes: { ApiId: id, ApiEndpoint: `${scheme}://${id}.execute-api.${region}.amazonaws.com` },
  };
}

function stage(declaration: Declaration): Identity {
  return { physicalId: String(declaration.property('StageName')), attributes: {} };
}

function withId(attribute: string): (declaration: Declaration) => Identity {
  return declaration => {
    const id = generatedId(declaration, 7);
    return { physicalId: id, attributes: { [attribute]: id } };
  };
}

/** Names the resources of API Gateway V2. */
export const identities: Identities = {
  'AWS::ApiGatewayV2::Api': api,
  'AWS::ApiGatewayV2::Stage': stage,
  'AWS::ApiGatewayV2::Route': withId('RouteId'),
  'AWS::ApiGatewayV2::RouteResponse': withId('RouteResponseId'),
  'AWS::ApiGatewayV2::Integration': withId('IntegrationId'),
  'AWS::ApiGatewayV2::IntegrationResponse': withId('IntegrationResponseId'),
  'AWS::ApiGatewayV2::Authorizer': withId('AuthorizerId'),
  'AWS::ApiGatewayV2::Deployment': withId('DeploymentId'),
};
