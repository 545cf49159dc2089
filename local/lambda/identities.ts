import { createHash } from 'node:crypto';
import type { Declaration, Identities, Place } from '../assembly/resource.ts';

/** A generated name: the stack and the logical id, with a hash in place of the end where they are longer than 64. */
function functionName({ stack, logicalId, property }: Declaration): string {
  const given = property('FunctionName');
  if (typeof given === 'string') return given;
  const name = `${stack}-${logicalId}`;
  if (name.length <= 64) return name;
  return `${name.slice(0, 55)}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
}

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
