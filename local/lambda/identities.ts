import { generatedName } from '../assembly/generated-name.ts';
import type { Declaration, Identities, Place } from '../assembly/resource.ts';

const functionName = ({ stack, logicalId, property }: Declaration): string =>
  String(property('FunctionName') ?? generatedName(stack, logicalId, 64));

const byLogicalId = ({ logicalId }: Declaration) => ({ physicalId: logicalId, attributes: {} });

export const functionArn = (name: string, { partition, region, account }: Place): string =>
  `arn:${partition}:lambda:${region}:${account}:function:${name}`;

/** The function's name from a name or an ARN. */
const nameIn = (reference: unknown): string => String(reference).split(':').at(-1) ?? '';

export const identities: Identities = {
  'AWS::Lambda::Function': (declaration, place) => {
    const name = functionName(declaration);
    return { physicalId: name, attributes: { Arn: functionArn(name, place) } };
  },
  // A template publishes one version of a function; `startLambda` refuses a second.
  'AWS::Lambda::Version': ({ property }, place) => {
    const arn = `${functionArn(nameIn(property('FunctionName')), place)}:1`;
    return { physicalId: arn, attributes: { FunctionArn: arn, Version: '1' } };
  },
  'AWS::Lambda::Alias': ({ property }, place) => {
    const arn = `${functionArn(nameIn(property('FunctionName')), place)}:${property('Name')}`;
    return { physicalId: arn, attributes: { AliasArn: arn } };
  },
  'AWS::Lambda::Permission': byLogicalId,
  'AWS::Lambda::EventInvokeConfig': byLogicalId,
  // Functions' logs go to files of the state directory.
  'AWS::Logs::LogGroup': ({ stack, logicalId, property }, { partition, region, account }) => {
    const name = String(property('LogGroupName') ?? `${stack}-${logicalId}`);
    return { physicalId: name, attributes: { Arn: `arn:${partition}:logs:${region}:${account}:log-group:${name}:*` } };
  },
};
