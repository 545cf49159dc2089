import { EventField, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Severity } from '../runbook/severity.ts';
import { notMuted } from './mute-detail.ts';
import { platformPrefix } from './platform-alarms.ts';

export interface PlatformEndsProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  /** Who was told that an alarm fires, by the severity that its description begins with. */
  readonly told: ReadonlyMap<Severity, ITopic>;
}

/**
 * Tells that a platform alarm is over. Nobody answers these alarms, so no incident ends; and an OK action would tell it of an
 * alarm that never fired too, at the first evaluation after each deployment that creates it ("Alarm actions": the state before is
 * INSUFFICIENT_DATA). A rule knows the state before.
 */
export class PlatformEnds extends Construct {
  constructor(scope: Construct, id: string, { prefix, told }: PlatformEndsProps) {
    super(scope, id);
    for (const [severity, topic] of told) {
      new Rule(this, severity, {
        description: `Ends of platform alarms of ${prefix} of ${severity}`,
        eventPattern: {
          source: ['aws.cloudwatch'],
          detailType: ['CloudWatch Alarm State Change'],
          detail: {
            alarmName: [{ prefix: `${platformPrefix}-${prefix}-` }],
            configuration: { description: [{ prefix: `${severity}: ` }] },
            previousState: { value: ['ALARM'] },
            state: { value: ['OK'] },
            muteDetail: notMuted,
          },
        },
        targets: [
          new SnsTopic(topic, {
            message: RuleTargetInput.fromText(
              `${EventField.fromPath('$.detail.alarmName')} is over, OK since ${EventField.fromPath('$.detail.state.timestamp')}. It was: ${EventField.fromPath('$.detail.configuration.description')}`,
            ),
          }),
        ],
      });
    }
  }
}
