import { generatedName } from '../assembly/generated-name.ts';
import type { Declaration, Identities, Identity, Place } from '../assembly/resource.ts';

const maxNameLength = 80;

export const queueArn = (place: Place, name: string): string =>
  `arn:${place.partition}:sqs:${place.region}:${place.account}:${name}`;

export const queueUrl = (place: Place, name: string): string =>
  `https://sqs.${place.region}.amazonaws.com/${place.account}/${name}`;

function queueIdentity({ stack, logicalId, property }: Declaration, place: Place): Identity {
  const fifo = String(property('FifoQueue') ?? false) === 'true';
  const declared = property('QueueName');
  const name =
    typeof declared === 'string' ? declared : generatedName(stack, logicalId, maxNameLength, fifo ? '.fifo' : '');
  const url = queueUrl(place, name);
  return { physicalId: url, attributes: { Arn: queueArn(place, name), QueueName: name, QueueUrl: url } };
}

/** The resource types of `startSqs`. */
export const identities: Identities = {
  'AWS::SQS::Queue': queueIdentity,
  'AWS::SQS::QueuePolicy': ({ stack, logicalId }) => {
    const id = generatedName(stack, logicalId, 128);
    return { physicalId: id, attributes: { Id: id } };
  },
};
