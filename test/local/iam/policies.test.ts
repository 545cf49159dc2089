import type { Place, Resource } from '../../../local/assembly/resource.ts';
import { TemplateError } from '../../../local/assembly/template-error.ts';
import type { PolicyDocument, Principal } from '../../../local/aws/service.ts';
import { createAuthorization } from '../../../local/iam/policies.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const queue = 'arn:aws:sqs:eu-central-1:123456789012:queue';
const session: Principal = { kind: 'role', arn: 'arn:aws:sts::123456789012:assumed-role/Fan/fan-out' };
const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: '*' }] };

function document(...statements: object[]): PolicyDocument {
  return { Version: '2012-10-17', Statement: statements };
}

function allow(action: string | string[], resource: string, more: object = {}) {
  return { Effect: 'Allow', Action: action, Resource: resource, ...more };
}

function resource(type: string, physicalId: string, properties: Record<string, unknown>): Resource {
  return { stack: 'S', logicalId: `Logical${physicalId}`, type, physicalId, properties, attributes: {} };
}

function role(properties: Record<string, unknown> = {}): Resource {
  return resource('AWS::IAM::Role', 'Fan', { AssumeRolePolicyDocument: trust, ...properties });
}

function policyFor(...statements: object[]): Resource {
  return resource('AWS::IAM::Policy', 'P', {
    PolicyName: 'P',
    Roles: ['Fan'],
    PolicyDocument: document(...statements),
  });
}

function send(resources: Resource[], principal: Principal = session, resourcePolicy?: PolicyDocument) {
  return createAuthorization({ resources, place }).authorize({
    principal,
    action: 'sqs:SendMessage',
    resource: queue,
    ...(resourcePolicy ? { resourcePolicy } : {}),
  });
}

describe('identity policies of a role', () => {
  test('an attached policy allows what it names', async () => {
    await expect(send([role(), policyFor(allow('sqs:SendMessage', queue))])).resolves.toBeUndefined();
  });

  test('an inline policy and a managed policy of the template allow too', async () => {
    const policies = [{ PolicyName: 'Inline', PolicyDocument: document(allow('sqs:SendMessage', queue)) }];
    await expect(send([role({ Policies: policies })])).resolves.toBeUndefined();
    const arn = 'arn:aws:iam::123456789012:policy/M';
    const managed = resource('AWS::IAM::ManagedPolicy', arn, { PolicyDocument: document(allow('sqs:*', '*')) });
    await expect(send([managed, role({ ManagedPolicyArns: [arn] })])).resolves.toBeUndefined();
  });

  test('a condition on the keys of items is asked where a statement on the table has one', async () => {
    const table = (name: string) => `arn:aws:dynamodb:eu-central-1:123456789012:table/${name}`;
    const condition = { 'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['control', 'census'] } };
    const { authorize } = createAuthorization({
      resources: [
        role(),
        policyFor(
          allow('dynamodb:GetItem', table('Operations'), { Condition: condition }),
          allow('dynamodb:GetItem', table('Messages')),
        ),
      ],
      place,
    });
    const get = (name: string, ...keys: string[]) =>
      authorize({
        principal: session,
        action: 'dynamodb:GetItem',
        resource: table(name),
        context: { 'dynamodb:LeadingKeys': keys },
      });
    await expect(get('Operations', 'control')).resolves.toBeUndefined();
    await expect(get('Operations', 'incident#1')).rejects.toMatchObject({ code: 'AccessDeniedException' });
    await expect(get('Operations', 'control', 'incident#1')).rejects.toMatchObject({ code: 'AccessDeniedException' });
    await expect(get('Messages', 'incident#1')).resolves.toBeUndefined();
  });

  test('a denial names principal, action and resource as AWS does', async () => {
    await expect(send([role(), policyFor(allow('sqs:ReceiveMessage', queue))])).rejects.toMatchObject({
      code: 'AccessDeniedException',
      status: 400,
      message:
        'User: arn:aws:sts::123456789012:assumed-role/Fan/fan-out is not authorized to perform: sqs:SendMessage ' +
        `on resource: ${queue} because no identity-based policy allows the sqs:SendMessage action`,
    });
  });

  test('an explicit deny wins and is named', async () => {
    const deny = { Effect: 'Deny', Action: 'sqs:*', Resource: '*' };
    await expect(send([role(), policyFor(allow('*', '*'), deny)])).rejects.toThrow(
      'with an explicit deny in an identity-based policy',
    );
  });

  test('a permissions boundary limits', async () => {
    const arn = 'arn:aws:iam::123456789012:policy/Boundary';
    const boundary = resource('AWS::IAM::ManagedPolicy', arn, { PolicyDocument: document(allow('dynamodb:*', '*')) });
    const bounded = [boundary, role({ PermissionsBoundary: arn }), policyFor(allow('sqs:*', '*'))];
    await expect(send(bounded)).rejects.toThrow('no permissions boundary allows the sqs:SendMessage action');
  });

  test('the policies of one role do not help another', async () => {
    const other: Principal = { kind: 'role', arn: 'arn:aws:sts::123456789012:assumed-role/Other/x' };
    await expect(send([role(), policyFor(allow('sqs:*', '*'))], other)).rejects.toThrow('assumed-role/Other/x');
  });

  test('the basic execution role allows logs and nothing else', async () => {
    const arn = 'arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole';
    const authorization = createAuthorization({ resources: [role({ ManagedPolicyArns: [arn] })], place });
    const logs = 'arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/f:log-stream:s';
    const request = { principal: session, action: 'logs:PutLogEvents', resource: logs };
    await expect(authorization.authorize(request)).resolves.toBeUndefined();
    await expect(
      authorization.authorize({ principal: session, action: 'sqs:SendMessage', resource: queue }),
    ).rejects.toThrow('sqs:SendMessage');
  });

  test('a table is not its index', async () => {
    const table = 'arn:aws:dynamodb:eu-central-1:123456789012:table/T';
    const authorization = createAuthorization({
      resources: [role(), policyFor(allow('dynamodb:Query', table))],
      place,
    });
    const query = { principal: session, action: 'dynamodb:Query' };
    await expect(authorization.authorize({ ...query, resource: table })).resolves.toBeUndefined();
    await expect(authorization.authorize({ ...query, resource: `${table}/index/I` })).rejects.toThrow('dynamodb:Query');
  });
});

describe('a template that cannot be evaluated', () => {
  test('an unknown AWS managed policy is an error at start', () => {
    const arn = 'arn:aws:iam::aws:policy/ReadOnlyAccess';
    expect(() => createAuthorization({ resources: [role({ ManagedPolicyArns: [arn] })], place })).toThrow(
      new TemplateError(
        `S.LogicalFan (AWS::IAM::Role): the content of managed policy ${arn} is not known here. ` +
          'Known AWS managed policies: AdministratorAccess, service-role/AWSLambdaBasicExecutionRole, AWSXRayDaemonWriteAccess',
      ),
    );
  });

  test('a property that is not honoured is an error that names it', () => {
    const users = resource('AWS::IAM::Policy', 'P', {
      PolicyName: 'P',
      Roles: ['Fan'],
      Users: ['alice'],
      PolicyDocument: document(),
    });
    expect(() => createAuthorization({ resources: [users], place })).toThrow(
      new TemplateError('S.LogicalP (AWS::IAM::Policy): property Users: the local environment does not run it'),
    );
  });
});

describe('principals without a role', () => {
  const fromTopic = (condition: object) =>
    document({
      Effect: 'Allow',
      Principal: { Service: 'sns.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: queue,
      Condition: condition,
    });
  const sns: Principal = {
    kind: 'service',
    service: 'sns.amazonaws.com',
    sourceArn: 'arn:aws:sns:eu-central-1:123456789012:topic',
  };

  test('the developer may do everything', async () => {
    await expect(send([], { kind: 'user', arn: 'arn:aws:iam::123456789012:user/developer' })).resolves.toBeUndefined();
  });

  test('a service is allowed by the resource policy alone, for its source', async () => {
    const policy = fromTopic({ ArnEquals: { 'aws:SourceArn': 'arn:aws:sns:eu-central-1:123456789012:topic' } });
    await expect(send([], sns, policy)).resolves.toBeUndefined();
    await expect(
      send([], sns, fromTopic({ StringEquals: { 'aws:SourceAccount': '123456789012' } })),
    ).resolves.toBeUndefined();
    await expect(
      send([], { ...sns, sourceArn: 'arn:aws:sns:eu-central-1:123456789012:other' }, policy),
    ).rejects.toThrow('because no resource-based policy allows the sqs:SendMessage action');
    await expect(send([], sns)).rejects.toThrow(
      'User: sns.amazonaws.com is not authorized to perform: sqs:SendMessage',
    );
  });

  test('a resource policy can deny the developer', async () => {
    const insecure = document({ Effect: 'Deny', Principal: { AWS: '*' }, Action: 'sqs:*', Resource: '*' });
    await expect(send([], { kind: 'user', arn: 'arn:aws:iam::123456789012:user/developer' }, insecure)).rejects.toThrow(
      'with an explicit deny in a resource-based policy',
    );
  });
});

test('a decision depends on the policy, the context and the source, not on what was decided before', async () => {
  const namespace = { StringEquals: { 'cloudwatch:namespace': 'Steadysocket' } };
  const resources = [role(), policyFor(allow('cloudwatch:PutMetricData', '*', { Condition: namespace }))];
  const authorization = createAuthorization({ resources, place });
  const put = (name: string) =>
    authorization.authorize({
      principal: session,
      action: 'cloudwatch:PutMetricData',
      resource: '*',
      context: { 'cloudwatch:namespace': name },
    });
  for (let round = 0; round < 2; round += 1) {
    await expect(put('Steadysocket')).resolves.toBeUndefined();
    await expect(put('Other')).rejects.toThrow('cloudwatch:PutMetricData');
  }
});

test('an action that IAM does not know is a mistake of the caller, not a denial', async () => {
  const authorization = createAuthorization({ resources: [role()], place });
  await expect(
    authorization.authorize({ principal: session, action: 'sqs:SendMail', resource: queue }),
  ).rejects.toThrow(/cannot evaluate sqs:SendMail/);
});

test('an allowed post to one connection allows neither another method nor another API', async () => {
  const api = 'arn:aws:execute-api:eu-central-1:123456789012:abcdefghij';
  const resources = [role(), policyFor(allow('execute-api:ManageConnections', `${api}/dev/POST/@connections/*`))];
  const authorization = createAuthorization({ resources, place });
  const manage = (path: string) =>
    authorization.authorize({ principal: session, action: 'execute-api:ManageConnections', resource: path });
  await expect(manage(`${api}/dev/POST/@connections/AAAA=`)).resolves.toBeUndefined();
  await expect(manage(`${api}/dev/POST/@connections/BBBB=`)).resolves.toBeUndefined();
  for (const other of [`${api}/dev/DELETE/@connections/AAAA=`, `${api}2/dev/POST/@connections/AAAA=`]) {
    await expect(manage(other)).rejects.toThrow(
      `not authorized to perform: execute-api:ManageConnections on resource: ${other} because no identity-based policy`,
    );
  }
});

test('the root of an HTTP API can be allowed and denied', async () => {
  const root = 'arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/$default/GET/';
  const invoke = (allowed: string) =>
    createAuthorization({ resources: [role(), policyFor(allow('execute-api:Invoke', allowed))], place }).authorize({
      principal: session,
      action: 'execute-api:Invoke',
      resource: root,
    });
  await expect(invoke(root)).resolves.toBeUndefined();
  await expect(invoke(root.replace('GET', 'POST'))).rejects.toMatchObject({ code: 'AccessDeniedException' });
});

test('a policy document that IAM would refuse is an error that says where', async () => {
  const resources = [role(), policyFor({ Effect: 'allow', Action: 'sqs:SendMessage', Resource: '*' })];
  await expect(send(resources)).rejects.toThrow(/cannot evaluate sqs:SendMessage.*Effect/);
});
