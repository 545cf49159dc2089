import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { generatedName } from '../assembly/generated-name.ts';
import type { Identities, Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import type { Log, Principal } from '../aws/service.ts';
import { isTrusted } from '../iam/trust.ts';
import type { Lambda } from '../lambda/lambda.ts';
import type { MonitoringClock } from '../monitoring-clock.ts';
import type { StepFunctions } from '../stepfunctions/service.ts';
import { parseScheduleExpression, runSchedule, type Schedule } from './schedule-expression.ts';

/** What is honoured of `AWS::Scheduler::Schedule`; a property that is not listed here is refused rather than ignored. */
const scheduleProperties = z.strictObject({
  Name: z.string().optional(),
  ScheduleExpression: z.string(),
  ScheduleExpressionTimezone: z.enum(['UTC', 'Etc/UTC'], 'only UTC is run').optional(),
  FlexibleTimeWindow: z.strictObject({ Mode: z.literal('OFF') }),
  State: z.enum(['ENABLED', 'DISABLED']).default('ENABLED'),
  Target: z.strictObject({
    Arn: z
      .string()
      .regex(
        /^arn:aws:(lambda:[^:]*:\d+:function|states:[^:]*:\d+:stateMachine):/,
        'only functions and state machines are run as targets',
      ),
    RoleArn: z.string(),
    Input: z
      .string()
      .refine(input => !input.includes('<aws.scheduler.'), 'context attributes are not run')
      .transform((input, context): unknown => {
        try {
          return JSON.parse(input);
        } catch {
          context.addIssue('must be well-formed JSON');
          return z.NEVER;
        }
      })
      .optional(),
    // A target takes an asynchronous invocation at once, or the permission is missing, which no retry mends.
    RetryPolicy: z
      .strictObject({ MaximumEventAgeInSeconds: z.number().optional(), MaximumRetryAttempts: z.number().optional() })
      .optional(),
  }),
  Description: z.string().optional(),
});

/** "Amazon EventBridge Scheduler quotas": schedule names have up to 64 characters. */
const maxNameLength = 64;

function scheduleOf(resource: Resource, expression: string): Schedule {
  try {
    return parseScheduleExpression(expression);
  } catch (error) {
    throw propertyError(resource, 'ScheduleExpression', (error as Error).message);
  }
}

export const identities: Identities = {
  'AWS::Scheduler::Schedule': ({ stack, logicalId, property }, { partition, region, account }) => {
    const name = String(property('Name') ?? generatedName(stack, logicalId, maxNameLength));
    return {
      physicalId: name,
      attributes: { Arn: `arn:${partition}:scheduler:${region}:${account}:schedule/default/${name}` },
    };
  },
};

/** What a target without `Input` gets ("Target" in the EventBridge Scheduler API reference: a default notification). */
function defaultNotification(scheduleArn: string, epochMs: number) {
  const [, , , region, account] = scheduleArn.split(':');
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'Scheduled Event',
    source: 'aws.scheduler',
    account,
    time: new Date(epochMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    region,
    resources: [scheduleArn],
    detail: '{}',
  };
}

export interface SchedulerOptions {
  readonly resources: readonly Resource[];
  readonly lambda: Pick<Lambda, 'invokeAsync'>;
  readonly stepFunctions: Pick<StepFunctions, 'startExecution'>;
  /** Schedules are of the monitoring plane. */
  readonly clock: MonitoringClock;
  readonly log: Log;
}

export interface Scheduler {
  /** Starts no more invocations, and waits until those that were started are accepted or refused. */
  close(): Promise<void>;
}

/**
 * Runs the schedules of the template with their roles' permissions, a rate for the first time one interval after the start.
 * @throws TemplateError that names stack, logical id and property of what cannot run here
 */
export function startScheduler(options: SchedulerOptions): Scheduler {
  const { resources, lambda, stepFunctions, clock, log } = options;
  const schedules = declared(resources, 'AWS::Scheduler::Schedule', scheduleProperties).map(
    ({ resource, properties }) => {
      const { RoleArn } = properties.Target;
      if (isTrusted(resources, RoleArn, 'scheduler.amazonaws.com') === false)
        throw propertyError(resource, 'Target.RoleArn', `${RoleArn} does not let scheduler.amazonaws.com assume it`);
      return {
        ...properties,
        name: resource.physicalId,
        arn: resource.attributes.Arn ?? '',
        schedule: scheduleOf(resource, properties.ScheduleExpression),
      };
    },
  );
  const underWay = new Set<Promise<void>>();
  const call = async (arn: string, event: unknown, principal: Principal): Promise<void> => {
    if (arn.includes(':stateMachine:'))
      await stepFunctions.startExecution(arn, JSON.stringify(event) ?? 'null', undefined, principal);
    else await lambda.invokeAsync(arn, event, principal);
  };
  const cancels = schedules
    .filter(({ State }) => State === 'ENABLED')
    .map(({ name, arn, schedule, Target }) =>
      runSchedule(schedule, clock, () => {
        const event = Target.Input === undefined ? defaultNotification(arn, clock.now()) : Target.Input;
        const invocation = call(Target.Arn, event, { kind: 'role', arn: Target.RoleArn })
          .catch(error => {
            const message = error instanceof Error ? error.message : String(error);
            log('error', 'scheduler', message, { schedule: name });
          })
          .finally(() => underWay.delete(invocation));
        underWay.add(invocation);
      }),
    );
  return {
    async close() {
      for (const cancel of cancels) cancel();
      await Promise.all(underWay);
    },
  };
}
