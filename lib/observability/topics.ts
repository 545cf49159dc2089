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

/**
 * A topic for each contact of the ladder, with the contact's channels as subscriptions, and one for each severity, to which
 * belongs who is told at once. All are encrypted with a key that CloudWatch may use: with the key that AWS manages, an alarm's
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
    const subscribe = (to: Topic, contact: string, channels: Iterable<Channel>) => {
      for (const channel of channels) {
        const endpoint = contacts[contact]?.[addressFields[channel]];
        if (endpoint === undefined) throw new Error(`${contact} has no address on ${channel}`);
        new CfnSubscription(to, `${contact}-${channel}`, {
          topicArn: to.topicArn,
          protocol: protocols[channel],
          endpoint,
        });
      }
    };

    const byContact = Map.groupBy(escalation, ({ contact }) => contact);
    this.byContact = new Map(
      [...byContact].map(([contact, steps]) => {
        const created = topic(contact, contact, `${title}: ${contact}`);
        subscribe(created, contact, new Set(steps.flatMap(({ channels }) => channels)));
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
        for (const [contact, steps] of Map.groupBy(atOnce, step => step.contact))
          subscribe(created, contact, new Set(steps.flatMap(({ channels }) => channels)));
        return [severity, created];
      }),
    );
  }
}
