import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAssembly } from '../../../local/assembly/assembly.ts';
import type { Identities } from '../../../local/assembly/resource.ts';

const identities: Identities = {
  'AWS::SQS::Queue': ({ stack, logicalId, property }) => {
    const name = String(property('QueueName') ?? `${stack}-${logicalId}`);
    return { physicalId: `url/${name}`, attributes: { Arn: `arn:${name}` } };
  },
  'AWS::IAM::Role': ({ logicalId }) => ({ physicalId: logicalId, attributes: { Arn: `arn:role/${logicalId}` } }),
};

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'assembly-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Writes a cloud assembly as `cdk synth` does, and reads it. */
function read(templates: Record<string, object>, files: object = {}) {
  const artifacts = Object.entries(templates).map(([name, template]) => {
    writeFileSync(join(directory, `${name}.template.json`), JSON.stringify(template));
    return [
      name,
      {
        type: 'aws:cloudformation:stack',
        environment: 'aws://unknown-account/eu-west-1',
        properties: { templateFile: `${name}.template.json` },
      },
    ];
  });
  writeFileSync(join(directory, 'assets.json'), JSON.stringify({ version: '55.0.0', files }));
  const assets = { type: 'cdk:asset-manifest', properties: { file: 'assets.json' } };
  const manifest = { version: '55.0.0', artifacts: { ...Object.fromEntries(artifacts), assets } };
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
  return readAssembly(directory, identities);
}

const templateError = (...parts: string[]) =>
  expect.objectContaining({
    name: 'TemplateError',
    message: expect.stringMatching(parts.map(part => part.replace(/[.:$]/g, '\\$&')).join('.*')),
  });

test('gives the resources of every stack with their functions resolved', () => {
  const { resources, place } = read({
    A: {
      Resources: {
        Jobs: { Type: 'AWS::SQS::Queue', Properties: { QueueName: { 'Fn::Sub': `jobs-\${AWS::Region}` } } },
        Later: { Type: 'AWS::SQS::Queue', Properties: { Tags: { 'Fn::GetAtt': ['Role', 'Arn'] } } },
        Role: { Type: 'AWS::IAM::Role' },
        CDKMetadata: { Type: 'AWS::CDK::Metadata', Condition: 'CDKMetadataAvailable', Properties: {} },
      },
    },
    B: { Resources: { Jobs: { Type: 'AWS::SQS::Queue' } } },
  });
  expect(place).toEqual({ partition: 'aws', account: '000000000000', region: 'eu-west-1' });
  expect(resources).toEqual([
    {
      stack: 'A',
      logicalId: 'Jobs',
      type: 'AWS::SQS::Queue',
      properties: { QueueName: 'jobs-eu-west-1' },
      physicalId: 'url/jobs-eu-west-1',
      attributes: { Arn: 'arn:jobs-eu-west-1' },
    },
    expect.objectContaining({ logicalId: 'Later', properties: { Tags: 'arn:role/Role' } }),
    expect.objectContaining({ logicalId: 'Role', properties: {} }),
    expect.objectContaining({ stack: 'B', physicalId: 'url/B-Jobs' }),
  ]);
});

test('a stack imports what another exports, whichever comes first', () => {
  const importing = {
    Resources: { Copy: { Type: 'AWS::SQS::Queue', Properties: { QueueName: { 'Fn::ImportValue': 'A:JobsArn' } } } },
    Outputs: { Copied: { Value: { Ref: 'Copy' } } },
  };
  const exporting = {
    Resources: { Jobs: { Type: 'AWS::SQS::Queue' } },
    Outputs: {
      JobsArn: {
        Value: { 'Fn::GetAtt': ['Jobs', 'Arn'] },
        Export: { Name: { 'Fn::Sub': `\${AWS::StackName}:JobsArn` } },
      },
    },
  };
  expect(read({ A: exporting, B: importing }).outputs).toEqual({ JobsArn: 'arn:A-Jobs', Copied: 'url/arn:A-Jobs' });
  expect(read({ '0': importing, A: exporting }).outputs).toMatchObject({ Copied: 'url/arn:A-Jobs' });
  expect(() => read({ B: importing })).toThrow(templateError('no stack exports A:JobsArn'));
});

test('every resource that cannot be run is named at once, of all stacks', () => {
  const cache = { Type: 'AWS::ElastiCache::CacheCluster' };
  expect(() =>
    read({
      A: { Resources: { Cache: cache, Jobs: { Type: 'AWS::SQS::Queue' }, Odd: { Type: 'toString' } } },
      B: { Resources: { Other: { Type: 'AWS::RDS::DBInstance' }, Some: { Type: 'AWS::SQS::Queue', Condition: 'C' } } },
    }),
  ).toThrow(
    templateError(
      'cannot be run on this machine: ',
      'A.Cache is of type AWS::ElastiCache::CacheCluster; ',
      'A.Odd is of type toString; ',
      'B.Other is of type AWS::RDS::DBInstance; ',
      'B.Some has the condition C',
    ),
  );
});

test('a reference to a resource that the stack does not declare is an error, also to one of another stack', () => {
  const jobs = { Type: 'AWS::SQS::Queue' };
  const referring = { Resources: { Copy: { Type: 'AWS::SQS::Queue', Properties: { Tags: { Ref: 'Jobs' } } } } };
  expect(() => read({ A: { Resources: { Jobs: jobs } }, B: referring })).toThrow(
    templateError('B refers to Jobs, which it does not declare'),
  );
});

test('an assembly without a stack is an error', () => {
  expect(() => read({})).toThrow(templateError('holds no stack'));
});

test('finds the directory of an asset by the key that a template gives it', () => {
  const { asset } = read(
    { A: {} },
    { abc: { source: { path: 'asset.abc' }, destinations: { here: { objectKey: 'abc.zip', bucketName: 'b' } } } },
  );
  expect(asset('abc.zip')).toBe(join(directory, 'asset.abc'));
  expect(() => asset('other.zip')).toThrow(templateError('the assembly has no asset other.zip'));
});
