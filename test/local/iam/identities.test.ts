import type { Place } from '../../../local/assembly/resource.ts';
import { identities } from '../../../local/iam/identities.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };

function identify(type: string, properties: Record<string, unknown>, logicalId = 'Role1') {
  return identities[type]?.({ stack: 'matchbook-dev-Realtime', logicalId, property: name => properties[name] }, place);
}

test('a role is called as declared', () => {
  expect(identify('AWS::IAM::Role', { RoleName: 'fan', Path: '/app/' })).toMatchObject({
    physicalId: 'fan',
    attributes: { Arn: 'arn:aws:iam::123456789012:role/app/fan', RoleId: expect.stringMatching(/^AROA/) },
  });
});

test('a generated name is the same at every start, unique and short enough', () => {
  const name = identify('AWS::IAM::Role', {}, 'R'.repeat(200))?.physicalId ?? '';
  expect(name).toBe(identify('AWS::IAM::Role', {}, 'R'.repeat(200))?.physicalId);
  expect(name).not.toBe(identify('AWS::IAM::Role', {}, `${'R'.repeat(200)}2`)?.physicalId);
  expect(name).toHaveLength(64);
});

test('a managed policy is referred to by its ARN', () => {
  expect(identify('AWS::IAM::ManagedPolicy', { ManagedPolicyName: 'm' })?.physicalId).toBe(
    'arn:aws:iam::123456789012:policy/m',
  );
});
