import {
  GetAliasCommand,
  GetFunctionCommand,
  InvokeCommand,
  LambdaClient,
  ListVersionsByFunctionCommand,
  PublishVersionCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-lambda';
import type { Place, Resource } from '../../../local/assembly/resource.ts';
import { AwsError, type Principal } from '../../../local/aws/service.ts';
import { identities } from '../../../local/lambda/identities.ts';
import { type Lambda, startLambda } from '../../../local/lambda/lambda.ts';
import { createLambdaService } from '../../../local/lambda/service.ts';
import { type FrontDoor, openFrontDoor } from '../sqs/front-door.ts';
import { Bundles } from './bundles.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const principal: Principal = { kind: 'role', arn: 'arn:aws:iam::123456789012:role/rollback' };
const arn = 'arn:aws:lambda:eu-central-1:123456789012:function:worker';
const code = (version: number) =>
  `exports.handler = async (event, { functionVersion, invokedFunctionArn }) => ({ code: ${version}, functionVersion, invokedFunctionArn })`;

function resource(logicalId: string, type: string, properties: Record<string, unknown>): Resource {
  const identity = identities[type]?.({ stack: 's', logicalId, property: name => properties[name] }, place);
  if (!identity) throw new Error(`no identity for ${type}`);
  return { stack: 's', logicalId, type, properties, ...identity };
}

const worker = resource('Worker', 'AWS::Lambda::Function', {
  FunctionName: 'worker',
  Code: { S3Bucket: 'b', S3Key: 'first' },
  Handler: 'index.handler',
  Runtime: 'nodejs24.x',
  Role: 'arn:aws:iam::123456789012:role/worker',
  Timeout: 10,
});
const version = resource('Version', 'AWS::Lambda::Version', { FunctionName: 'worker' });
const alias = resource('Live', 'AWS::Lambda::Alias', { FunctionName: 'worker', Name: 'live', FunctionVersion: '1' });
const permission = resource('Permission', 'AWS::Lambda::Permission', {
  Action: 'lambda:InvokeFunction',
  FunctionName: `${arn}:live`,
  Principal: 'events.amazonaws.com',
});

let bundles: Bundles;
let lambda: Lambda;
let door: FrontDoor | undefined;
let client: LambdaClient;
let asked: unknown[];
let isDenied: boolean;

beforeEach(() => {
  bundles = new Bundles();
  asked = [];
  isDenied = false;
});
afterEach(async () => {
  client?.destroy();
  await door?.close();
  door = undefined;
  await lambda?.close();
  bundles.remove();
});

async function start(resources: readonly Resource[] = [worker, version, alias, permission]): Promise<void> {
  const authorization = {
    authorize: async (request: object) => {
      asked.push(request);
      if (isDenied) throw new AwsError('AccessDeniedException', 'denied');
    },
  };
  const first = bundles.add(code(1));
  lambda = startLambda({
    resources,
    place,
    asset: () => first,
    runtimeVariables: () => ({}),
    localAddresses: text => text,
    authorization,
    logDirectory: bundles.directory,
    maxEnvironments: 2,
    releaseTime: () => Date.UTC(2026, 0, 1),
    log: () => {},
  });
  door = await openFrontDoor(createLambdaService({ lambda, authorization }), 'lambda', principal);
  client = new LambdaClient({
    endpoint: door.url,
    region: place.region,
    credentials: { accessKeyId: 'a', secretAccessKey: 's' },
    maxAttempts: 1,
  });
}

async function invoke(FunctionName: string) {
  const { Payload, ExecutedVersion } = await client.send(new InvokeCommand({ FunctionName }));
  return { ...JSON.parse(Buffer.from(Payload ?? []).toString()), ExecutedVersion };
}

test('a release that was bad is taken back by its alias', async () => {
  await start();
  expect(await invoke(`${arn}:live`)).toEqual({
    code: 1,
    functionVersion: '1',
    invokedFunctionArn: `${arn}:live`,
    ExecutedVersion: '1',
  });
  lambda.deployed('worker').updateCode(bundles.add(code(2)));
  const { Version } = await client.send(new PublishVersionCommand({ FunctionName: 'worker', Description: 'bad' }));
  expect(Version).toBe('2');
  expect(await invoke('worker:live')).toMatchObject({ code: 1 });
  await client.send(new UpdateAliasCommand({ FunctionName: 'worker', Name: 'live', FunctionVersion: Version }));
  expect(await invoke('worker:live')).toMatchObject({ code: 2, functionVersion: '2' });
  const { Versions } = await client.send(new ListVersionsByFunctionCommand({ FunctionName: arn }));
  expect(Versions?.map(each => [each.Version, each.Description, each.FunctionArn])).toEqual([
    ['$LATEST', '', `${arn}:$LATEST`],
    ['1', '', `${arn}:1`],
    ['2', 'bad', `${arn}:2`],
  ]);
  await client.send(new UpdateAliasCommand({ FunctionName: 'worker', Name: 'live', FunctionVersion: '1' }));
  expect(await invoke('worker:live')).toMatchObject({ code: 1 });
  expect(await invoke('worker')).toMatchObject({ code: 2, functionVersion: '$LATEST', invokedFunctionArn: arn });
});

test('the same code is the same version', async () => {
  await start();
  expect(await client.send(new PublishVersionCommand({ FunctionName: 'worker' }))).toMatchObject({ Version: '1' });
});

test('an alias and a function tell what they are', async () => {
  await start();
  const got = await client.send(new GetAliasCommand({ FunctionName: 'worker', Name: 'live' }));
  expect(got).toMatchObject({ AliasArn: `${arn}:live`, Name: 'live', FunctionVersion: '1' });
  const { Configuration } = await client.send(new GetFunctionCommand({ FunctionName: 'worker', Qualifier: 'live' }));
  expect(Configuration).toMatchObject({
    Version: '1',
    FunctionArn: `${arn}:live`,
    LastModified: '2026-01-01T00:00:00.000+0000',
  });
  const stale = new UpdateAliasCommand({ FunctionName: 'worker', Name: 'live', FunctionVersion: '1', RevisionId: 'x' });
  await expect(client.send(stale)).rejects.toMatchObject({ name: 'PreconditionFailedException' });
});

test('the policy of an alias is asked for the alias, identity policies for the function', async () => {
  await start();
  await lambda.invoke(`${arn}:live`, {}, { kind: 'service', service: 'events.amazonaws.com' });
  await lambda.invoke(arn, {}, principal);
  await client.send(new GetAliasCommand({ FunctionName: 'worker', Name: 'live' }));
  expect(asked).toEqual([
    expect.objectContaining({ resource: `${arn}:live`, resourcePolicy: expect.anything() }),
    { principal, action: 'lambda:InvokeFunction', resource: arn },
    { principal, action: 'lambda:GetAlias', resource: arn },
  ]);
  isDenied = true;
  const update = new UpdateAliasCommand({ FunctionName: 'worker', Name: 'live', FunctionVersion: '1' });
  await expect(client.send(update)).rejects.toMatchObject({ name: 'AccessDeniedException' });
});

test('what is not there is not found', async () => {
  await start();
  const missing = { name: 'ResourceNotFoundException' };
  await expect(invoke('worker:2')).rejects.toMatchObject(missing);
  await expect(invoke('other')).rejects.toMatchObject(missing);
  const update = new UpdateAliasCommand({ FunctionName: 'worker', Name: 'live', FunctionVersion: '7' });
  await expect(client.send(update)).rejects.toMatchObject(missing);
});

test.each([
  ['a second version', [worker, version, { ...version, logicalId: 'Other' }], 'FunctionName'],
  ['an alias of no version', [worker, alias], 'FunctionVersion'],
  ['weights', [worker, version, { ...alias, properties: { ...alias.properties, RoutingConfig: {} } }], 'RoutingConfig'],
])('%s is an error at start', async (_, resources, property) => {
  await expect(start(resources)).rejects.toMatchObject({
    name: 'TemplateError',
    message: expect.stringContaining(property),
  });
});
