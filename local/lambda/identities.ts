import { generatedName } from '../assembly/generated-name.ts';
import type { Declaration, Identities, Place } from '../assembly/resource.ts';

const functionName = ({ stack, logicalId, property }: Declaration): string =>
  String(property('FunctionName') ?? generatedName(stack, logicalId, 64));

const byLogicalId = ({ logicalId }: Declaration) => ({ physicalId: logicalId, attributes: {} });

export const functionArn = (name: string, { partition, region, account }: Place): string =>
  `arn:${partition}:lambda:${region}:${account}:function:${name}`;

export const identities: Identities = {
  'AWS::Lambda::Function': (declaration, place) => {
    const name = functionName(declaration);
    return { physicalId: name, attributes: { Arn: functionArn(name, place) } };
  },
  'AWS::Lambda::Permission': byLogicalId,
  'AWS::Lambda::EventInvokeConfig': byLogicalId,
  // Functions' logs go to files of the state directory.
  'AWS::Logs::LogGroup': ({ stack, logicalId, property }, { partition, region, account }) => {
    const name = String(property('LogGroupName') ?? `${stack}-${logicalId}`);
    return { physicalId: name, attributes: { Arn: `arn:${partition}:logs:${region}:${account}:log-group:${name}:*` } };
  },
};
