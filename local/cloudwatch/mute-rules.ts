import type { Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import { muteRuleProperties } from './declarations.ts';
import { MuteSchedule, type MuteWindow, ScheduleError } from './mute-schedule.ts';

export type MuteStatus = 'SCHEDULED' | 'ACTIVE' | 'EXPIRED';

/** A rule that keeps the actions of some alarms back at certain times. */
export interface MuteRule {
  readonly arn: string;
  readonly name: string;
  readonly resource: Resource;
  readonly alarms: ReadonlySet<string>;
  readonly recurring: boolean;
  /** Epoch milliseconds, infinite where there is none. */
  readonly startsAt: number;
  readonly expiresAt: number;
  readonly windowAt: (time: number) => MuteWindow | undefined;
}

/** The mute rules of a template. @throws TemplateError that names stack, logical id and property of what is wrong */
export function readMuteRules(resources: readonly Resource[], alarms: ReadonlySet<string>): MuteRule[] {
  return declared(resources, 'AWS::CloudWatch::AlarmMuteRule', muteRuleProperties).map(({ resource, properties }) => {
    const { Rule, MuteTargets, StartDate, ExpireDate } = properties;
    const targets = new Set(MuteTargets?.AlarmNames ?? []);
    for (const target of targets)
      if (!alarms.has(target))
        throw propertyError(resource, 'MuteTargets.AlarmNames', `${target} is not an alarm of the template`);
    const schedule = scheduleOf(resource, Rule.Schedule);
    const startsAt = dateOf(resource, 'StartDate', StartDate) ?? Number.NEGATIVE_INFINITY;
    const expiresAt = dateOf(resource, 'ExpireDate', ExpireDate) ?? Number.POSITIVE_INFINITY;
    const arn = resource.physicalId;
    return {
      arn,
      name: arn.slice(arn.lastIndexOf(':') + 1),
      resource,
      alarms: targets,
      recurring: schedule.recurring,
      startsAt,
      expiresAt,
      windowAt: time => (time >= startsAt && time < expiresAt ? schedule.windowAt(time) : undefined),
    };
  });
}

function scheduleOf(
  resource: Resource,
  schedule: { Expression: string; Duration: string; Timezone?: string | undefined },
) {
  try {
    return new MuteSchedule(schedule.Expression, schedule.Duration, schedule.Timezone);
  } catch (error) {
    if (error instanceof ScheduleError) throw propertyError(resource, 'Rule.Schedule', error.message);
    throw error;
  }
}

function dateOf(resource: Resource, property: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = Date.parse(/(Z|[+-]\d{2}:?\d{2})$/.test(text) ? text : `${text}Z`);
  if (Number.isNaN(time)) throw propertyError(resource, property, `${text} is no date`);
  return time;
}

export function muteStatus(rule: MuteRule, time: number): MuteStatus {
  if (time >= rule.expiresAt) return 'EXPIRED';
  return rule.windowAt(time) ? 'ACTIVE' : 'SCHEDULED';
}
