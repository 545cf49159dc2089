import { generatedName } from '../assembly/generated-name.ts';
import type { Declaration, Identities, Identity, Place } from '../assembly/resource.ts';

const maxNameLength = 255;

export const tableArn = (place: Place, name: string): string =>
  `arn:${place.partition}:dynamodb:${place.region}:${place.account}:table/${name}`;

function tableIdentity({ stack, logicalId, property }: Declaration, place: Place): Identity {
  const declared = property('TableName');
  const name = typeof declared === 'string' ? declared : generatedName(stack, logicalId, maxNameLength);
  return { physicalId: name, attributes: { Arn: tableArn(place, name) } };
}

/** The resource types of `startDynamoDb`. */
export const identities: Identities = {
  'AWS::DynamoDB::Table': tableIdentity,
  'AWS::DynamoDB::GlobalTable': tableIdentity,
};
