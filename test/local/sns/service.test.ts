import type { Place, Resource } from '../../../local/assembly/resource.ts';
import { AwsError, type FunctionInvoker, type Principal } from '../../../local/aws/service.ts';
import { identities } from '../../../local/sns/identities.ts';
import { type Sns, startSns } from '../../../local/sns/service.ts';
import type { Sqs } from '../../../local/sqs/service.ts';
import { openFrontDoor } from '../sqs/front-door.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };
const principal: Principal = { kind: 'role', arn: 'arn:aws:iam::123456789012:role/app' };

function resource(logicalId: string, type: string, properties: Record<string, unknown>): Resource {
  const identity = identities[type]?.({ stack: 's', logicalId, property: name => properties[name] }, place);
  if (!identity) throw new Error(`no identity for ${type}`);
  return { stack: 's', logicalId, type, properties, ...identity };
}

const topic = resource('Alerts', 'AWS::SNS::Topic', { TopicName: 'alerts' });
const TopicArn = topic.physicalId;
const policy = resource('Policy', 'AWS::SNS::TopicPolicy', {
  Topics: [TopicArn],
  PolicyDocument: { Version: '2012-10-17', Statement: [{ Sid: 'alerts' }] },
});
const subscription = (logicalId: string, Protocol: string, Endpoint: string, more = {}) =>
  resource(logicalId, 'AWS::SNS::Subscription', { TopicArn, Protocol, Endpoint, ...more });

type Delivery = [target: string, content: unknown, principal: Principal];
let deliveries: Delivery[];
let asked: unknown[];
let log: [level: string, message: string, fields: unknown][];
let deniedQueue: string | undefined;
let isDenied: boolean;

beforeEach(() => {
  deliveries = [];
  asked = [];
  log = [];
  deniedQueue = undefined;
  isDenied = false;
});

const sqs: Pick<Sqs, 'deliver'> = {
  deliver: async (queueArn, message, by) => {
    if (queueArn === deniedQueue) throw new AwsError('AccessDeniedException', `no sqs:SendMessage on ${queueArn}`);
    deliveries.push([queueArn, message, by]);
    return { messageId: 'm', md5OfBody: '', md5OfAttributes: undefined, sequenceNumber: undefined };
  },
};
const invoker: FunctionInvoker = {
  invoke: async (functionArn, event, by) => {
    deliveries.push([functionArn, event, by]);
    return { ok: true, payload: null };
  },
};
const start = (...resources: Resource[]): Promise<Sns> =>
  startSns({
    resources: [topic, policy, ...resources],
    sqs,
    invoker,
    authorization: {
      authorize: async request => {
        asked.push(request);
        if (isDenied) throw new AwsError('AccessDeniedException', 'no <sns:Publish>');
      },
    },
    log: (level, _component, message, fields) => log.push([level, message, fields]),
  });

const bySns = { kind: 'service', service: 'sns.amazonaws.com', sourceArn: TopicArn };

async function publishRaw(sns: Sns, parameters: Record<string, string>) {
  const door = await openFrontDoor(sns, 'sns', principal);
  try {
    const body = new URLSearchParams({ Action: 'Publish', Version: '2010-03-31', ...parameters });
    const response = await fetch(door.url, { method: 'POST', body });
    return { status: response.status, text: await response.text() };
  } finally {
    await door.close();
    await sns.close();
  }
}

it('publishes by the query protocol to queues and functions', async () => {
  const sns = await start(subscription('Q', 'sqs', 'queue-arn'), subscription('F', 'lambda', 'function-arn'));
  const { status, text } = await publishRaw(sns, { TopicArn, Message: 'on <fire>', Subject: 'Alarm' });
  expect(status).toBe(200);
  const messageId = /<MessageId>([0-9a-f-]{36})<\/MessageId>/.exec(text)?.[1];
  expect(messageId).toBeDefined();
  const [queued, invoked] = deliveries;
  expect(queued?.[0]).toBe('queue-arn');
  expect(queued?.[2]).toEqual(bySns);
  const envelope = JSON.parse((queued as [string, { body: string }, Principal])[1].body);
  expect(envelope).toMatchObject({
    Type: 'Notification',
    MessageId: messageId,
    TopicArn,
    Subject: 'Alarm',
    Message: 'on <fire>',
  });
  expect(invoked).toEqual([
    'function-arn',
    {
      Records: [
        expect.objectContaining({
          EventSource: 'aws:sns',
          Sns: expect.objectContaining({ MessageId: messageId, Message: 'on <fire>' }),
        }),
      ],
    },
    bySns,
  ]);
  expect(asked).toEqual([
    { principal, action: 'sns:Publish', resource: TopicArn, resourcePolicy: policy.properties.PolicyDocument },
  ]);
});

it('answers a denial in the protocol, and delivers nothing', async () => {
  isDenied = true;
  const sns = await start(subscription('Q', 'sqs', 'queue-arn'));
  const { status, text } = await publishRaw(sns, { TopicArn, Message: 'x' });
  expect(status).toBe(403);
  expect(text).toContain('<Code>AuthorizationError</Code><Message>no &lt;sns:Publish&gt;</Message>');
  expect(deliveries).toEqual([]);
});

it.each([
  ['an unknown topic', { TopicArn: `${TopicArn}-missing`, Message: 'x' }, 404, 'NotFound'],
  ['no topic', { TopicArn: '', Message: 'x' }, 400, 'InvalidParameter'],
  ['an empty message', { TopicArn, Message: '' }, 400, 'InvalidParameter'],
  ['more than 256 KB', { TopicArn, Message: 'x'.repeat(262_145) }, 400, 'InvalidParameter'],
  ['another action', { Action: 'CreateTopic' }, 400, 'InvalidAction'],
])('refuses %s', async (_, parameters, expectedStatus, code) => {
  const { status, text } = await publishRaw(await start(), parameters);
  expect(status).toBe(expectedStatus);
  expect(text).toContain(`<Code>${code}</Code>`);
});

it('delivers by the filter policies, raw where asked', async () => {
  const sns = await start(
    subscription('P0', 'sqs', 'p0', { FilterPolicy: { severity: ['P0', 'P1'] }, RawMessageDelivery: true }),
    subscription('P2', 'sqs', 'p2', { FilterPolicy: { severity: ['P2'] } }),
    subscription('Both', 'sqs', 'both', { FilterPolicy: { severity: ['P1'], env: ['prod'] } }),
  );
  const attributes = { severity: { Type: 'String', Value: 'P1' }, env: { Type: 'String', Value: 'dev' } };
  await sns.publish(TopicArn, { message: 'raw', attributes }, principal);
  await sns.close();
  expect(deliveries.map(([target, content]) => [target, content])).toEqual([
    [
      'p0',
      {
        body: 'raw',
        attributes: {
          severity: { DataType: 'String', StringValue: 'P1' },
          env: { DataType: 'String', StringValue: 'dev' },
        },
      },
    ],
  ]);
});

it('gives one endpoint one subscription to a topic', async () => {
  const first = subscription('A', 'sqs', 'queue', { FilterPolicy: { channels: ['SMS'] } });
  const sns = await start(first, subscription('B', 'sqs', 'queue', { FilterPolicy: { channels: ['SMS'] } }));
  const attributes = { channels: { Type: 'String.Array', Value: '["Slack", "SMS"]' } };
  await sns.publish(TopicArn, { message: 'once', attributes }, principal);
  await sns.close();
  expect(deliveries).toHaveLength(1);
  await expect(start(first, subscription('B', 'sqs', 'queue'))).rejects.toMatchObject({
    name: 'TemplateError',
    message: expect.stringMatching(/s\.B .*Subscription already exists with different attributes/),
  });
});

it('delivers nothing to who filters by an attribute that a message does not have', async () => {
  const sns = await start(subscription('A', 'sqs', 'queue', { FilterPolicy: { channels: ['SMS'] } }));
  await sns.publish(TopicArn, { message: 'x' }, principal);
  for (const Value of ['["Slack"]', 'no list', '[1]'])
    await sns.publish(TopicArn, { message: 'x', attributes: { channels: { Type: 'String.Array', Value } } }, principal);
  await sns.close();
  expect(deliveries).toEqual([]);
});

it('logs what would go to people, by endpoint and without content', async () => {
  const sns = await start(subscription('Mail', 'email', 'ops@example.com'));
  await sns.publish(TopicArn, { message: 'secret' }, principal);
  await sns.close();
  expect(log).toEqual([
    ['info', 'a notification would go out by email', expect.objectContaining({ endpoint: 'ops@example.com' })],
  ]);
  expect(JSON.stringify(log)).not.toContain('secret');
});

it('logs a delivery that a queue refuses, and makes the others', async () => {
  deniedQueue = 'closed';
  const sns = await start(subscription('A', 'sqs', 'closed'), subscription('B', 'sqs', 'open'));
  await sns.publish(TopicArn, { message: 'x' }, principal);
  await sns.close();
  expect(deliveries.map(([target]) => target)).toEqual(['open']);
  expect(log).toEqual([
    [
      'error',
      'a notification could not be delivered',
      expect.objectContaining({ error: 'no sqs:SendMessage on closed' }),
    ],
  ]);
});

it.each([
  ['FilterPolicy', subscription('S', 'sqs', 'q', { FilterPolicy: { size: [{ numeric: ['>', 1] }] } })],
  ['FilterPolicyScope', subscription('S', 'sqs', 'q', { FilterPolicyScope: 'MessageBody' })],
  ['RedrivePolicy', subscription('S', 'sqs', 'q', { RedrivePolicy: {} })],
  ['TopicArn', resource('S', 'AWS::SNS::Subscription', { TopicArn: 'other', Protocol: 'sqs', Endpoint: 'q' })],
  ['FifoTopic', resource('S', 'AWS::SNS::Topic', { FifoTopic: true })],
])('refuses a template with %s', async (property, declared) => {
  await expect(start(declared)).rejects.toMatchObject({
    name: 'TemplateError',
    message: expect.stringMatching(`s\\.S .*${property}`),
  });
});
