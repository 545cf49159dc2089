import { App, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Topics } from '../../lib/observability/topics.ts';
import type { Channel } from '../../lib/runbook/runbook.ts';

const number = '+12025550100';
const contacts = { desk: { phone: number, sms: number, email: 'desk@example.com' } };

/** Ids of the subscriptions to the contact's topic and to that of P0, each with what SNS knows a subscription by. */
function subscriptions(channels: readonly Channel[]) {
  const stack = new Stack(new App(), 'Stack');
  const told = { afterSeconds: 0, contact: 'desk', channels };
  new Topics(stack, 'Topics', {
    prefix: 'shop-prod',
    title: 'Shop',
    contacts,
    escalation: [told],
    removalPolicy: RemovalPolicy.DESTROY,
  });
  const found = Template.fromStack(stack).findResources('AWS::SNS::Subscription');
  return Object.fromEntries(
    Object.entries(found).map(([id, { Properties }]) => {
      const { TopicArn, Protocol, Endpoint } = Properties;
      return [id, `${TopicArn.Ref} ${Protocol} ${Endpoint}`];
    }),
  );
}

// SNS gives out the same ARN for the same topic, protocol and endpoint, so what is replaced under another id is lost.
test.each<[string, Channel[]]>([
  ['a channel more on the same address', ['phone', 'SMS']],
  ['its channels in another order', ['SMS', 'phone']],
  ['another channel instead, on the same address', ['SMS']],
  ['a channel more on another address', ['email', 'phone']],
])('a subscription keeps its id with %s', (_, channels) => {
  const before = subscriptions(['phone']);
  expect(Object.keys(before)).toHaveLength(5);
  expect(subscriptions(channels)).toMatchObject(before);
});

test('each address has a subscription of its own', () => {
  const all = Object.values(subscriptions(['phone', 'SMS', 'email']));
  expect(all).toHaveLength(10);
  expect(new Set(all).size).toBe(10);
});
