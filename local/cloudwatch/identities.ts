import { generatedName } from '../assembly/generated-name.ts';
import type { Declaration, Identities, Place } from '../assembly/resource.ts';

const nameOf = ({ stack, logicalId, property }: Declaration, own: string): string => {
  const declared = property(own);
  return typeof declared === 'string' ? declared : generatedName(stack, logicalId, 255);
};

export const alarmArn = (name: string, { partition, region, account }: Place): string =>
  `arn:${partition}:cloudwatch:${region}:${account}:alarm:${name}`;

export const muteRuleArn = (name: string, { partition, region, account }: Place): string =>
  `arn:${partition}:cloudwatch:${region}:${account}:alarm-mute-rule:${name}`;

export const dashboardArn = (name: string, { partition, account }: Place): string =>
  `arn:${partition}:cloudwatch::${account}:dashboard/${name}`;

const alarm = (declaration: Declaration, place: Place) => {
  const name = nameOf(declaration, 'AlarmName');
  return { physicalId: name, attributes: { Arn: alarmArn(name, place) } };
};

/** The resource types of `startCloudWatch`. */
export const identities: Identities = {
  'AWS::CloudWatch::Alarm': alarm,
  'AWS::CloudWatch::CompositeAlarm': alarm,
  'AWS::CloudWatch::AlarmMuteRule': (declaration, place) => {
    const arn = muteRuleArn(nameOf(declaration, 'Name'), place);
    return { physicalId: arn, attributes: { AlarmMuteRuleArn: arn } };
  },
  'AWS::CloudWatch::AnomalyDetector': ({ stack, logicalId }) => {
    const id = generatedName(stack, logicalId, 255);
    return { physicalId: id, attributes: { Id: id } };
  },
  'AWS::CloudWatch::Dashboard': declaration => ({
    physicalId: nameOf(declaration, 'DashboardName'),
    attributes: {},
  }),
};
