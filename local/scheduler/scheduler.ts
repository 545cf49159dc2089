import { z } from 'zod';
import { TemplateError } from '../assembly/intrinsics.ts';
import type { Identities, Resource } from '../assembly/resource.ts';
import type { Log } from '../aws/service.ts';
import type { Lambda } from '../lambda/lambda.ts';

/** What is honoured of `AWS::Scheduler::Schedule`; a property that is not listed here is refused rather than ignored. */
const scheduleSchema = z.strictObject({
  Name: z.string().optional(),
  ScheduleExpression: z.string(),
  ScheduleExpressionTimezone: z.string().optional(),
  FlexibleTimeWindow: z.strictObject({ Mode: z.literal('OFF') }),
  State: z.enum(['ENABLED', 'DISABLED']).default('ENABLED'),
  Target: z.strictObject({
    Arn: z.string(),
    RoleArn: z.string(),
    Input: z.string().optional(),
    // Lambda takes an asynchronous invocation at once, or the permission is missing, which no retry mends.
    RetryPolicy: z
      .strictObject({ MaximumEventAgeInSeconds: z.number().optional(), MaximumRetryAttempts: z.number().optional() })
      .optional(),
  }),
  Description: z.string().optional(),
});

const unitMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** `rate(1 minute)` in milliseconds. */
function intervalMs(expression: string, { stack, logicalId }: Resource): number {
  const match = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression);
  const unit = match?.[2] as keyof typeof unitMs | undefined;
  if (!unit) throw new TemplateError(`${stack}.${logicalId}: ${expression} cannot be run on this machine, rate(…) can`);
  return Number(match?.[1]) * unitMs[unit];
}

export const identities: Identities = {
  'AWS::Scheduler::Schedule': ({ stack, logicalId, property }, { partition, region, account }) => {
    const name = String(property('Name') ?? `${stack}-${logicalId}`);
    return {
      physicalId: name,
      attributes: { Arn: `arn:${partition}:scheduler:${region}:${account}:schedule/default/${name}` },
    };
  },
};

export interface SchedulerOptions {
  readonly resources: readonly Resource[];
  readonly lambda: Lambda;
  /** How many times faster than the clock schedules run. */
  readonly timeScale: number;
  readonly log: Log;
}

/** Runs the schedules of the template with their roles' permissions. */
export function startScheduler({ resources, lambda, timeScale, log }: SchedulerOptions): { close(): void } {
  const timers = resources
    .filter(({ type }) => type === 'AWS::Scheduler::Schedule')
    .flatMap(resource => {
      const result = scheduleSchema.safeParse(resource.properties);
      if (!result.success) {
        throw new TemplateError(`${resource.stack}.${resource.logicalId}: ${z.prettifyError(result.error)}`);
      }
      const { ScheduleExpression, State, Target } = result.data;
      const milliseconds = intervalMs(ScheduleExpression, resource) / timeScale;
      if (State === 'DISABLED') return [];
      const event = Target.Input === undefined ? {} : JSON.parse(Target.Input);
      const run = () =>
        lambda.invokeAsync(Target.Arn, event, { kind: 'role', arn: Target.RoleArn }).catch((error: Error) => {
          log('error', 'scheduler', error.message, { schedule: resource.physicalId });
        });
      return [setInterval(run, milliseconds)];
    });
  return {
    close() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}
