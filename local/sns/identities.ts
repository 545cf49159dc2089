import { generatedName } from '../assembly/generated-name.ts';
import type { Declaration, Identities, Place } from '../assembly/resource.ts';

const maxNameLength = 256;

const topicName = ({ stack, logicalId, property }: Declaration): string => {
  const declared = property('TopicName');
  return typeof declared === 'string' ? declared : generatedName(stack, logicalId, maxNameLength);
};

const topicArn = (place: Place, name: string): string =>
  `arn:${place.partition}:sns:${place.region}:${place.account}:${name}`;

/** The resource types of `startSns`. */
export const identities: Identities = {
  'AWS::SNS::Topic': (declaration, place) => {
    const name = topicName(declaration);
    const arn = topicArn(place, name);
    return { physicalId: arn, attributes: { TopicArn: arn, TopicName: name } };
  },
  'AWS::SNS::TopicPolicy': ({ stack, logicalId }) => {
    const id = generatedName(stack, logicalId, 128);
    return { physicalId: id, attributes: { Id: id } };
  },
  'AWS::SNS::Subscription': ({ stack, logicalId, property }) => {
    const arn = `${property('TopicArn')}:${generatedName(stack, logicalId, 36)}`;
    return { physicalId: arn, attributes: { Arn: arn } };
  },
};
