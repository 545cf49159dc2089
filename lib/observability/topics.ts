import { createHash } from 'node:crypto';
import { type RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { CfnSubscription, Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { addressFields } from '../config/contacts.ts';
import type { Environment } from '../config/environment.ts';
import { type Channel, type EscalationStep, type Severity, severities } from '../runbook/runbook.ts';

export interface TopicsProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  readonly title: string;
  readonly contacts: Environment['contacts'];
  readonly escalation: readonly EscalationStep[];
  readonly removalPolicy: RemovalPolicy;
}

/** How SNS reaches somebody on a channel. */
const protocols: Readonly<Record<Channel, 'https' | 'email' | 'sms'>> = {
  // A Slack channel has an e-mail address; its webhooks cannot confirm a subscription of SNS.
  Slack: 'email',
  PagerDuty: 'https',
  email: 'email',
  SMS: 'sms',
  // SNS cannot ring; a text is what it has for a phone.
  phone: 'sms',
};

/** The message attribute by which a page to a contact names the channels it goes out on, as a `String.Array`. */
export const channelsAttribute = 'channels';

interface Address {
  readonly contact: string;
  readonly channel: Channel;
}

/**
 * A topic for each contact of the ladder, with the contact's channels as subscriptions, and one for each severity, to which
 * belongs who is told at once. A contact's channels take the messages that name them and no others; a severity's take all, since
 * the notification of an alarm cannot carry attributes. All are encrypted with a key that CloudWatch may use: with the key that AWS manages, an alarm's
 * notification would be dropped without a word.
 */
export class Topics extends Construct {
  readonly key: Key;
  readonly byContact: ReadonlyMap<string, Topic>;
  readonly bySeverity: ReadonlyMap<Severity, Topic>;

  constructor(scope: Construct, id: string, props: TopicsProps) {
    super(scope, id);
    const { prefix, title, contacts, escalation, removalPolicy } = props;
    const { account } = Stack.of(this);
    this.key = new Key(this, 'Key', {
      description: `Notifications of ${prefix}`,
      enableKeyRotation: true,
      removalPolicy,
    });
    this.key.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
        resources: ['*'],
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
    );
    const topic = (topicId: string, name: string, displayName: string): Topic => {
      const created = new Topic(this, topicId, {
        topicName: `${prefix}-${name}`,
        displayName,
        masterKey: this.key,
        enforceSSL: true,
      });
      created.addToResourcePolicy(
        new PolicyStatement({
          principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
          actions: ['sns:Publish'],
          resources: [created.topicArn],
          conditions: { StringEquals: { 'aws:SourceAccount': account } },
        }),
      );
      return created;
    };
    const subscribe = (to: Topic, addresses: readonly Address[], isFiltered: boolean) => {
      const endpointOf = ({ contact, channel }: Address) => {
        const endpoint = contacts[contact]?.[addressFields[channel]];
        if (endpoint === undefined) throw new Error(`${contact} has no address on ${channel}`);
        return endpoint;
      };
      // "Subscribe" in the SNS API reference: one endpoint has one subscription to a topic, and one filter policy, e.g. where the
      // phone is rung by a text as well.
      const byEndpoint = Map.groupBy(addresses, address =>
        subscriptionId(protocols[address.channel], endpointOf(address)),
      );
      for (const [subscription, all] of byEndpoint) {
        const [first] = all;
        if (!first) continue;
        new CfnSubscription(to, subscription, {
          topicArn: to.topicArn,
          protocol: protocols[first.channel],
          endpoint: endpointOf(first),
          ...(isFiltered && {
            filterPolicy: { [channelsAttribute]: all.map(({ channel }) => channel) },
            filterPolicyScope: 'MessageAttributes',
          }),
        });
      }
    };

    const byContact = Map.groupBy(escalation, ({ contact }) => contact);
    this.byContact = new Map(
      [...byContact].map(([contact, steps]) => {
        const created = topic(contact, contact, `${title}: ${contact}`);
        subscribe(created, addressesOf(steps), true);
        return [contact, created];
      }),
    );
    this.bySeverity = new Map(
      severities.map(severity => {
        const created = topic(severity, severity.toLowerCase(), `${title} ${severity}`);
        const atOnce = escalation.filter(
          step =>
            step.afterSeconds === 0 && step.condition === undefined && (step.severities?.includes(severity) ?? true),
        );
        subscribe(created, addressesOf(atOnce), false);
        return [severity, created];
      }),
    );
  }
}

/**
 * Of nothing but what makes a subscription one to SNS: under a new id CloudFormation would be given the ARN that is there
 * already, and then end it with the old id.
 */
const subscriptionId = (protocol: string, endpoint: string): string =>
  `${protocol}-${createHash('sha256').update(endpoint).digest('hex').slice(0, 12)}`;

/** Everybody whom the steps tell, each on each channel once. */
function addressesOf(steps: readonly EscalationStep[]): Address[] {
  const all = steps.flatMap(({ contact, channels }) => channels.map(channel => ({ contact, channel })));
  return [...new Map(all.map(address => [`${address.contact} ${address.channel}`, address])).values()];
}
