import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Identities, Place, Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import type { Authorization, PolicyDocument, Principal } from '../aws/service.ts';

/** What is honoured of `AWS::KMS::Key`: its policy. Nothing is encrypted here. */
const keyProperties = z.strictObject({
  KeyPolicy: z.looseObject({ Version: z.string().optional(), Statement: z.array(z.unknown()) }),
  Enabled: z.literal([true, 'true'], 'a disabled key is not run').optional(),
  KeySpec: z.literal('SYMMETRIC_DEFAULT', 'only symmetric keys are run').optional(),
  KeyUsage: z.literal('ENCRYPT_DECRYPT', 'only keys for encryption are run').optional(),
  MultiRegion: z.literal([false, 'false'], 'keys of several regions are not run').optional(),
  // Without effect here.
  Description: z.unknown().optional(),
  EnableKeyRotation: z.unknown().optional(),
  RotationPeriodInDays: z.unknown().optional(),
  PendingWindowInDays: z.unknown().optional(),
  Tags: z.unknown().optional(),
});

const aliasProperties = z.strictObject({ AliasName: z.string().startsWith('alias/'), TargetKeyId: z.string() });

const keyArn = (id: string, { partition, region, account }: Place): string =>
  `arn:${partition}:kms:${region}:${account}:key/${id}`;

/** The resource types of `readKeys`. */
export const identities: Identities = {
  'AWS::KMS::Key': ({ stack, logicalId }, place) => {
    const hex = createHash('sha256').update(`${stack}/${logicalId}`).digest('hex');
    const id = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
    return { physicalId: id, attributes: { Arn: keyArn(id, place), KeyId: id } };
  },
  'AWS::KMS::Alias': ({ property }, { partition, region, account }) => {
    const name = String(property('AliasName'));
    return { physicalId: name, attributes: { Arn: `arn:${partition}:kms:${region}:${account}:${name}` } };
  },
};

export interface Keys {
  /**
   * Authorizes an action with a key, as the service that holds what the key encrypts asks for it.
   * @param key id, ARN or alias
   * @throws AwsError `AccessDeniedException`, also for a key that is not of the template: AWS's own keys let no other
   * service in
   */
  authorize(principal: Principal, action: string, key: string): Promise<void>;
}

/** The keys of a template. @throws TemplateError that names stack, logical id and property of what cannot run here */
export function readKeys(resources: readonly Resource[], authorization: Authorization): Keys {
  const policies = new Map<string, PolicyDocument>();
  const arns = new Map<string, string>();
  for (const { resource, properties } of declared(resources, 'AWS::KMS::Key', keyProperties)) {
    const { Version, Statement } = properties.KeyPolicy;
    const arn = resource.attributes.Arn ?? '';
    policies.set(arn, { Statement, ...(Version === undefined ? {} : { Version }) });
    for (const name of [arn, resource.physicalId]) arns.set(name, arn);
  }
  for (const { resource, properties } of declared(resources, 'AWS::KMS::Alias', aliasProperties)) {
    const arn = arns.get(properties.TargetKeyId);
    if (arn === undefined)
      throw propertyError(resource, 'TargetKeyId', `${properties.TargetKeyId} is not a key of the template`);
    for (const name of [properties.AliasName, resource.attributes.Arn ?? '']) arns.set(name, arn);
  }
  return {
    async authorize(principal, action, key) {
      const arn = arns.get(key);
      const policy = arn === undefined ? undefined : policies.get(arn);
      await authorization.authorize({
        principal,
        action,
        resource: arn ?? key,
        ...(policy && { resourcePolicy: policy }),
      });
    },
  };
}
