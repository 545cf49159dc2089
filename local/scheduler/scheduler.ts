import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { generatedName } from '../assembly/generated-name.ts';
import type { Identities, Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import type { Log } from '../aws/service.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Lambda } from '../lambda/lambda.ts';

/** What is honoured of `AWS::Scheduler::Schedule`; a property that is not listed here is refused rather than ignored. */
const scheduleProperties = z.strictObject({
  Name: z.string().optional(),
  ScheduleExpression: z.string(),
  // Without effect on a rate.
  ScheduleExpressionTimezone: z.string().optional(),
  FlexibleTimeWindow: z.strictObject({ Mode: z.literal('OFF') }),
  State: z.enum(['ENABLED', 'DISABLED']).default('ENABLED'),
  Target: z.strictObject({
    Arn: z.string().regex(/^arn:aws:lambda:[^:]*:\d+:function:/, 'only functions are run as targets'),
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
    // Lambda takes an asynchronous invocation at once, or the permission is missing, which no retry mends.
    RetryPolicy: z
      .strictObject({ MaximumEventAgeInSeconds: z.number().optional(), MaximumRetryAttempts: z.number().optional() })
      .optional(),
  }),
  Description: z.string().optional(),
});

/** "Amazon EventBridge Scheduler quotas": schedule names have up to 64 characters. */
const maxNameLength = 64;

const unitMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** `rate(1 minute)` in milliseconds. */
function intervalMs(resource: Resource, expression: string): number {
  const [, value, unit] = /^rate\(([1-9]\d*) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  if (value === undefined)
    throw propertyError(resource, 'ScheduleExpression', `${expression} cannot be run on this machine, rate(…) can`);
  return Number(value) * unitMs[unit as keyof typeof unitMs];
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

/** Runs something at a fixed rate; what was missed, as while the machine slept, is not made up for. */
function repeat(intervalMs: number, clock: Clock, run: () => void): () => void {
  let due = clock.now() + intervalMs;
  let cancel = () => {};
  const wait = () => {
    cancel = clock.schedule(due - clock.now(), () => {
      const now = clock.now();
      // A timer cannot wait longer than 24 days: then this is not the time yet.
      const isDue = now >= due;
      if (isDue) due = Math.max(due + intervalMs, now);
      wait();
      if (isDue) run();
    });
  };
  wait();
  return () => cancel();
}

export interface SchedulerOptions {
  readonly resources: readonly Resource[];
  readonly lambda: Pick<Lambda, 'invokeAsync'>;
  /** How many times faster than the clock schedules run. */
  readonly timeScale: number;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface Scheduler {
  /** Starts no more invocations, and waits until those that were started are accepted or refused. */
  close(): Promise<void>;
}

/**
 * Runs the schedules of the template with their roles' permissions, the first time one interval after the start.
 * @throws TemplateError that names stack, logical id and property of what cannot run here
 */
export function startScheduler(options: SchedulerOptions): Scheduler {
  const { resources, lambda, timeScale, log, clock = systemClock } = options;
  const schedules = declared(resources, 'AWS::Scheduler::Schedule', scheduleProperties).map(
    ({ resource, properties }) => ({
      ...properties,
      name: resource.physicalId,
      arn: resource.attributes.Arn ?? '',
      intervalMs: intervalMs(resource, properties.ScheduleExpression) / timeScale,
    }),
  );
  const underWay = new Set<Promise<void>>();
  const cancels = schedules
    .filter(({ State }) => State === 'ENABLED')
    .map(({ name, arn, intervalMs, Target }) =>
      repeat(intervalMs, clock, () => {
        const event = Target.Input === undefined ? defaultNotification(arn, clock.now()) : Target.Input;
        const invocation = lambda
          .invokeAsync(Target.Arn, event, { kind: 'role', arn: Target.RoleArn })
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
