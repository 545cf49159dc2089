import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { generatedName } from '../assembly/generated-name.ts';
import type { Declaration, Identities, Place, Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import { type Authorization, type AwsCall, AwsError, type AwsService } from '../aws/service.ts';
import { generateSecret, generateSecretString } from './secret-value.ts';

/** "AWS Secrets Manager quotas" and "CreateSecret": names have up to 512 characters, values 65,536 bytes. */
const maxNameLength = 512;
const maxSecretBytes = 65_536;

/** AWS adds a hyphen and six random characters to the name; here they follow from the declaration. */
function secretArn({ stack, logicalId, property }: Declaration, { partition, region, account }: Place): string {
  const declaredName = property('Name');
  const name = typeof declaredName === 'string' ? declaredName : generatedName(stack, logicalId, maxNameLength - 7);
  const suffix = createHash('sha256').update(`${stack}/${logicalId}`).digest('hex').slice(0, 6);
  return `arn:${partition}:secretsmanager:${region}:${account}:secret:${name}-${suffix}`;
}

/** The resource type of `startSecretsManager`. */
export const identities: Identities = {
  'AWS::SecretsManager::Secret': (declaration, place) => {
    const arn = secretArn(declaration, place);
    return { physicalId: arn, attributes: { Id: arn } };
  },
};

const secretProperties = z.strictObject({
  Name: z.string().max(maxNameLength).optional(),
  SecretString: z.string().optional(),
  GenerateSecretString: generateSecretString.optional(),
  // No local effect.
  Description: z.unknown().optional(),
  KmsKeyId: z.unknown().optional(),
  Tags: z.unknown().optional(),
});

const keptSecrets = z.record(
  z.string(),
  z.strictObject({ value: z.string(), versionId: z.string(), createdDate: z.number() }),
);
type Kept = z.output<typeof keptSecrets>;

const getSecretValue = z.strictObject({
  SecretId: z.string().min(1).max(2048),
  VersionId: z.string().optional(),
  VersionStage: z.string().optional(),
});

export interface SecretsManagerOptions {
  /** All resources of the template; those of other types are left alone. */
  readonly resources: readonly Resource[];
  readonly authorization: Authorization;
  /** Generated values are kept there, in `secrets.json`, for this user only. */
  readonly stateDirectory: string;
}

/**
 * Starts the secrets of the template, with the values of the last run where they were generated.
 * @throws TemplateError that names stack, logical id and property of what cannot run here; Error where the file is not readable
 */
export function startSecretsManager({ resources, authorization, stateDirectory }: SecretsManagerOptions): AwsService {
  const path = join(stateDirectory, 'secrets.json');
  const kept = read(path);
  const secrets: Kept = {};
  for (const { resource, properties } of declared(resources, 'AWS::SecretsManager::Secret', secretProperties)) {
    const { SecretString, GenerateSecretString } = properties;
    if ((SecretString === undefined) === (GenerateSecretString === undefined))
      throw propertyError(resource, 'GenerateSecretString', 'or SecretString is needed, and only one of them');
    const arn = resource.physicalId;
    const fresh = (value: string) => ({ value, versionId: randomUUID(), createdDate: Date.now() / 1000 });
    const earlier = kept[arn];
    try {
      if (SecretString !== undefined) secrets[arn] = earlier?.value === SecretString ? earlier : fresh(SecretString);
      else if (GenerateSecretString) secrets[arn] = earlier ?? fresh(generateSecret(GenerateSecretString));
    } catch (error) {
      throw propertyError(resource, 'GenerateSecretString', (error as Error).message);
    }
    if (Buffer.byteLength(secrets[arn]?.value ?? '') > maxSecretBytes)
      throw propertyError(resource, 'SecretString', `is longer than ${maxSecretBytes} bytes`);
  }
  // Secrets of other services that share the directory, or that left the template, stay.
  write(path, { ...kept, ...secrets });

  /** By ARN, by name, or by ARN without its last six characters. */
  const find = (id: string): string | undefined =>
    Object.keys(secrets).find(arn => {
      const partial = arn.slice(0, -7);
      return id === arn || id === partial || id === partial.split(':').slice(6).join(':');
    });

  return {
    async handle({ principal, headers, body }: AwsCall) {
      const [, action = ''] = String(headers['x-amz-target'] ?? '').split('.');
      if (action !== 'GetSecretValue')
        throw new AwsError(
          'UnknownOperationException',
          `The local environment does not run the Secrets Manager action ${action}.`,
        );
      const request = getSecretValue.safeParse(JSON.parse(body.toString() || '{}'));
      if (!request.success) throw new AwsError('InvalidParameterException', z.prettifyError(request.error));
      const { SecretId, VersionId, VersionStage = 'AWSCURRENT' } = request.data;
      const arn = find(SecretId);
      await authorization.authorize({
        principal,
        action: 'secretsmanager:GetSecretValue',
        resource: arn ?? SecretId,
      });
      const secret = arn === undefined ? undefined : secrets[arn];
      const isKnown = VersionStage === 'AWSCURRENT' && (VersionId ?? secret?.versionId) === secret?.versionId;
      if (arn === undefined || !secret || !isKnown)
        throw new AwsError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
      return {
        status: 200,
        headers: { 'content-type': 'application/x-amz-json-1.1' },
        body: JSON.stringify({
          ARN: arn,
          Name: arn.split(':').slice(6).join(':').slice(0, -7),
          VersionId: secret.versionId,
          VersionStages: ['AWSCURRENT'],
          SecretString: secret.value,
          CreatedDate: secret.createdDate,
        }),
      };
    },
  };
}

function read(path: string): Kept {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  return keptSecrets.parse(JSON.parse(text));
}

function write(path: string, secrets: Kept): void {
  if (Object.keys(secrets).length === 0) return;
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}
