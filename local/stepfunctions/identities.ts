import { generatedName } from '../assembly/generated-name.ts';
import type { Identities } from '../assembly/resource.ts';

/** "CreateStateMachine": names have up to 80 characters. */
const maxNameLength = 80;

/** The resource type of `startStepFunctions`. */
export const identities: Identities = {
  'AWS::StepFunctions::StateMachine': ({ stack, logicalId, property }, { partition, region, account }) => {
    const declared = property('StateMachineName');
    const name = typeof declared === 'string' ? declared : generatedName(stack, logicalId, maxNameLength);
    const arn = `arn:${partition}:states:${region}:${account}:stateMachine:${name}`;
    return { physicalId: arn, attributes: { Arn: arn, Name: name } };
  },
};
