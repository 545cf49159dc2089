import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Place, Resource } from '../../../local/assembly/resource.ts';
import { AwsError, type Principal } from '../../../local/aws/service.ts';
import { identities, startSecretsManager } from '../../../local/secretsmanager/service.ts';
import { type FrontDoor, openFrontDoor } from '../sqs/front-door.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const principal: Principal = { kind: 'role', arn: 'arn:aws:iam::123456789012:role/probe' };

const secret = (properties: Record<string, unknown>): Resource => {
  const identity = identities['AWS::SecretsManager::Secret']?.(
    { stack: 's', logicalId: 'Key', property: name => properties[name] },
    place,
  );
  if (!identity) throw new Error('no identity');
  return { stack: 's', logicalId: 'Key', type: 'AWS::SecretsManager::Secret', properties, ...identity };
};

let directory: string;
let door: FrontDoor | undefined;
let client: SecretsManagerClient | undefined;
let asked: unknown[];
let isDenied: boolean;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'secrets-'));
  asked = [];
  isDenied = false;
});
afterEach(async () => {
  await stop();
  rmSync(directory, { recursive: true });
});

async function stop(): Promise<void> {
  client?.destroy();
  await door?.close();
  door = undefined;
}

async function start(resource: Resource): Promise<void> {
  const service = startSecretsManager({
    resources: [resource],
    stateDirectory: directory,
    authorization: {
      authorize: async request => {
        asked.push(request);
        if (isDenied) throw new AwsError('AccessDeniedException', 'no secretsmanager:GetSecretValue');
      },
    },
  });
  door = await openFrontDoor(service, 'secretsmanager', principal);
  client = new SecretsManagerClient({
    endpoint: door.url,
    region: place.region,
    credentials: { accessKeyId: 'a', secretAccessKey: 's' },
    maxAttempts: 1,
  });
}

const get = (SecretId: string) => client?.send(new GetSecretValueCommand({ SecretId }));

test('a generated value is the same after a restart, and for this user only', async () => {
  const resource = secret({
    Name: 'probe/key',
    GenerateSecretString: { PasswordLength: 40, ExcludePunctuation: true },
  });
  await start(resource);
  const first = await get('probe/key');
  expect(first?.SecretString).toMatch(/^[A-Za-z0-9]{40}$/);
  expect(first).toMatchObject({ ARN: resource.physicalId, Name: 'probe/key', VersionStages: ['AWSCURRENT'] });
  expect(statSync(join(directory, 'secrets.json')).mode & 0o777).toBe(0o600);
  await stop();
  await start(resource);
  expect((await get(resource.physicalId))?.SecretString).toBe(first?.SecretString);
  expect(asked).toEqual(
    [1, 2].map(() => ({ principal, action: 'secretsmanager:GetSecretValue', resource: resource.physicalId })),
  );
});

test('a value is part of a template where there is one', async () => {
  const GenerateSecretString = {
    SecretStringTemplate: '{"user":"probe"}',
    GenerateStringKey: 'key',
    ExcludeCharacters: '"\\',
  };
  await start(secret({ Name: 'k', GenerateSecretString }));
  expect(JSON.parse((await get('k'))?.SecretString ?? '')).toEqual({
    user: 'probe',
    key: expect.stringMatching(/^.{32}$/),
  });
});

test('a denial names the action; what is not there is not found', async () => {
  await start(secret({ Name: 'k', SecretString: 'v' }));
  await expect(get('other')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  isDenied = true;
  await expect(get('k')).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message: 'no secretsmanager:GetSecretValue',
  });
});

test.each([
  ['nothing', {}],
  ['both', { SecretString: 'x', GenerateSecretString: {} }],
  [
    'no character',
    {
      GenerateSecretString: {
        ExcludeLowercase: true,
        ExcludeUppercase: true,
        ExcludeNumbers: true,
        ExcludePunctuation: true,
      },
    },
  ],
])('%s is an error at start', async (_, properties) => {
  await expect(start(secret(properties))).rejects.toMatchObject({
    name: 'TemplateError',
    message: expect.stringContaining('GenerateSecretString'),
  });
});
